"""The embedded engine."""

import multiprocessing
import os
import signal
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lin.errors import BackendError, ConflictError, DamagedIndexError, PermissionDeniedError
from lin.lineage import _sqlite_file, _sqlite_finding, _sqlite_paths, _sqlite_rows, _sqlite_search, _sqlite_writing
from lin.lineage import _sqlite_statements as sql
from lin.lineage.graph import PROVENANCE, Batch, Cursor, Direction, EdgeKind, Measure, NodeKind, Position, Within
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.testing import GraphSuite, dump, ident, link, node, put

DOWN, UP = Direction.DOWN, Direction.UP
TRAIN, GENERATED = EdgeKind.USED_TRAIN, EdgeKind.GENERATED


@pytest.fixture
def path(tmp_path):
    return tmp_path / "graph.sqlite3"


@pytest.fixture
def graph(path):
    graph = SqliteGraph(path)
    yield graph
    graph.close()


class TestSqliteGraph(GraphSuite):
    @pytest.fixture
    def graph(self, path):
        graph = SqliteGraph(path)
        yield graph
        graph.close()


class TestSqliteGraphLevelByLevel(TestSqliteGraph):
    """The search for large closures, in small pieces, used for all of them."""

    @pytest.fixture(autouse=True)
    def _no_closure_is_small(self, monkeypatch):
        monkeypatch.setattr(_sqlite_search, "SMALL_CLOSURE", 0)
        monkeypatch.setattr(_sqlite_rows, "STEP", 3)
        monkeypatch.setattr(_sqlite_rows, "CHUNK", 2)
        monkeypatch.setattr(_sqlite_finding, "CHUNK", 2)
        monkeypatch.setattr(_sqlite_paths, "MANY_EDGES", 1)


# ---------------------------------------------------------------------------- plans


class Recorder(_sqlite_file._Connection):
    """A connection that remembers what it was asked."""

    asked: dict[str, Any] = {}  # noqa: RUF012 - shared on purpose

    def execute(self, statement, parameters=()):
        self.asked[statement] = parameters
        return super().execute(statement, parameters)

    def executemany(self, statement, rows):
        cursor = self.cursor()
        for row in rows:
            cursor = self.execute(statement, row)
        return cursor


def ask_everything(graph):
    """Use every method with every kind of condition, and both ways."""
    some = [ident(n) for n in range(3)]
    after = Cursor(3, ident(3))
    graph.events(some)
    graph.get(some)
    graph.max_version("x")
    graph.count()
    graph.count(kinds=[NodeKind.RUN])
    for newest_first in (False, True):
        for condition in ({}, {"name": "x"}, {"text": "x"}, {"prefix": "ab"}, {"prefix": "abc", "name": "x"}):
            for kinds in ((), (NodeKind.RUN,), (NodeKind.RUN, NodeKind.MODEL)):
                graph.find(**condition, kinds=kinds, newest_first=newest_first)
                graph.find(**condition, kinds=kinds, newest_first=newest_first, after=after, limit=5)
    for within in (Within(), Within(low=1), Within(high=9), Within(low=1, high=9, low_open=True, high_open=True)):
        for kinds in ((), (NodeKind.RUN,)):
            graph.measured("x", within, kinds=kinds)
            graph.measured("x", within, kinds=kinds, after=after, limit=5)
    graph.measured("x", Within(equals=1), newest_first=True, after=after)
    graph.measured("x", Within(equals="one"), what=Measure.PARAMETER)
    graph.measured_size("x", Within(low=1))
    graph.measured_size("x", Within(equals="one"), what=Measure.PARAMETER, at_most=3)
    for direction in Direction:
        for ways in ({TRAIN}, {TRAIN, GENERATED}, PROVENANCE, frozenset(EdgeKind)):
            graph.edges(some, direction, ways)
            for nodes in ((), (NodeKind.MODEL,)):
                graph.closure(some, direction, ways, nodes=nodes)
                graph.closure(some, direction, ways, nodes=nodes, after=after, limit=5)
                graph.closure(some, direction, ways, nodes=nodes, depth=2, since=1, until=9)
                graph.closure_size(some, direction, ways, nodes=nodes)
                graph.closure_size(some, direction, ways, nodes=nodes, since=1, until=9)
            graph.closure_kinds(some, direction, ways)
            graph.subgraph(some, direction, ways, depth=2, max_nodes=5)
            graph.path(some[0], some[2], ways)
    graph.leaks(PROVENANCE)
    graph.leaks(PROVENANCE, models=some)
    put(graph, node("new", name="new"), link("new", 1, TRAIN, "note"), link(0, 1, TRAIN, "note"))
    put(graph, node("new", name="newer"))
    put(graph, node("run", NodeKind.RUN, finished={"metrics": {"x": 1}}))
    put(graph, node("run", NodeKind.RUN, finished={"at": "1", "metrics": {"x": 2, "y": "z"}}))
    graph.apply(Batch(events=[(ident("e"), 0)]), expected=0, position=Position(1, (ident("r"),)))


def test_no_statement_can_explode(path, monkeypatch):
    """With statistics, no statement scans a table, builds an index of its own, or fills a Bloom filter."""
    monkeypatch.setattr(_sqlite_file, "_Connection", Recorder)
    monkeypatch.setattr(_sqlite_search, "SMALL_CLOSURE", 4)
    graph = SqliteGraph(path)
    kinds = (NodeKind.DATASET, NodeKind.RUN, NodeKind.MODEL)
    put(
        graph,
        *(
            node(n, kinds[n % 3], name=f"n{n % 7}", created=n, artifact={"version": n}, finished={"metrics": {"x": n}})
            for n in range(3000)
        ),
        *(link(n, n // 2 + 1, (TRAIN, GENERATED, EdgeKind.EVALUATED)[n % 3]) for n in range(3000)),
        *(link(n, n + 1, TRAIN) for n in range(100)),
    )
    with graph._file.writing() as db:
        db.execute("ANALYZE")
    graph.close()
    graph = SqliteGraph(path)
    Recorder.asked.clear()
    ask_everything(graph)
    asked = {text: values for text, values in Recorder.asked.items() if text.split()[0] in ("SELECT", "WITH", "INSERT")}
    assert len(asked) > 60
    plans = {}
    with graph._file.reading() as db:
        for statement, values in asked.items():
            rows = sqlite3.Connection.execute(db, f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
            plans[statement] = [row[3] for row in rows]
    graph.close()
    harmless = (
        "SCAN json_each",
        "SCAN s ",
        "SCAN r",
        "SCAN d",
        "SCAN distinct_name",
        "SCAN CONSTANT ROW",
        "SCAN (subquery-",
    )
    for statement, plan in plans.items():
        for line in plan:
            assert "BLOOM" not in line, (statement, plan)
            assert "AUTOMATIC" not in line, (statement, plan)
            assert not line.startswith("SCAN") or line.startswith(harmless), (statement, plan)
    assert any("SEARCH e USING" in line for plan in plans.values() for line in plan)


def test_a_path_is_searched_from_the_side_with_fewer_edges(graph, monkeypatch):
    """A way from a hub is found from its other end, without looking at the hub's edges."""
    stepped: list[Direction] = []
    parents = sql.parents

    def watched(direction, kinds):
        stepped.append(direction)
        return parents(direction, kinds)

    monkeypatch.setattr(sql, "parents", watched)
    put(graph, *(link("hub", n) for n in range(200)), *(link(n, n + 1) for n in range(200, 220)), link("hub", 200))
    way = graph.path(ident("hub"), ident(220), [TRAIN])
    assert [edge.target for edge in way] == [ident(n) for n in range(200, 221)]
    assert set(stepped) == {UP}


def test_the_plain_filter_would_explode(graph):
    """The plan that the filter over two tables keeps out is real: with a plain filter the Bloom filter comes."""
    put(graph, *(link(n, n // 2 + 1, (TRAIN, GENERATED)[n % 2]) for n in range(3000)))
    with graph._file.writing() as db:
        db.execute("ANALYZE")
        plan = db.execute(
            "EXPLAIN QUERY PLAN WITH RECURSIVE r(k) AS (SELECT 1 UNION SELECT e.dst FROM r CROSS JOIN edge AS e "
            "ON e.src = r.k AND e.kind IN (11, 30)) SELECT k FROM r"
        ).fetchall()
    if sqlite3.sqlite_version_info < (3, 38):
        pytest.skip("this SQLite has no Bloom filters")
    assert any("BLOOM" in row[3] for row in plan)


# ---------------------------------------------------------------------------- at once


def _write(path, writer, count):
    """Add `count` nodes, each with its edge, each in a transaction of its own, beside other writers."""
    graph = SqliteGraph(path)
    done = 0
    while done < count:
        size = graph.position().size
        label = f"{writer}.{done}"
        batch = Batch([node(label, name=label)], [link("hub", label)], [(ident(label), size)])
        try:
            graph.apply(batch, expected=size, position=Position(size + 1, (ident(size),)))
            done += 1
        except ConflictError:
            continue
    graph.close()


def _read(path, stop, problems):
    """Look again and again: there are always as many nodes as events, and as many edges as nodes."""
    graph = SqliteGraph(path)
    seen = 0
    while seen < stop:
        with graph._file.reading() as db:
            size = db.execute("SELECT size FROM meta").fetchone()[0]
            counts = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("event", "edge")]
            if counts != [size, size] or size < seen:
                problems.put((seen, size, counts))
                return
        seen = size
    graph.close()


def test_writers_and_readers_at_once(path):
    """Two processes write and two read one file: nothing is lost, nothing is seen by half."""
    context = multiprocessing.get_context("spawn")
    problems = context.SimpleQueue()
    count = 40
    SqliteGraph(path).close()
    processes = [context.Process(target=_write, args=(path, name, count)) for name in "ab"]
    processes += [context.Process(target=_read, args=(path, 2 * count, problems)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert problems.empty()
    assert [process.exitcode for process in processes] == [0] * 4
    graph = SqliteGraph(path)
    assert graph.position().size == 2 * count
    assert graph.count(kinds=[NodeKind.DATASET]) == 2 * count
    assert len(graph.edges([ident("hub")], DOWN, [TRAIN])) == 2 * count
    graph.close()


def test_a_reader_is_not_blocked(path, graph):
    """While a writer is in the middle of its transaction, others read what was there before."""
    put(graph, node("a"))
    with graph._file.writing() as db:
        db.execute("DELETE FROM node")
        other = SqliteGraph(path)
        assert other.count() == 1
        assert graph.count() == 1
        other.close()
        db.execute("ROLLBACK")
        db.execute("BEGIN")


def test_an_answer_comes_from_one_state(graph, monkeypatch):
    """A question that takes several statements sees none of what is written between them."""
    put(graph, node("a"), link("a", "b"), link("b", "c"))
    step = _sqlite_search.step
    written: list[Any] = []

    def slow(*arguments):
        if not written:
            written.append(link("b", "late"))
            put(graph, *written)
        return step(*arguments)

    monkeypatch.setattr(_sqlite_search, "step", slow)
    assert {n.id for n in graph.subgraph([ident("a")], DOWN, [TRAIN]).nodes} == {ident(x) for x in "abc"}
    assert {n.id for n in graph.subgraph([ident("a")], DOWN, [TRAIN]).nodes} == {ident(x) for x in [*"abc", "late"]}


def test_many_threads(graph):
    """Threads share a graph: each answer is right, and writes don't mix."""
    barrier = threading.Barrier(4)

    def work(number):
        barrier.wait()
        for turn in range(10):
            put(graph, node(f"{number}.{turn}"), link("hub", f"{number}.{turn}"))
            assert graph.get([ident(f"{number}.{turn}")])
            assert len(graph.closure([ident("hub")], DOWN, [TRAIN])) >= turn + 1

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [None] * 4
    assert graph.count() == 40


def test_openers_at_once(path):
    """Several that open a file that is not there yet make one index together."""
    barrier = threading.Barrier(4)

    def work(number):
        barrier.wait()
        graph = SqliteGraph(path)
        put(graph, node(number))
        graph.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    graph = SqliteGraph(path)
    assert graph.count() == 4
    graph.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # that fork and threads don't mix is the point
def test_after_a_fork(path, graph):
    """A child of a fork opens connections of its own, and its parent's go on."""
    put(graph, node("a"))
    child = os.fork()
    if child == 0:  # pragma: no cover - in the child
        try:
            inherited = list(graph._file._idle)
            put(graph, node("b"))
            shared = [one for one in graph._file._idle if one in inherited]
            os._exit(0 if graph.count() == 2 and inherited and not shared else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert graph.count() == 2


# ---------------------------------------------------------------------------- faults


def _write_until_killed(path, started):
    graph = SqliteGraph(path)
    started.set()
    number = 0
    while True:
        size = graph.position().size
        nodes = [node(f"{number}.{n}") for n in range(50)]
        edges = [link(f"{number}.{n}", f"{number}.{n + 1}") for n in range(49)]
        graph.apply(
            Batch(nodes, edges, [(ident(f"e{size}"), size)]),
            expected=size,
            position=Position(size + 1, (ident(size),)),
        )
        number += 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_kill_during_apply(path):
    """A process killed while it applies leaves the state before a batch or after it, every time."""
    context = multiprocessing.get_context("spawn")
    SqliteGraph(path).close()
    before = 0
    for _ in range(4):
        started = context.Event()
        process = context.Process(target=_write_until_killed, args=(path, started))
        process.start()
        started.wait()
        watching = SqliteGraph(path)
        while watching.position().size < before + 3:
            pass
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        watching.close()
        graph = SqliteGraph(path)
        before = graph.position().size
        with graph._file.reading() as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            counted = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("event", "node", "edge")]
        # A writer that was started again says what it said before, so its nodes are there already.
        assert counted[0] == before
        assert counted[1] % 50 == 0
        assert counted[2] == counted[1] // 50 * 49
        graph.close()


def test_an_apply_that_fails_leaves_no_trace(graph, monkeypatch):
    """An error in the middle of a transaction takes all of it back, and the connection can go on."""
    put(graph, node("a"))
    before = dump(graph)
    for fault in (sqlite3.OperationalError("disk I/O error"), KeyboardInterrupt()):

        def fail(*_, fault=fault):
            raise fault

        with monkeypatch.context() as patch:
            patch.setattr(_sqlite_writing, "write_notes", fail)
            with pytest.raises((BackendError, KeyboardInterrupt)):
                put(graph, node("b"), link("b", "c"))
        assert dump(graph) == before
    put(graph, node("b"))


def test_a_full_disk(graph):
    """Where there is no room, the batch is refused as such and the graph stays as it was."""
    put(graph, node("a"))
    before = dump(graph)
    with graph._file.reading() as db:
        db.execute("PRAGMA max_page_count=1")  # it is never made smaller than it is
    with pytest.raises(BackendError) as caught:
        put(graph, *(node(n, name="x" * 1000) for n in range(500)))
    assert caught.value.kind == "storage_full"
    assert dump(graph) == before


def test_a_busy_file(path, graph, monkeypatch):
    """A writer that never ends makes others fail with an error that may be retried, not hang."""
    monkeypatch.setattr(_sqlite_file, "_BUSY_SECONDS", 0.05)
    other = SqliteGraph(path)
    with graph._file.writing(), pytest.raises(BackendError, match="locked"):
        put(other, node("a"))
    put(other, node("a"))
    other.close()


def test_a_graph_that_was_closed(graph):
    """A closed graph says so."""
    graph.close()
    with pytest.raises(BackendError, match="closed"):
        graph.count()


def test_a_folder_instead_of_a_file(tmp_path):
    """A path that is a folder can't be opened."""
    with pytest.raises(PermissionDeniedError):
        SqliteGraph(tmp_path)


def test_a_file_instead_of_a_folder(tmp_path):
    """A path below a file can't be made."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(BackendError):
        SqliteGraph(tmp_path / "file" / "graph.sqlite3")


def test_a_node_that_cannot_be_read(graph):
    """A node of an unknown kind or with broken facets is damage, not a crash."""
    put(graph, node("a", name="a", artifact={"version": 1}))
    for change in ("kind = 99", "kind = 1, facets = '{'"):
        with graph._file.writing() as db:
            db.execute(f"UPDATE node SET {change}")
        with pytest.raises(DamagedIndexError):
            graph.get([ident("a")])


def test_clear_replaces_a_damaged_file(path, graph):
    """Clearing works on a file that can't be read, and other users of the graph go on with the new one."""
    put(graph, *(node(n, name=f"{n}") for n in range(2000)))
    graph.close()
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // 8192):
        data[page * 8192 : page * 8192 + 100] = b"\xff" * 100
    path.write_bytes(bytes(data))
    again = SqliteGraph(path)
    with pytest.raises(DamagedIndexError):
        dump(again)
    again.clear()
    assert again.count() == 0
    put(again, node("a"))
    assert again.count() == 1
    again.close()


def test_a_connection_outlives_its_file_by_no_question(graph):
    """A connection that was lent while its file was replaced is not lent again."""
    put(graph, node("a"))
    with graph._file.reading() as db:
        graph._file.recreate()
        assert db.execute("SELECT count(*) FROM node").fetchone() == (1,)
    assert graph.count() == 0
