"""The graph as it was."""

import pytest

from lin.errors import CorruptLogError, InvalidInputError, ReadOnlyError
from lin.lineage import past
from lin.lineage.envelope import sign
from lin.lineage.events import ArtifactRecorded, Event, KeyChanged
from lin.lineage.index import catch_up
from lin.lineage.keys import ActorKey, LogKey
from lin.lineage.log import CHECKPOINT, Log
from lin.lineage.memory import MemoryGraph
from lin.lineage.moment import Moment
from lin.lineage.past import PastLedger, file_of, open_past
from lin.lineage.testing import dump
from lin.lineage.words import ArtifactKind, Shape
from lin.store.digest import Digest
from lin.store.local import LocalPlace

DAYS = ["2026-03-02", "2026-03-01", "2026-03-03", "2026-03-02", "2026-03-04"]
"""Of the events in the log, which are not in the order of their clocks."""


@pytest.fixture
def keys(tmp_path):
    return ActorKey.load_or_create(tmp_path / "keys"), LogKey.load_or_create(tmp_path / "keys", "lin/" + "0" * 32)


@pytest.fixture
def log(tmp_path, keys):
    log = Log(LocalPlace(tmp_path / "place"), keys[1].verifier)
    log.create(keys[1])
    add(log, keys, DAYS)
    return log


def add(log, keys, days):
    actor, key = keys
    start = log.checkpoint().size
    statements = [
        KeyChanged("add", actor.public.hex())
        if n == 0
        else ArtifactRecorded(ArtifactKind.DATASET, "d", n, Digest.of(b"%d" % n), Shape.BLOB, 1)
        for n in range(start, start + len(days))
    ]
    events = [Event(f"{day}T12:00:00.000000Z", actor.id, said) for day, said in zip(days, statements, strict=True)]
    log.extend([sign(event, actor).leaf for event in events], key)


def versions(graph):
    return sorted(node.facets["artifact"]["version"] for node in graph.find(name="d"))


@pytest.mark.parametrize("size", range(len(DAYS) + 1))
def test_exactly_the_first_events(log, tmp_path, size):
    """The graph after n events is that of the log's first n, whatever came since."""
    wanted = MemoryGraph()
    catch_up(log, wanted, stop=size)
    for _ in range(2):  # built, then read from the cache
        graph = open_past(log, tmp_path / "cache", Moment(size=size))
        assert dump(graph) == dump(wanted)
        assert graph.position().size == size
        assert versions(graph) == list(range(1, size))
        graph.close()


def test_a_moment_means_what_claims_to_be_from_before(log, keys, tmp_path):
    """A date counts the events that claim to be from then or before, wherever in the log, also those added later."""
    moment = Moment(at="2026-03-02T12:00:00.000000Z")
    graph = open_past(log, tmp_path / "cache", moment)
    assert versions(graph) == [1, 3]
    graph.close()
    add(log, keys, ["2026-02-01", "2026-05-01"])
    graph = open_past(log, tmp_path / "cache", moment)
    assert versions(graph) == [1, 3, 5]
    assert graph.position().size == 7
    graph.close()
    nothing = open_past(log, tmp_path / "cache", Moment(at="2020-01-01T00:00:00.000000Z"))
    assert nothing.count() == 0
    nothing.close()


@pytest.mark.parametrize("size", [-1, len(DAYS) + 1, 10**15])
def test_a_moment_that_the_log_has_not_seen(log, tmp_path, size):
    """A number of events that the log does not hold is refused with what it holds."""
    with pytest.raises(InvalidInputError, match=f"holds {len(DAYS)} events"):
        open_past(log, tmp_path / "cache", Moment(size=size))
    assert not (tmp_path / "cache").exists()


def test_few_are_kept(log, tmp_path, monkeypatch):
    """Of the graphs in the cache those stay that were asked for last."""
    monkeypatch.setattr(past, "KEPT", 2)
    for size in (1, 2, 3):
        open_past(log, tmp_path / "cache", Moment(size=size)).close()
    kept = {file.name.partition("-")[0] for file in (tmp_path / "cache" / "as-of").iterdir()}
    assert len(kept) == 2
    assert "3" in kept


def test_a_damaged_cache_is_made_anew(log, tmp_path):
    """A file that is no index is replaced."""
    moment = Moment(size=3)
    file = file_of(tmp_path / "cache", moment)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not an index" * 1000)
    graph = open_past(log, tmp_path / "cache", moment)
    assert versions(graph) == [1, 2]
    graph.close()


def test_a_rewritten_log_is_noticed(log, keys, tmp_path):
    """A cached past is held against the log that is there now."""
    open_past(log, tmp_path / "cache", Moment(size=3)).close()
    other = Log(LocalPlace(tmp_path / "other"), keys[1].verifier)
    other.create(keys[1])
    add(other, keys, ["2026-01-01"] * len(DAYS))
    with pytest.raises(CorruptLogError):
        open_past(other, tmp_path / "cache", Moment(size=3))
    assert other.place.size(CHECKPOINT)


def test_the_past_is_read_only(log, tmp_path):
    """Nothing can be written to a ledger as it was, and its graph stays where it is."""
    ledger = PastLedger(log, tmp_path / "cache", Moment(size=2))
    for write in (lambda: ledger.record(lambda *_: None), ledger.rebuild):
        with pytest.raises(ReadOnlyError):
            write()
    assert versions(ledger.graph()) == [1]
    assert ledger.position().size == 2
    ledger.close()
