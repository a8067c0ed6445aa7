"""The index follows the log, and proves it."""

import multiprocessing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lin.errors import BackendError, ConflictError, CorruptLogError, DamagedIndexError, UnsupportedFormatError
from lin.lineage import index
from lin.lineage.apply import combine, contribution
from lin.lineage.envelope import sign
from lin.lineage.events import Event, RunStarted
from lin.lineage.graph import NodeKind, Position
from lin.lineage.index import catch_up, open_index, rebuild
from lin.lineage.keys import ActorKey, LogKey
from lin.lineage.log import Log
from lin.lineage.memory import MemoryGraph
from lin.lineage.merkle import Frontier
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.testing import dump, histories
from lin.lineage.tiles import decode_bundle, encode_bundle
from lin.store.local import LocalPlace

ACTOR = ActorKey.from_seed(bytes(32))
LOG_KEY = LogKey.from_seed("lin/test", bytes(31) + b"l")


def new_log(place):
    log = Log(place, LOG_KEY.verifier)
    log.create(LOG_KEY)
    return log


def run(number):
    return Event("2026-01-01T00:00:00.000000Z", ACTOR.id, RunStarted("trees", f"run {number}", f"{number:x}"))


def leaves(events):
    return [sign(event, ACTOR).leaf for event in events]


@pytest.fixture
def place(tmp_path):
    return LocalPlace(tmp_path / "repository")


@pytest.fixture
def log(place):
    return new_log(place)


@pytest.fixture
def graph(tmp_path):
    graph = SqliteGraph(tmp_path / "cache" / "graph.sqlite3")
    yield graph
    graph.close()


def grow(log, start, stop):
    log.extend(leaves(run(number) for number in range(start, stop)), LOG_KEY)


def test_follows_a_growing_log(log, graph):
    """Each time the index applies what is new, and its position is the log's frontier."""
    assert catch_up(log, graph) == 0
    for start, stop in ((0, 1), (1, 300), (300, 303)):
        grow(log, start, stop)
        assert catch_up(log, graph) == stop - start
        assert catch_up(log, graph) == 0
        assert graph.count(kinds=[NodeKind.RUN]) == stop
        position = graph.position()
        assert Frontier(position.size, position.frontier).root == log.checkpoint().root


def test_events_know_their_place(log, graph):
    """The index says of each event where in the log it is."""
    grow(log, 0, 3)
    catch_up(log, graph)
    assert graph.events([run(number).id.value for number in (2, 0, 9)]) == {
        run(0).id.value: 0,
        run(2).id.value: 2,
    }


def test_batches_are_proven_one_by_one(log, graph, monkeypatch):
    """A log that takes several batches is applied in several transactions, with progress, to the same graph."""
    monkeypatch.setattr(index, "BATCH", 100)
    grow(log, 0, 256)
    told = []
    assert catch_up(log, graph, lambda done, total: told.append((done, total))) == 256
    assert told == [(100, 256), (200, 256), (256, 256)]
    whole = MemoryGraph()
    monkeypatch.setattr(index, "BATCH", 1_000)
    catch_up(log, whole)
    assert dump(graph) == dump(whole)


def test_rebuild_gives_the_same_graph(log, graph):
    """An index that followed step by step and one built at once hold the same."""
    for number in range(5):
        grow(log, number, number + 1)
        catch_up(log, graph)
    before, position = dump(graph), graph.position()
    assert rebuild(log, graph) == 5
    assert dump(graph) == before
    assert graph.position() == position


@given(history=histories(actor=ACTOR.id), data=st.data())
@settings(max_examples=15)
def test_the_index_of_any_log_is_the_union_of_its_events(tmp_path_factory, history, data):
    """For any history, following the log in any steps gives what its events say in any other order."""
    log = new_log(LocalPlace(tmp_path_factory.mktemp("log")))
    graph = MemoryGraph()
    cut = data.draw(st.integers(0, len(history)))
    for part in (history[:cut], history[cut:]):
        log.extend(leaves(part), LOG_KEY)
        catch_up(log, graph)
    parsed = [Event.parse(event.payload()) for event in data.draw(st.permutations(history))]
    other = MemoryGraph()
    other.apply(combine(contribution(event, event.id, 0) for event in parsed), expected=0, position=Position())
    assert dump(graph) == dump(other)


# ---------------------------------------------------------------------------- what is wrong with the log


def replace_entry(place, size, position):
    """Put another event, as valid as the first, into a log of `size` leaves, and leave its tree as it is."""
    name = f"log/tile/entries/000.p/{size}"
    entries = list(decode_bundle(place.read(name), expected=size))
    entries[position] = leaves([run(99)])[0]
    place.replace(name, encode_bundle(entries))


def test_entries_that_the_checkpoint_does_not_sign(place, log, graph):
    """A changed entry is noticed before anything of its batch is kept."""
    grow(log, 0, 2)
    catch_up(log, graph)
    before = dump(graph)
    grow(log, 2, 4)
    replace_entry(place, 4, 3)
    with pytest.raises(CorruptLogError, match="entries 2 to 3 are not those") as caught:
        catch_up(log, graph)
    assert "lin verify" in caught.value.hint
    assert dump(graph) == before
    assert graph.position().size == 2


def test_a_changed_entry_in_an_earlier_batch(place, log, graph, monkeypatch):
    """A batch is only applied when the checkpoint continues it, not when the last one shows that it did not."""
    monkeypatch.setattr(index, "BATCH", 2)
    grow(log, 0, 6)
    replace_entry(place, 6, 0)
    with pytest.raises(CorruptLogError):
        catch_up(log, graph)
    assert graph.position() == Position()
    assert graph.find() == []


def test_a_log_that_was_rolled_back(place, log, graph):
    """A log with fewer events than the index has seen is refused, and the message says both ways out."""
    grow(log, 0, 3)
    old = place.read("log/checkpoint")
    grow(log, 3, 5)
    catch_up(log, graph)
    place.replace("log/checkpoint", old)
    with pytest.raises(CorruptLogError, match="rolled back") as caught:
        catch_up(log, graph)
    assert "Restore" in caught.value.hint
    assert "lin index rebuild" in caught.value.hint
    assert graph.position().size == 5


@pytest.mark.parametrize("size", [3, 4])
def test_a_log_that_was_rewritten(tmp_path, graph, size):
    """A log with other events than those that the index has seen is refused, also where it has grown since."""
    log = new_log(LocalPlace(tmp_path / "one"))
    grow(log, 0, 3)
    catch_up(log, graph)
    before = dump(graph)
    other = new_log(LocalPlace(tmp_path / "other"))
    grow(other, 10, 10 + size)
    with pytest.raises(CorruptLogError, match="rewritten") as caught:
        catch_up(other, graph)
    assert "lin index rebuild" in caught.value.hint
    assert dump(graph) == before
    assert rebuild(other, graph) == size


def test_an_entry_that_is_no_event(log, graph):
    """A signed log that holds something else than events is named as corrupt, with the place."""
    log.extend([*leaves([run(0)]), b"{}"], LOG_KEY)
    with pytest.raises(CorruptLogError, match="entry 1 of the log is no event"):
        catch_up(log, graph)
    assert graph.position() == Position()


def test_an_event_of_a_newer_lin(log, graph):
    """An event that this lin does not know stops the index instead of being skipped."""
    leaf = leaves([run(0)])[0].replace(b"event.v0+json", b"event.v9+json")
    log.extend([leaf], LOG_KEY)
    with pytest.raises(UnsupportedFormatError):
        catch_up(log, graph)


# ---------------------------------------------------------------------------- others at once


class Overtaken(MemoryGraph):
    """A graph that another process fills just before this one does."""

    def __init__(self, log):
        super().__init__()
        self._log = log
        self.overtaken = 0

    def apply(self, batch, *, expected, position):
        if not self.overtaken:
            self.overtaken = 1
            catch_up(self._log, self)
        super().apply(batch, expected=expected, position=position)


def test_another_process_was_faster(log):
    """Where another process has applied the events, there is nothing left to do."""
    grow(log, 0, 3)
    graph = Overtaken(log)
    assert catch_up(log, graph) == 0
    assert graph.overtaken
    assert graph.position().size == 3


def test_a_checkpoint_is_read_after_the_position(log, graph, monkeypatch):
    """A log that others extend and index while this one looks is never taken for one that was rolled back."""
    grow(log, 0, 1)
    catch_up(log, graph)
    checkpoint = log.checkpoint

    def slow():
        here = checkpoint()
        monkeypatch.setattr(log, "checkpoint", checkpoint)
        grow(log, 1, 3)
        assert catch_up(log, graph) == 2
        return here

    monkeypatch.setattr(log, "checkpoint", slow)
    assert catch_up(log, graph) == 0
    assert graph.position().size == 3


def _follow(path, place, rounds):
    log = Log(LocalPlace(place), LOG_KEY.verifier)
    graph = open_index(path)
    for _ in range(rounds):
        catch_up(log, graph)
    graph.close()


def test_processes_follow_at_once(tmp_path, place, log):
    """Several processes that open and follow one index, while the log grows, leave it whole."""
    path = tmp_path / "cache" / "graph.sqlite3"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_follow, args=(path, tmp_path / "repository", 20)) for _ in range(2)]
    for process in processes:
        process.start()
    for number in range(10):
        grow(log, number, number + 1)
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    graph = open_index(path)
    catch_up(log, graph)
    other = MemoryGraph()
    catch_up(log, other)
    assert dump(graph) == dump(other)
    graph.close()


# ---------------------------------------------------------------------------- what is wrong with the index


def test_a_missing_index_is_made(tmp_path, log):
    """An index that is not there is begun, with its folder."""
    grow(log, 0, 1)
    graph = open_index(tmp_path / "deep" / "down" / "graph.sqlite3")
    assert catch_up(log, graph) == 1
    graph.close()


@pytest.mark.parametrize("data", [b"not a database, but long enough to look like one" * 40, b"\x00" * 5000])
def test_a_file_that_is_no_index_is_replaced(tmp_path, log, data):
    """An index file that is something else is deleted and begun anew."""
    grow(log, 0, 2)
    path = tmp_path / "graph.sqlite3"
    path.write_bytes(data)
    graph = open_index(path)
    assert catch_up(log, graph) == 2
    graph.close()


def test_an_index_of_another_version_is_replaced(tmp_path, log, graph):
    """An index of another schema version is deleted and begun anew."""
    with graph._file.writing() as db:
        db.execute("PRAGMA user_version=999")
    graph.close()
    with pytest.raises(DamagedIndexError, match="another version"):
        SqliteGraph(graph._file.path)
    again = open_index(graph._file.path)
    grow(log, 0, 1)
    assert catch_up(log, again) == 1
    again.close()


@pytest.mark.parametrize("damage", ["pages", "table", "position", "frontier"])
def test_a_damaged_index_is_filled_again(log, graph, damage):
    """Damage that shows while the index follows costs a rebuild, not an answer."""
    grow(log, 0, 300)
    catch_up(log, graph)
    whole = dump(graph)
    spoil(graph, damage)
    grow(log, 300, 301)
    again = open_index(graph._file.path)
    assert catch_up(log, again) == 301
    assert len(dump(again)) > len(whole)
    other = MemoryGraph()
    catch_up(log, other)
    assert dump(again) == dump(other)
    again.close()


def spoil(graph, damage):
    statements = {
        "table": ["DROP TABLE edge"],
        "position": ["DELETE FROM meta"],
        "frontier": ["UPDATE meta SET size = size + 2"],
    }
    if damage in statements:
        with graph._file.writing() as db:
            for statement in statements[damage]:
                db.execute(statement)
        graph.close()
        return
    graph.close()
    path = graph._file.path
    data = bytearray(path.read_bytes())
    size = 8192
    for page in range(1, len(data) // size):
        data[page * size : page * size + 200] = b"\xff" * 200
    path.write_bytes(bytes(data))


def test_damage_that_stays_is_an_error(log):
    """An index that cannot be repaired by filling it again says so, instead of trying for ever."""

    class Broken(MemoryGraph):
        def apply(self, batch, *, expected, position):
            raise DamagedIndexError("broken")

    grow(log, 0, 1)
    with pytest.raises(DamagedIndexError):
        catch_up(log, Broken())


def test_a_backend_that_fails_is_not_an_empty_log(log, graph, monkeypatch):
    """An error on the way to the log is passed on, and the index stays as it is."""
    grow(log, 0, 2)
    catch_up(log, graph)

    def fail():
        raise BackendError("no network")

    monkeypatch.setattr(log, "checkpoint", fail)
    with pytest.raises(BackendError, match="no network"):
        catch_up(log, graph)
    assert graph.position().size == 2


def test_conflicts_are_real():
    """Two batches for one position: the second is refused, so that it is never applied twice."""
    graph = MemoryGraph()
    graph.apply(combine([]), expected=0, position=Position(1, (bytes(32),)))
    with pytest.raises(ConflictError):
        graph.apply(combine([]), expected=0, position=Position(1, (bytes(32),)))
