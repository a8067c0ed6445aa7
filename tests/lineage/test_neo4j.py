"""The engine for teams, against a real Neo4j server."""

from __future__ import annotations

import socket
import sys
import threading
import time
from typing import Any

import neo4j as driver
import pytest
from hypothesis import HealthCheck, given, settings

from lin.errors import (
    BackendError,
    ConflictError,
    DamagedIndexError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    UnsupportedFormatError,
)
from lin.lineage import _neo4j_server, _neo4j_setup, _neo4j_statements, neo4j
from lin.lineage.apply import combine, contribution
from lin.lineage.graph import Batch, Cursor, Direction, Node, NodeKind, Position
from lin.lineage.memory import MemoryGraph
from lin.lineage.neo4j import Neo4jGraph
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.testing import TRAIN, WAYS, GraphSuite, dump, histories, ident, ids, link, node, put

pytestmark = pytest.mark.service


class TestNeo4jGraph(GraphSuite):
    @pytest.fixture
    def graph(self, neo4j_graph):
        return neo4j_graph


class TestNeo4jGraphLevelByLevel:
    """The search from many starts, used for any number."""

    @pytest.fixture
    def graph(self, neo4j_graph, monkeypatch):
        monkeypatch.setattr(neo4j, "FEW_STARTS", 0)
        return neo4j_graph

    test_two_cycle = GraphSuite.test_two_cycle
    test_self_loop = GraphSuite.test_self_loop
    test_diamond_ladder = GraphSuite.test_diamond_ladder
    test_no_kinds_lead_nowhere = GraphSuite.test_no_kinds_lead_nowhere
    test_depth_is_said = GraphSuite.test_depth_is_said
    test_cut_nodes_are_said = GraphSuite.test_cut_nodes_are_said
    test_random_closures = GraphSuite.test_random_closures
    test_random_subgraphs = GraphSuite.test_random_subgraphs


# ---------------------------------------------------------------------------- equal answers


@given(history=histories(max_events=25))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_engine_holds_the_same_graph(history, neo4j_graph, tmp_path_factory):
    """The same events, in one batch or several and in any order, are the same graph in each engine."""
    parts = [contribution(event, event.id, position) for position, event in enumerate(history)]
    half = len(parts) // 2
    sqlite = SqliteGraph(tmp_path_factory.mktemp("graph") / "graph.sqlite3")
    texts = set()
    for graph, batches in (
        (MemoryGraph(), [combine(parts)]),
        (sqlite, [combine(parts)]),
        (neo4j_graph, [combine(parts)]),
        (neo4j_graph, [combine(parts[half:]), combine(parts[:half])]),
    ):
        graph.clear()
        for number, batch in enumerate(batches):
            graph.apply(batch, expected=number, position=Position(number + 1))
        texts.add(dump(graph))
    sqlite.close()
    assert len(texts) == 1


# ---------------------------------------------------------------------------- whose database it is


def test_a_database_with_other_data_is_refused(cypher, open_neo4j):
    """Where there is a node that is not lin's, nothing is read, written or removed."""
    cypher("MATCH (n) DETACH DELETE n")
    cypher("CREATE (:Person {name: 'Ada'})")
    graph = open_neo4j()
    for use in (graph.position, graph.clear, lambda: put(graph, node("a"))):
        with pytest.raises(InvalidInputError, match="not lin's \\(Person\\)"):
            use()
    assert cypher("MATCH (n) RETURN labels(n), n.name") == [[["Person"], "Ada"]]


def test_a_database_that_others_write_to_later_is_refused(cypher, neo4j_graph, open_neo4j):
    """Whoever opens a graph beside which someone put other nodes is told so."""
    put(neo4j_graph, node("a"))
    cypher("CREATE ()")
    with pytest.raises(InvalidInputError, match="no label"):
        open_neo4j().position()


def test_another_repositorys_graph_is_refused(cypher, neo4j_graph, open_neo4j):
    """A database with the graph of one repository is not used, nor emptied, for another."""
    put(neo4j_graph, node("a"))
    other = open_neo4j(repository="0123")
    for use in (other.position, other.clear):
        with pytest.raises(InvalidInputError, match="another repository, ''"):
            use()
    assert neo4j_graph.count() == 1


@pytest.mark.parametrize("schema", [_neo4j_setup.SCHEMA_VERSION + 1, "two"])
def test_a_newer_schema_is_refused(cypher, neo4j_graph, open_neo4j, schema):
    """A graph that a newer lin made is left alone."""
    put(neo4j_graph, node("a"))
    cypher("MATCH (m:LinMeta {one: 1}) SET m.schema = $schema", schema=schema)
    graph = open_neo4j()
    for use in (graph.position, graph.clear):
        with pytest.raises(UnsupportedFormatError, match="a newer lin"):
            use()
    assert cypher("MATCH (n:Lin) RETURN count(n)") == [[1]]


@pytest.mark.parametrize(
    "damage",
    [
        "MATCH (m:LinMeta {one: 1}) SET m.schema = 0",
        "MATCH (m:LinMeta) DELETE m",
        "MATCH (m:LinMeta {one: 2}) DELETE m",
        "MATCH (m:LinMeta {one: 1}) SET m.emptying = true",
        "MATCH (m:LinMeta {one: 1}) SET m.emptying = true WITH m MATCH (n:Lin) DETACH DELETE n",
    ],
)
@pytest.mark.parametrize("at_once", [1, 10_000])
def test_a_damaged_graph_is_said_and_cleared(  # noqa: PLR0917 - fixtures
    cypher, neo4j_graph, open_neo4j, monkeypatch, damage, at_once
):
    """What an older lin made, what lost its position and what was left half empty is an error that `clear` ends."""
    monkeypatch.setattr(_neo4j_setup, "DELETE_AT_ONCE", at_once)
    put(neo4j_graph, node("a"), link("a", "r"))
    cypher(damage)
    graph = open_neo4j()
    with pytest.raises(DamagedIndexError):
        graph.position()
    with pytest.raises(DamagedIndexError):
        graph.apply(Batch([node("b")]), expected=0, position=Position(1))
    graph.clear()
    put(graph, node("b"))
    assert (graph.position(), ids(graph.find())) == (Position(), [ident("b")])


@pytest.mark.parametrize(
    "damage",
    [
        "SET n.kind = 99",
        "SET n.facets = '{'",
        "SET n.id = 'xyz'",
        "SET n.created = 'x', n.kind = null",
        "SET n.facets = 7",
    ],
)
def test_unreadable_nodes_are_damage(cypher, neo4j_graph, damage):
    """A node that lin did not write like this is said to be damage, as is what follows from it."""
    put(neo4j_graph, node("a"), link("a", "r"))
    cypher(f"MATCH (n:Lin:Dataset) {damage}")
    with pytest.raises(DamagedIndexError, match="cannot be read"):
        neo4j_graph.subgraph([ident("r")], Direction.UP, WAYS)
    neo4j_graph.clear()
    assert neo4j_graph.count() == 0


def test_an_emptied_database_is_set_up_again(cypher, neo4j_graph):
    """When someone puts an empty database in the place of the graph, it is noticed, and used."""
    put(neo4j_graph, node("a"))
    cypher("MATCH (n) DETACH DELETE n")
    with pytest.raises(DamagedIndexError):
        neo4j_graph.position()
    assert neo4j_graph.position() == Position()
    put(neo4j_graph, node("b"))
    assert neo4j_graph.count() == 1


def test_many_begin_at_once(cypher, open_neo4j):
    """Several that use a new database at the same moment set it up once."""
    cypher("MATCH (n) DETACH DELETE n")
    for (name,) in cypher("SHOW CONSTRAINTS YIELD name WHERE name STARTS WITH 'lin_'"):
        cypher(f"DROP CONSTRAINT {name}")
    graphs = [open_neo4j() for _ in range(4)]
    found: list[object] = []
    threads = [threading.Thread(target=lambda g=g: found.append(g.position())) for g in graphs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [Position()] * 4
    assert cypher("MATCH (m:LinMeta) RETURN m.one ORDER BY m.one") == [[1], [2]]


def test_clearing_a_large_graph(neo4j_graph, monkeypatch):
    """A graph of more nodes than one transaction deletes is emptied as well."""
    monkeypatch.setattr(_neo4j_setup, "DELETE_AT_ONCE", 7)
    events = [(ident(n), n) for n in range(30)]
    batch = Batch([node(n) for n in range(30)], [link(n, n + 1) for n in range(29)], events)
    neo4j_graph.apply(batch, expected=0, position=Position(30))
    neo4j_graph.clear()
    assert (neo4j_graph.position(), neo4j_graph.count(), neo4j_graph.events([ident(3)])) == (Position(), 0, {})


# ---------------------------------------------------------------------------- the server's refusals


def test_wrong_credentials(own_neo4j_service, open_neo4j):
    """A wrong password is a refusal of access, at the first question and at the next."""
    graph = open_neo4j(auth=("neo4j", "wrong"))
    for use in (graph.position, graph.clear):
        with pytest.raises(PermissionDeniedError, match="refused access") as caught:
            use()
        assert caught.value.hint
        assert "wrong" not in str(caught.value)


def test_no_credentials(own_neo4j_service, open_neo4j):
    """Neither does a server that wants a password answer without one."""
    with pytest.raises(PermissionDeniedError):
        open_neo4j(auth=None).position()


def test_no_such_database(own_neo4j_service, open_neo4j):
    """The name of a database that is not there is said."""
    with pytest.raises(NotFoundError, match="no-such"):
        open_neo4j(database="no-such").position()


def test_nobody_listens(capfd, open_neo4j):
    """Where there is no server each method says so at once, and the driver prints nothing."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    graph = open_neo4j(uri=f"bolt://127.0.0.1:{port}")
    started = time.monotonic()
    for use in (graph.position, graph.clear, lambda: graph.path(ident("a"), ident("b"), WAYS)):
        with pytest.raises(BackendError, match=f"{port} cannot be reached") as caught:
            use()
        assert caught.value.hint
        assert caught.value.__cause__ is not None
    assert time.monotonic() - started < 10
    assert capfd.readouterr() == ("", "")


def test_something_else_listens(open_neo4j):
    """A port where no Neo4j answers is an error within seconds, not a wait."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            for _ in range(2):
                server.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        graph = open_neo4j(uri=f"bolt://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(BackendError):
            graph.position()


@pytest.mark.parametrize(
    "uri", ["", "localhost", "http://localhost", "bolt://", "bolt://a:b", "bolt://a:0", "bolt://a/db", "neo4j://a?x=y"]
)
def test_what_is_no_address(uri):
    """A text that names no server is refused before anything is sent."""
    with pytest.raises(InvalidInputError):
        Neo4jGraph(uri)


def test_credentials_in_the_address_are_refused_and_not_repeated():
    """A password in the address would be written down in many places, so it is refused, without being shown."""
    for uri in ("bolt://neo4j:geheim@localhost:7687", "http://neo4j:geheim@localhost"):
        with pytest.raises(InvalidInputError) as caught:
            Neo4jGraph(uri)
        assert "geheim" not in f"{caught.value} {caught.value.__cause__}"


def test_without_the_driver(monkeypatch):
    """Where the extra is not installed, the first question says how to install it."""
    monkeypatch.setitem(sys.modules, "neo4j", None)
    graph = Neo4jGraph("bolt://127.0.0.1:1")
    with pytest.raises(BackendError, match="needs the Neo4j driver") as caught:
        graph.position()
    assert "lin-store[neo4j]" in caught.value.hint


def test_a_lock_that_is_never_released_is_not_waited_for_for_ever(cypher, neo4j_graph, own_neo4j_service, monkeypatch):
    """Whoever finds the writers' lock held too long is told so, and what was to be written is not."""
    monkeypatch.setattr(_neo4j_server, "SECONDS_TO_ANSWER", 1.0)
    with (
        driver.GraphDatabase.driver(own_neo4j_service.uri, auth=own_neo4j_service.auth) as other,
        other.session() as session,
        session.begin_transaction() as transaction,
    ):
        transaction.run("MATCH (m:LinMeta {one: 1}) SET m.turn = 'mine'").consume()
        with pytest.raises(BackendError, match="did not finish in time"):
            put(neo4j_graph, node("a"))
    put(neo4j_graph, node("b"))
    assert ids(neo4j_graph.find()) == [ident("b")]


# ---------------------------------------------------------------------------- one state at a time


def test_a_read_sees_no_batch_half(neo4j_graph, open_neo4j):
    """What was committed in the middle of a read is in none of its statements or in all."""
    other = open_neo4j()
    seen: list[Any] = []

    def read(run):
        first = run("MATCH (n:Lin) RETURN [count(n)] AS row")
        if len(seen) < 1:
            put(other, node(f"late {len(seen)}"))
        seen.append((first, run("MATCH (n:Lin) RETURN [count(n)] AS row")))
        return seen[-1]

    first, second = neo4j_graph._server.read(read)
    assert first == second == [[1]]
    assert seen[0][0] != seen[0][1]


def test_a_question_during_a_commit_is_asked_again(neo4j_graph, monkeypatch):
    """A single statement that a commit began or ended within is no answer."""
    put(neo4j_graph, node("a"))
    framed = _neo4j_statements.framed
    sent: list[str] = []

    def once_during_a_commit(statement: str) -> str:
        sent.append(statement)
        later = framed(statement)
        return later if len(sent) > 1 else "t.begun + 1, t.done + 1".join(later.rsplit("t.begun, t.done", 1))

    monkeypatch.setattr(_neo4j_statements, "framed", once_during_a_commit)
    assert neo4j_graph.count() == 1
    assert len(sent) == 2


def test_a_read_among_endless_writes_ends(neo4j_graph, open_neo4j):
    """A read that commits always get in the way of keeps writers waiting for as long as it takes."""
    other = open_neo4j()
    writers: list[threading.Thread] = []

    def read(run):
        first = run("MATCH (n:Lin) RETURN [count(n)] AS row")
        writers.append(threading.Thread(target=put, args=(other, node(f"late {len(writers)}"))))
        writers[-1].start()
        writers[-1].join(0 if len(writers) > 2 else None)
        return first, run("MATCH (n:Lin) RETURN [count(n)] AS row")

    first, second = neo4j_graph._server.read(read)
    writers[-1].join()
    assert first == second == [[2]]
    assert other.count() == 3


def test_a_writer_that_died_between_its_marks_slows_only_one_reader(cypher, neo4j_graph):
    """Marks left by a dead writer are put right by the first who reads."""
    put(neo4j_graph, node("a"))
    cypher("MATCH (t:LinMeta {one: 2}) SET t.begun = t.begun + 5")
    assert neo4j_graph.count() == 1
    assert cypher("MATCH (t:LinMeta {one: 2}) RETURN t.begun = t.done") == [[True]]


def test_threads_share_a_graph(neo4j_graph):
    """Many threads of one process write and read through one object; each batch is in exactly once."""
    errors: list[BaseException] = []

    def work(number):
        done = 0
        while done < 3:
            at = neo4j_graph.position()
            batch = Batch([node(f"{number}.{done}")], [link("hub", f"{number}.{done}")])
            try:
                neo4j_graph.apply(batch, expected=at.size, position=Position(at.size + 1))
                done += 1
            except ConflictError:
                pass
            except BaseException as error:  # noqa: BLE001 - shown below
                errors.append(error)
                return

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert neo4j_graph.position().size == 15
    assert neo4j_graph.closure_size([ident("hub")], Direction.DOWN, WAYS) == 15


# ---------------------------------------------------------------------------- sizes


@pytest.mark.parametrize("length", [1_000, 1_001, 8_000, 8_001, 40_000])
def test_names_of_any_length(neo4j_graph, length):
    """Names that are too long for an index are found like others, and told apart from others that begin alike."""
    name, twin = "é" * (length - 4) + "Ends", "é" * (length - 4) + "ends"
    put(neo4j_graph, node("a", name=name, artifact={"version": 3}), node("b", name=twin, artifact={"version": 4}))
    assert ids(neo4j_graph.find(name=name)) == [ident("a")]
    assert set(ids(neo4j_graph.find(text="ENDS"))) == {ident("a"), ident("b")}
    assert ids(neo4j_graph.find(text="ends", prefix=ident("a").hex()[:5])) == [ident("a")]
    assert neo4j_graph.max_version(name) == 3
    # From what an edge named to what an event says, also the other way through the code.
    put(neo4j_graph, link("c", "r"), Node(ident("c"), NodeKind.MODEL, name))
    put(neo4j_graph, Node(ident("r"), NodeKind.RUN, name))
    assert len(neo4j_graph.find(text="Ends")) == 4


def test_extremes_of_moments(neo4j_graph):
    """Moments before 1970 and the last that fit are in order, and pages go over them."""
    moments = [-(2**62), -1, 1, 2**62]
    put(neo4j_graph, *(node(moment, created=moment) for moment in moments))
    assert [n.created for n in neo4j_graph.find()] == moments
    assert [n.created for n in neo4j_graph.find(newest_first=True, limit=2)] == moments[:1:-1]
    assert [n.created for n in neo4j_graph.find(after=Cursor(-1, b"\xff" * 32))] == moments[2:]


def test_what_no_database_holds_is_not_found(neo4j_graph):
    """Texts that cannot be stored, and numbers beyond those that can, are answered like any that are not there."""
    put(neo4j_graph, node("a", name="a", created=5))
    for text in ("\ud800", "a\udfff"):
        assert neo4j_graph.find(name=text) == neo4j_graph.find(text=text) == []
        assert neo4j_graph.max_version(text) == 0
    assert ids(neo4j_graph.find(limit=10**30, after=Cursor(-(10**30), b""))) == [ident("a")]
    assert neo4j_graph.find(after=Cursor(10**30, b"")) == []
    assert neo4j_graph.subgraph([ident("a")], Direction.UP, WAYS, depth=10**30, max_nodes=10**30).total == 1


def test_a_chain_ten_thousand_deep(neo4j_graph):
    """A path of ten thousand hops is answered as a whole, without a limit that cuts it silently."""
    depth = 10_000
    put(neo4j_graph, *(link(n, n + 1, TRAIN) for n in range(depth)))
    assert neo4j_graph.closure_size([ident(0)], Direction.DOWN, WAYS) == depth
    part = neo4j_graph.subgraph([ident(depth)], Direction.UP, WAYS)
    assert (part.total, part.distance[ident(0)]) == (depth + 1, depth)
    assert len(neo4j_graph.path(ident(0), ident(depth), WAYS) or ()) == depth
