"""A whole graph is loaded into a new file, which becomes the index in one step."""

import errno
import fcntl
import multiprocessing
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lin.errors import ConflictError, CorruptLogError
from lin.lineage import _sqlite_adjacency, _sqlite_loading, _sqlite_search, index
from lin.lineage.apply import combine, contribution
from lin.lineage.envelope import sign
from lin.lineage.events import Event, RunStarted
from lin.lineage.graph import PROVENANCE, Batch, Direction, EdgeKind, NodeKind, Position
from lin.lineage.index import catch_up, rebuild
from lin.lineage.keys import ActorKey, LogKey
from lin.lineage.log import Log
from lin.lineage.memory import MemoryGraph
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.testing import dump, histories, ident, link, node, put
from lin.store.local import LocalPlace

ACTOR = ActorKey.from_seed(bytes(32))
LOG_KEY = LogKey.from_seed("lin/test", bytes(31) + b"l")
AT = "2026-01-01T00:00:00.000000Z"


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(_sqlite_loading, "NODES_AT_ONCE", 3)
    monkeypatch.setattr(_sqlite_loading, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(_sqlite_loading, "_ROWS", 2)
    monkeypatch.setattr(_sqlite_adjacency, "WORTHWHILE", 1)
    monkeypatch.setattr(index, "WORTH_LOADING", 2)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "graph.sqlite3"


@pytest.fixture
def graph(path):
    graph = SqliteGraph(path)
    yield graph
    graph.close()


@pytest.fixture
def log(tmp_path):
    log = Log(LocalPlace(tmp_path / "repository"), LOG_KEY.verifier)
    log.create(LOG_KEY)
    return log


def run(number):
    return sign(Event(AT, ACTOR.id, RunStarted("trees", f"run {number}", f"{number:x}")), ACTOR).leaf


def load(graph, *batches, anew=False, fault=None):
    with graph.loading(anew=anew) as loading:
        for number, batch in enumerate(batches):
            loading.apply(batch, expected=number, position=Position(number + 1))
        if fault is not None:
            raise fault


def files(path):
    return sorted(file.name.removeprefix(path.name) for file in path.parent.iterdir())


ITEMS = st.lists(
    st.builds(
        lambda n, kind, at, name, metrics: node(
            n, kind, name=name, created=at, finished={"at": f"{at}", "event": f"{n}", "metrics": metrics}
        ),
        st.integers(0, 8),
        st.sampled_from([NodeKind.RUN, NodeKind.MODEL, NodeKind.CONTENT]),
        st.integers(0, 9),
        st.none() | st.sampled_from("ab"),
        st.dictionaries(st.sampled_from("xy"), st.integers(0, 3) | st.sampled_from("uv"), max_size=2),
    )
    | st.builds(
        link,
        st.integers(0, 8),
        st.integers(0, 8),
        st.sampled_from([EdgeKind.USED_TRAIN, EdgeKind.GENERATED]),
        st.sampled_from(["one", "two"]),
    )
    | st.builds(link, st.integers(0, 8), st.integers(0, 8)),
    max_size=30,
)


@given(parts=st.lists(ITEMS, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_loaded_is_what_would_be_applied(tmp_path_factory, monkeypatch, parts):
    """Whatever batches say, and however often they repeat it, loading them gives the same answers as applying them."""
    monkeypatch.setattr(_sqlite_search, "SMALL_CLOSURE", 0)
    batches = [
        Batch(
            [item for item in part if hasattr(item, "facets")],
            [item for item in part if not hasattr(item, "facets")],
            [(ident(f"e{at}"), at), (ident("twice"), at)],
        )
        for at, part in enumerate(parts)
    ]
    loaded, applied = SqliteGraph(tmp_path_factory.mktemp("loaded") / "g"), MemoryGraph()
    load(loaded, *batches)
    for size, batch in enumerate(batches):
        applied.apply(batch, expected=size, position=Position(size + 1))
    assert dump(loaded) == dump(applied)
    assert loaded.position() == applied.position()
    assert loaded.events([ident("twice")]) == {ident("twice"): 0}
    for name in "xy":
        assert loaded.measured(name) == applied.measured(name)
    for start in range(9):
        for direction in Direction:
            given = ([ident(start)], direction, PROVENANCE)
            assert loaded.closure(*given) == applied.closure(*given)
    put(loaded, node("new"), link(0, "new"))
    put(applied, node("new"), link(0, "new"))
    assert dump(loaded) == dump(applied)
    loaded.close()


def test_the_first_question_finds_a_snapshot(graph, monkeypatch):
    """Loading makes the snapshot, so that no question has to wait for one."""
    monkeypatch.setattr(_sqlite_search, "SMALL_CLOSURE", 0)
    load(graph, Batch([node(n) for n in range(9)], [link(0, n) for n in range(1, 9)]))
    monkeypatch.setattr(graph._snapshot, "make", lambda: pytest.fail("it was made again"))
    assert graph.closure_size([ident(0)], Direction.DOWN, PROVENANCE) == 8
    assert graph._snapshot._view is not None


def test_an_empty_graph_is_loaded_from_its_log(log, graph, path):
    """Following a log from nothing loads it, and goes on batch by batch."""
    told = []
    log.extend([run(n) for n in range(5)], LOG_KEY)
    assert catch_up(log, graph, lambda done, of: told.append((done, of))) == 5
    assert told == [(5, 5)]
    assert path.is_symlink()
    log.extend([run(5)], LOG_KEY)
    assert catch_up(log, graph) == 1
    other = SqliteGraph(path.parent / "other")
    index.WORTH_LOADING = 99  # the fixture's patch puts it back
    catch_up(log, other)
    assert dump(other) == dump(graph)
    assert other.position() == graph.position()
    other.close()


@given(history=histories(actor=ACTOR.id))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_log_is_loaded_as_it_is_followed(tmp_path_factory, history):
    """For any history, loading its log gives what its events say."""
    folder = tmp_path_factory.mktemp("log")
    log = Log(LocalPlace(folder / "r"), LOG_KEY.verifier)
    log.create(LOG_KEY)
    log.extend([sign(event, ACTOR).leaf for event in history], LOG_KEY)
    graph, other = SqliteGraph(folder / "c" / "g"), MemoryGraph()
    catch_up(log, graph)
    parsed = [Event.parse(event.payload()) for event in history]
    other.apply(combine(contribution(event, event.id, 0) for event in parsed), expected=0, position=Position())
    assert dump(graph) == dump(other)
    graph.close()


def test_what_does_not_fit_into_memory_is_applied(log, graph, monkeypatch):
    """A load that needs too much memory ends early, and the rest follows as usual."""
    monkeypatch.setattr(_sqlite_loading, "_memory", lambda: 3 * 8 * 300)
    monkeypatch.setattr(index, "BATCH", 1)
    log.extend([run(n) for n in range(6)], LOG_KEY)
    assert catch_up(log, graph) == 6
    assert graph.position().size == 6
    assert graph.count(kinds=[NodeKind.RUN]) == 6


# ---------------------------------------------------------------------------- what replaces what


def test_a_rebuild_replaces_what_all_have_open(log, graph, path):
    """Whoever has the index open uses the new one from the next question on, and nothing is left of the old one."""
    log.extend([run(n) for n in range(4)], LOG_KEY)
    other = SqliteGraph(path)
    put(other, node("never logged"))
    assert rebuild(log, graph) == 4
    assert graph.get([ident("never logged")]) == other.get([ident("never logged")]) == {}
    assert other.count(kinds=[NodeKind.RUN]) == 4
    rebuild(log, other)
    assert graph.position().size == 4
    graph.close()
    other.close()
    (name,) = {os.readlink(path).removeprefix(path.name)}  # noqa: PTH115 - a name, not a path
    assert files(path) == ["", "-adjacency", "-loading", name]


def test_a_reader_in_the_middle_keeps_what_it_reads(graph):
    """A transaction that began before the index was replaced ends on the old one."""
    put(graph, node("old"))
    with graph._file.reading() as db:
        load(graph, Batch([node("new")]), anew=True)
        assert db.execute("SELECT id FROM node").fetchall() == [(ident("old"),)]
    assert set(graph.get([ident("old"), ident("new")])) == {ident("new")}


def test_a_load_that_fails_changes_nothing(graph, path):
    """An error, or an interruption, in the middle leaves the index as it was and no file behind."""
    put(graph, node("old"))
    before, there = dump(graph), files(path)
    for fault in (ValueError, KeyboardInterrupt):
        with pytest.raises(fault):
            load(graph, Batch([node("new")]), anew=True, fault=fault)
        assert dump(graph) == before
    assert set(files(path)) - set(there) <= {"-loading"}


def test_batches_in_the_wrong_order_are_refused(graph):
    """What is loaded is the log from its beginning, without gaps."""
    with graph.loading() as loading, pytest.raises(ConflictError):
        loading.apply(Batch(), expected=1, position=Position(2))


def test_a_graph_that_holds_something_is_not_replaced_by_following(graph):
    """Only a rebuild replaces what is there."""
    put(graph, node("old"))
    graph.apply(Batch(), expected=0, position=Position(1, (bytes(32),)))
    with graph.loading() as loading:
        assert loading is None
    assert set(graph.get([ident("old")])) == {ident("old")}


def test_only_one_loads(log, graph, path, monkeypatch):
    """While one loads another waits, and then finds the index there."""
    log.extend([run(n) for n in range(4)], LOG_KEY)
    other = SqliteGraph(path)
    waits, answers = threading.Event(), []
    flock = fcntl.flock

    def lock(file, how):
        waits.set()
        flock(file, how)

    with graph.loading() as loading:
        monkeypatch.setattr(fcntl, "flock", lock)
        late = threading.Thread(target=lambda: answers.append(catch_up(log, other)))
        late.start()
        waits.wait()
        assert loading is not None
        index_of = list(index._follow(log, log.checkpoint(), loading, Position(), None, None, None))
    late.join()
    assert (sum(index_of), answers) == (4, [0])
    assert other.position().size == 4
    other.close()


def test_without_symbolic_links(log, graph, path, monkeypatch):
    """Where a file system has no symbolic links, the index is built batch by batch in its own file."""
    log.extend([run(n) for n in range(4)], LOG_KEY)

    def refuse(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert catch_up(log, graph) == 4
    put(graph, node("never logged"))
    assert rebuild(log, graph) == 4
    assert not graph.get([ident("never logged")])
    graph._file.recreate()
    assert graph.position() == Position()
    assert not path.is_symlink()


def test_what_was_proven_is_kept(log, graph, monkeypatch):
    """Where the log turns out to be wrong, the graph holds what came before, and says so."""
    monkeypatch.setattr(index, "BATCH", 2)
    log.extend([run(0), run(1), b"{}", run(3)], LOG_KEY)
    for follow in (catch_up, rebuild):
        with pytest.raises(CorruptLogError, match="entry 2"):
            follow(log, graph)
        assert graph.position().size == 2


def _load_until_killed(path, started):
    graph = SqliteGraph(path)
    while True:
        with graph.loading(anew=True) as loading:
            assert loading is not None
            for size in range(20):
                batch = Batch([node(n) for n in range(size, size + 20)], [link(size, size + 1)])
                loading.apply(batch, expected=size, position=Position(size + 1, (bytes(32),) * (size + 1).bit_count()))
        started.set()


def test_kill_while_loading(path):
    """A process killed while it loads leaves the old index or the new one, whole, and the next one tidies up."""
    context = multiprocessing.get_context("spawn")
    for _ in range(4):
        started = context.Event()
        process = context.Process(target=_load_until_killed, args=(path, started))
        process.start()
        started.wait()
        process.kill()
        process.join()
        graph = SqliteGraph(path)
        assert graph.position().size == 20
        with graph._file.reading() as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        graph.close()
    graph = SqliteGraph(path)
    load(graph, Batch([node("one")]), anew=True)
    graph.close()
    assert len(files(path)) == 4
