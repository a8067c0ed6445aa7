"""The adjacency snapshot: what it answers is what the index answers."""

import builtins
import fcntl
import multiprocessing
import os
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lin.lineage import (
    _adjacency_file,
    _leak_search,
    _sqlite_adjacency,
    _sqlite_closures,
    _sqlite_paths,
    _sqlite_search,
    adjacency,
    leaking,
)
from lin.lineage.graph import PROVENANCE, Cursor, Direction, EdgeKind, NodeKind
from lin.lineage.memory import MemoryGraph
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.testing import GraphSuite, ident, ids, link, node, pages, put

DOWN, UP = Direction.DOWN, Direction.UP
TRAIN, GENERATED = EdgeKind.USED_TRAIN, EdgeKind.GENERATED
KINDS = (NodeKind.DATASET, NodeKind.RUN, NodeKind.MODEL)
WAYS = frozenset({TRAIN, GENERATED})

pytest.importorskip("numpy")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "graph.sqlite3"


@pytest.fixture(autouse=True)
def _every_closure_is_large(monkeypatch):
    monkeypatch.setattr(_sqlite_search, "SMALL_CLOSURE", 0)
    monkeypatch.setattr(_sqlite_paths, "MANY_EDGES", 0)
    monkeypatch.setattr(_sqlite_adjacency, "WORTHWHILE", 1)


@pytest.fixture
def graph(path):
    graph = SqliteGraph(path)
    yield graph
    graph.close()


class TestSqliteGraphOverSnapshots(GraphSuite):
    """Every question that can be is answered from a snapshot, which few changes make due again."""

    @pytest.fixture
    def graph(self, path, monkeypatch):
        monkeypatch.setattr(_sqlite_adjacency, "NEWER", 3)
        graph = SqliteGraph(path)
        yield graph
        graph.close()


NODES = 12
NUMBERS = st.integers(0, NODES - 1)
EDGE_KINDS = st.sampled_from([TRAIN, GENERATED, EdgeKind.EVALUATED])
NODE = st.builds(
    lambda n, kind, created: node(n, kind, created=created), NUMBERS, st.sampled_from(KINDS), st.integers(0, 5)
)
EDGE = st.builds(link, NUMBERS, NUMBERS, EDGE_KINDS)
PART = st.lists(NODE | EDGE, max_size=25)


@given(
    parts=st.lists(PART, min_size=1, max_size=4),
    snapshot_after=st.integers(0, 3),
    start=st.lists(NUMBERS, max_size=3),
    direction=st.sampled_from(Direction),
    kinds=st.frozensets(EDGE_KINDS, min_size=1),
    nodes=st.frozensets(st.sampled_from(KINDS), max_size=2),
    bounds=st.tuples(st.none() | st.integers(0, 5), st.none() | st.integers(0, 5)),
    depth=st.none() | st.integers(0, 4),
    limit=st.integers(1, 5),
    budget=st.sampled_from([3, 1000]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_came_since_counts(  # noqa: PLR0917 - Hypothesis gives them by name
    graph, monkeypatch, parts, snapshot_after, start, direction, kinds, nodes, bounds, depth, limit, budget
):
    """Whatever part of a graph is in the snapshot, and whatever came or changed since, each answer is the right one."""
    monkeypatch.setattr(adjacency, "_BUDGET", budget)
    memory = MemoryGraph()
    graph.clear()
    starts = [ident(n) for n in start]
    for number, part in enumerate(parts):
        put(graph, *part)
        put(memory, *part)
        if number <= snapshot_after:
            made = graph.make_snapshot()
            assert made
        graph.closure(starts, direction, kinds)  # opens it, so that what comes next is added to what is open
        since, until = bounds
        where = {"nodes": nodes, "since": since, "until": until}
        wanted = memory.closure(starts, direction, kinds, **where, depth=depth)
        assert graph.closure(starts, direction, kinds, **where, depth=depth) == wanted
        assert graph.closure_size(starts, direction, kinds, **where, depth=depth) == len(wanted)
        whole = memory.closure(starts, direction, kinds, **where)
        read = pages(lambda **page: graph.closure(starts, direction, kinds, **where, **page), limit)  # noqa: B023
        assert [n for page in read for n in page] == whole
        assert graph.closure_kinds(starts, direction, kinds) == memory.closure_kinds(starts, direction, kinds)
        options = {"depth": depth, "max_nodes": limit}
        assert graph.subgraph(starts, direction, kinds, **options) == memory.subgraph(
            starts, direction, kinds, **options
        )


LEAK_KINDS = st.sampled_from(
    [TRAIN, GENERATED, EdgeKind.EVALUATED, EdgeKind.EVALUATED_ON, EdgeKind.HAS_CONTENT, EdgeKind.HAS_CONTENT]
)
LEAK_NODES = st.sampled_from([NodeKind.DATASET, NodeKind.MODEL, NodeKind.EVALUATION, NodeKind.CONTENT, NodeKind.RUN])
LEAK_PART = st.lists(
    st.builds(lambda n, kind, created: node(n, kind, created=created), NUMBERS, LEAK_NODES, st.integers(0, 3))
    | st.builds(link, NUMBERS, NUMBERS, LEAK_KINDS),
    max_size=60,
)


@given(
    parts=st.lists(LEAK_PART, min_size=1, max_size=3),
    models=st.none() | st.lists(NUMBERS, max_size=4),
    limit=st.none() | st.integers(1, 3),
    levels=st.sampled_from([1, 3, 256]),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_leaks_over_arrays(  # noqa: PLR0917 - Hypothesis gives them by name
    graph, monkeypatch, parts, models, limit, levels
):
    """Whatever leaks by the plain search leaks by that over arrays, with circles or without."""
    monkeypatch.setattr(_sqlite_closures, "FEW_MODELS", -1)
    monkeypatch.setattr(_leak_search, "_MANY_LEVELS", levels)
    memory = MemoryGraph()
    graph.clear()
    for number, part in enumerate(parts):
        put(graph, *part)
        put(memory, *part)
        if number < 2:
            assert graph.make_snapshot()
        some = None if models is None else [ident(n) for n in models]
        assert graph.leaks(WAYS, models=some, limit=limit) == memory.leaks(WAYS, models=some, limit=limit)


def test_leaks_of_a_planted_history(graph, monkeypatch):
    """The search over arrays finds the leaks through a chain of derived data, and only those."""
    put(
        graph,
        *(node(f"d{n}", NodeKind.DATASET) for n in range(3)),
        *(link(f"c{n}", f"d{n}", EdgeKind.HAS_CONTENT) for n in range(3)),
        link("d0", "r0"),
        link("r0", "d1", GENERATED),
        link("d1", "r1"),
        link("r1", "m", GENERATED),
        node("m", NodeKind.MODEL),
        *(node(f"e{n}", NodeKind.EVALUATION, created=n) for n in range(3)),
        *(link("m", f"e{n}", EdgeKind.EVALUATED) for n in range(3)),
        *(link(f"d{n}", f"e{n}", EdgeKind.EVALUATED_ON) for n in range(3)),
    )
    monkeypatch.setattr(leaking, "leaks", None)  # so that this is not who answers
    assert ids(graph.leaks(WAYS)) == [ident("e0"), ident("e1")]
    assert ids(graph.leaks(WAYS, limit=1)) == [ident("e0")]
    assert ids(graph.leaks({TRAIN})) == []


def fill(graph, uses=30):
    """Put a dataset with runs that used it, and models of every other run."""
    put(
        graph,
        node("data", created=1),
        *(node(f"run {n}", NodeKind.RUN, created=2 + n) for n in range(uses)),
        *(link("data", f"run {n}") for n in range(uses)),
        *(link(f"run {n}", f"model {n}", GENERATED) for n in range(0, uses, 2)),
        *(node(f"model {n}", NodeKind.MODEL, created=100 + n) for n in range(0, uses, 2)),
    )


def opened(graph):
    with graph._file.reading() as db:
        return graph._snapshot.opened(db)


def test_a_first_page_looks_at_little(graph, monkeypatch):
    """The first nodes of a closure are found without searching all of it."""
    fill(graph)
    graph.make_snapshot()
    graph.closure_size([ident("data")], DOWN, WAYS)
    monkeypatch.setattr(adjacency.Adjacency, "levels", None)
    found = graph.closure([ident("data")], DOWN, WAYS, limit=3)
    assert ids(found) == [ident(f"run {n}") for n in range(3)]
    after = Cursor(found[-1].created, found[-1].id)
    assert ids(graph.closure([ident("data")], DOWN, WAYS, limit=1, after=after)) == [ident("run 3")]
    models = graph.closure([ident("data")], DOWN, WAYS, nodes=[NodeKind.MODEL], limit=2)
    assert ids(models) == [ident("model 0"), ident("model 2")]


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "other", "gone", "folder"])
def test_a_damaged_snapshot_is_not_used(path, graph, harm):
    """A snapshot that is not as it was written is made anew, and the answer is right in any case."""
    fill(graph)
    graph.make_snapshot()
    wanted = graph.closure([ident("data")], DOWN, WAYS)
    assert opened(graph) is not None
    graph.close()
    file = _sqlite_adjacency.snapshot_path(path)
    data = bytearray(file.read_bytes())
    file.unlink()
    match harm:
        case "cut":
            file.write_bytes(data[:-100])
        case "flip":
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
        case "empty":
            file.write_bytes(b"")
        case "other":
            file.write_bytes(b"something else entirely" * 20)
        case "folder":
            file.mkdir()
        case _:
            pass
    again = SqliteGraph(path)
    assert again.closure([ident("data")], DOWN, WAYS) == wanted
    assert again.closure_size([ident("data")], DOWN, WAYS) == len(wanted) == 45
    assert (opened(again) is not None) == (harm != "folder")
    again.close()


def test_a_stale_snapshot_is_not_used(path, graph):
    """A snapshot of another state of the index, put back in place of the present one, is not used."""
    fill(graph)
    graph.make_snapshot()
    file = _sqlite_adjacency.snapshot_path(path)
    old = file.read_bytes()
    put(graph, link("data", "late"))
    graph.make_snapshot()
    file.write_bytes(old)
    again = SqliteGraph(path)
    assert ident("late") in ids(again.closure([ident("data")], DOWN, WAYS))
    again.close()


def test_an_emptied_index_has_no_snapshot(path, graph):
    """What is cleared is gone from the answers, also for others that have the snapshot open."""
    fill(graph)
    other = SqliteGraph(path)
    for one in (graph, other):
        assert one.closure_size([ident("data")], DOWN, WAYS) == 45
    graph.clear()
    put(graph, link("data", "late"))
    for one in (graph, other):
        assert ids(one.closure([ident("data")], DOWN, WAYS)) == [ident("late")]
    other.close()


def test_a_transaction_that_began_earlier(path, graph):
    """A question that was asked before something came does not see it, though another question does."""
    fill(graph)
    graph.closure_size([ident("data")], DOWN, WAYS)
    with graph._file.reading() as db:
        before = graph._snapshot.opened(db)
        size = len(before.reach([1], DOWN, WAYS))
        put(graph, link("data", "late"))
        assert graph.closure_size([ident("data")], DOWN, WAYS) == 46
        seen = graph._snapshot.opened(db)
        assert seen is None or len(seen.reach([1], DOWN, WAYS)) == size


def test_without_numpy(graph, monkeypatch):
    """Without NumPy the index answers by itself, and makes no snapshot."""
    fill(graph)
    monkeypatch.setattr(_sqlite_adjacency, "_supported", lambda: False)
    assert graph.closure_size([ident("data")], DOWN, WAYS) == 45
    assert not graph.make_snapshot()
    monkeypatch.undo()
    monkeypatch.setattr(_sqlite_adjacency, "WORTHWHILE", 1)
    monkeypatch.setattr(_sqlite_search, "SMALL_CLOSURE", 0)
    monkeypatch.setattr(_sqlite_paths, "MANY_EDGES", 0)
    assert graph.make_snapshot()
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "_adjacency_file":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(_sqlite_adjacency, "_supported", lambda: False)
    assert graph.closure_size([ident("data")], DOWN, WAYS) == 45
    assert opened(graph) is None


def test_times_that_lead_nowhere(graph, monkeypatch):
    """Where times run against the edges for long, pages come from the whole closure, and are right."""
    monkeypatch.setattr(_adjacency_file, "_ROUNDS", 3)
    numbers = range(20)
    put(graph, *(node(n, created=100 - n) for n in numbers), *(link(n, n + 1) for n in numbers[:-1]))
    graph.make_snapshot()
    found = graph.closure([ident(0)], DOWN, WAYS, limit=2)
    assert ids(found) == [ident(19), ident(18)]
    assert not opened(graph).snapshot.ordered


def test_only_one_makes_it(path, graph):
    """While a process makes the snapshot another goes on without."""
    fill(graph)
    other = SqliteGraph(path)
    part = _sqlite_adjacency.snapshot_path(path).with_name(path.name + "-adjacency.part")
    with part.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not other.make_snapshot()
        assert other.closure_size([ident("data")], DOWN, WAYS) == 45
    assert other.make_snapshot()
    other.close()


def test_a_lock_on_a_file_that_was_renamed(path, graph, monkeypatch):
    """Who gets the lock of a file that has become the snapshot meanwhile leaves it alone: others have it mapped."""
    fill(graph)
    snapshot = _sqlite_adjacency.snapshot_path(path)
    part = snapshot.with_name(snapshot.name + ".part")

    def late(file, how):
        """Take the lock only after another has finished under it."""
        part.rename(snapshot)
        file.write(b"in use")
        file.flush()

    monkeypatch.setattr(fcntl, "flock", late)
    assert not graph.make_snapshot()
    assert snapshot.read_bytes() == b"in use"


def test_failing_to_make_it_is_not_tried_at_once(path, graph, monkeypatch):
    """Where a snapshot can't be written, questions are answered without it, and do not try each time."""
    fill(graph)
    _sqlite_adjacency.snapshot_path(path).mkdir()
    tried = []
    real = _adjacency_file.make

    def make(*given):
        tried.append(1)
        return real(*given)

    monkeypatch.setattr(_adjacency_file, "make", make)
    for _ in range(3):
        assert graph.closure_size([ident("data")], DOWN, WAYS) == 45
    assert tried == [1]


def _make_until_killed(path, started):
    graph = SqliteGraph(path)
    for number in count():
        put(graph, link("data", f"more {number}"))
        graph.make_snapshot()
        started.set()


def test_kill_while_it_is_made(path):
    """A process killed while it makes snapshots leaves an index and a snapshot that answer rightly."""
    context = multiprocessing.get_context("spawn")
    graph = SqliteGraph(path)
    for _ in range(3):
        started = context.Event()
        process = context.Process(target=_make_until_killed, args=(path, started))
        process.start()
        started.wait()
        process.kill()
        process.join()
        edges = graph.edges([ident("data")], DOWN, [TRAIN])
        assert graph.closure_size([ident("data")], DOWN, [TRAIN]) == len(edges) > 0
    graph.close()


def test_cursors_between_equal_moments(graph):
    """Pages that end between nodes of one moment have no gaps and no repeats."""
    put(graph, node("data"), *(node(n, created=7) for n in range(20)), *(link("data", n) for n in range(20)))
    graph.make_snapshot()
    whole = graph.closure([ident("data")], DOWN, PROVENANCE)
    assert len(whole) == 20
    for size in (1, 3, 7):
        read = pages(lambda **page: graph.closure([ident("data")], DOWN, PROVENANCE, **page), size)
        assert [n for page in read for n in page] == whole
    assert os.path.exists(_sqlite_adjacency.snapshot_path(graph._file.path))  # noqa: PTH110 - it was used
