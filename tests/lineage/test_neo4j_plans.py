"""The plans of all statements that the Neo4j engine can send, as the server itself explains them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import neo4j
import pytest

from lin.lineage import _neo4j_rows, _neo4j_server, _neo4j_setup, _neo4j_statements
from lin.lineage import neo4j as engine
from lin.lineage.graph import Batch, Cursor, Direction, EdgeKind, Node, NodeKind, Position, Within
from lin.lineage.testing import GENERATED, TRAIN, WAYS, ident, link, node, put

pytestmark = pytest.mark.service

# Enumerates paths, multiplies, or reads everything there is.
EXPLODING = re.compile(
    r"VarLengthExpand\((All|Into)\)|Repeat\(Trail|AllNodesScan|CartesianProduct|RelationshipsScan|"
    r"RelationshipTypeScan|NodeByLabelScan|AllShortest"
)
# Emptying reads the nodes that it removes; nearly no node is `LinLong`; and whose the data are is looked for among all.
ALLOWED = {
    _neo4j_statements.DELETE_NODES: {"NodeByLabelScan"},
    _neo4j_statements.DELETE_VALUES: {"NodeByLabelScan"},
    _neo4j_statements.DELETE_EVENTS: {"NodeByLabelScan"},
    _neo4j_statements.DELETE_META: {"NodeByLabelScan"},
    _neo4j_statements.find_by_text(newest_first=False): {"NodeByLabelScan"},
    _neo4j_statements.find_by_text(newest_first=True): {"NodeByLabelScan"},
    _neo4j_statements.FOREIGN: {"AllNodesScan"},
}
WITHINS = [
    Within(low, high, low_open=low_open, high_open=high_open)
    for low, low_open in ((None, False), (0, False), (0, True))
    for high, high_open in ((None, False), (1, False), (1, True))
] + [Within(equals=1), Within(equals="x")]
"""Every form of a condition on a value."""
WITHOUT_PLAN = ("CREATE CONSTRAINT", "CREATE INDEX", "CREATE TEXT INDEX", "DROP ", "SHOW ", "CALL db.")


def _operators(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    arguments = plan["args"]
    yield plan["operatorType"].partition("@")[0], str(arguments.get("Details", ""))
    for child in plan.get("children", ()):
        yield from _operators(child)


def exploding(plan: dict[str, Any]) -> set[str]:
    return {
        operator for operator, details in _operators(plan) if EXPLODING.search(operator) and "LinLong" not in details
    }


def _allowed(statement: str) -> set[str]:
    return {operator for text, operators in ALLOWED.items() if text in statement for operator in operators}


@pytest.fixture
def explain(neo4j_service) -> Iterator[Callable[[str], dict[str, Any]]]:
    driver: Any = neo4j.GraphDatabase.driver(
        neo4j_service.uri, auth=neo4j_service.auth, notifications_min_severity="OFF"
    )
    with driver:
        driver.execute_query("CALL db.clearQueryCaches()")

        def plan(statement: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
            found: dict[str, Any] = driver.execute_query(f"EXPLAIN {statement}", parameters or {}).summary.plan
            return found

        yield plan


@pytest.fixture
def sent(monkeypatch) -> dict[str, dict[str, Any]]:
    """Collect what is sent from now on: statements, with parameters as an example."""
    statements: dict[str, dict[str, Any]] = {}
    running = _neo4j_server._running

    def recording(*arguments):
        run = running(*arguments)

        def record(statement, **parameters):
            statements.setdefault(statement, parameters)
            return run(statement, **parameters)

        return record

    monkeypatch.setattr(_neo4j_server, "_running", recording)
    return statements


def _use_everything(graph, monkeypatch) -> None:
    """Call every method in every variant that makes a statement of its own."""
    put(graph, *(node(kind, kind, name="x" * (9_000 if kind is NodeKind.RUN else 3)) for kind in NodeKind))
    put(graph, *(link("a", "r", kind, "note") for kind in EdgeKind))
    put(graph, *(link("a", "r", kind, "other") for kind in EdgeKind))
    put(graph, *(Node(ident(n), kind) for n, kind in enumerate(NodeKind)), *(link(n, n + 1) for n in range(9)))
    put(graph, *(Node(ident(n), NodeKind.MODEL, name=f"m{n}") for n in range(len(NodeKind))))
    for kind in NodeKind:
        put(graph, node(f"of {kind}"))
        put(graph, link("x", f"of {kind}"), node(f"of {kind}", kind, name="n", created=1))
    for kind in (k for k in NodeKind if k < NodeKind.MODEL or k is NodeKind.CONTENT):
        put(graph, link("x", f"later {kind}"))
        put(graph, node(f"later {kind}", kind, name="n", created=2))
    graph.apply(Batch(events=[(ident("e"), 5)]), expected=0, position=Position(1, (ident("root"),)))
    graph.apply(Batch(events=[(ident("e"), 3)]), expected=1, position=Position(0))
    graph.events([ident("e")])
    graph.get([ident("a")])
    graph.max_version("x")
    graph.count()
    graph.count(kinds=[NodeKind.RUN])
    for newest_first in (False, True):
        for condition in ({}, {"name": "x"}, {"text": "x"}, {"prefix": "a"}, {"prefix": "a", "name": "x", "text": "x"}):
            graph.find(**condition, newest_first=newest_first, after=Cursor(1, ident("a")), limit=3)
            graph.find(**condition, newest_first=newest_first)
    for few in (engine.FEW_STARTS, 0):
        monkeypatch.setattr(engine, "FEW_STARTS", few)
        for direction in Direction:
            for kinds in ([TRAIN], frozenset(EdgeKind)):
                graph.edges([ident("a")], direction, kinds)
                graph.closure([ident("a")], direction, kinds)
                graph.closure([ident("a")], direction, kinds, depth=2, since=1, until=2)
                graph.closure_size([ident("a")], direction, kinds, nodes=[NodeKind.RUN])
                graph.closure_size([ident("a")], direction, kinds, depth=2)
                graph.closure_kinds([ident("a")], direction, kinds)
                for depth, limit in ((None, None), (None, 1), (0, None), (1, 1), (2, 1), (10**12, 1)):
                    graph.subgraph([ident("a"), ident("x")], direction, kinds, depth=depth, max_nodes=limit)
    _search_by_value(graph)
    graph.leaks(WAYS)
    for kinds in ([GENERATED], WAYS, frozenset(EdgeKind)):
        graph.path(ident("a"), ident("r"), kinds)
        graph.path(ident("r"), ident("a"), kinds)


def _search_by_value(graph) -> None:
    for within in WITHINS:
        for newest_first in (False, True):
            graph.measured("auc", within, newest_first=newest_first, after=Cursor(1, ident("a")), limit=1)
        graph.measured_size("auc", within, at_most=1)


def _set_up_in_every_way(open_graph, cypher) -> None:
    """Begin with an old schema, with someone else's nodes, and with nothing."""
    cypher("MATCH (m:LinMeta {one: 1}) SET m.schema = 0")
    open_graph().clear()
    cypher("CREATE (:Person)")
    with pytest.raises(Exception, match="Person"):
        open_graph().clear()
    cypher("MATCH (n) DETACH DELETE n")
    open_graph().position()


def test_no_statement_has_a_plan_that_explodes(  # noqa: PLR0917 - fixtures
    sent, explain, neo4j_graph, open_neo4j, cypher, monkeypatch
):
    """Each statement that the engine sends is planned safely, in a nearly empty database and in a fuller one."""
    used = _watch_statements(monkeypatch)
    monkeypatch.setattr(_neo4j_setup, "DELETE_AT_ONCE", 50)
    _use_everything(neo4j_graph, monkeypatch)
    _set_up_in_every_way(open_neo4j, cypher)
    planned = {text: values for text, values in sent.items() if not text.startswith(WITHOUT_PLAN)}
    assert len(planned) > 50
    for fill in (False, True):
        if fill:
            nodes = [node(n, list(NodeKind)[n % 13], name=f"n{n % 50}", created=n) for n in range(2_000)]
            kinds = list(EdgeKind)
            put(neo4j_graph, *(node(n, NodeKind.RUN, finished={"metrics": {f"m{n % 9}": n}}) for n in range(500)))
            put(neo4j_graph, *nodes, *(link("hub", n, kinds[n % len(kinds)]) for n in range(2_000)))
            cypher("CALL db.awaitIndexes(60)")
            cypher("CALL db.resampleOutdatedIndexes()")
        cypher("CALL db.clearQueryCaches()")
        found = {text: exploding(explain(text, values)) - _allowed(text) for text, values in planned.items()}
        assert {text: operators for text, operators in found.items() if operators} == {}
    _assert_all_were_sent(sent, used)


@pytest.mark.parametrize("within", WITHINS, ids=str)
def test_values_are_sought_in_their_index(explain, neo4j_graph, within):
    """What is searched by value is found by what it measures, its name and its bounds, all in one index."""
    statements = [_neo4j_statements.measured(within, newest_first=newest) for newest in (False, True)]
    for statement in (*statements, _neo4j_statements.measured_size(within)):
        plan = explain(statement, {"limit": 1})
        (seek,) = [details for operator, details in _operators(plan) if operator.startswith("NodeIndexSeek")]
        assert "(place, value)" in seek
        assert "value IS NOT NULL" not in seek or within == Within()
        assert not any("Scan" in operator for operator, _ in _operators(plan))


def test_closures_are_searches_breadth_first(explain, neo4j_graph):
    """Whatever is followed over any number of edges is followed with each node once."""
    for statement in (
        _neo4j_statements.closure(Direction.DOWN, WAYS),
        _neo4j_statements.closure_size(Direction.UP, WAYS),
        _neo4j_statements.subgraph(Direction.UP, WAYS, None),
        _neo4j_statements.subgraph(Direction.DOWN, WAYS, 7),
        _neo4j_statements.subgraph_size(Direction.DOWN, WAYS, 7),
    ):
        operators = {operator for operator, _ in _operators(explain(statement, {"limit": 1}))}
        assert any(operator.startswith("VarLengthExpand(Pruning,BFS") for operator in operators), statement


def test_pages_are_read_from_indexes_in_order(explain, neo4j_graph):
    """The first page of a kind or of a name costs what it holds: nothing is sorted before the limit."""
    for newest_first in (False, True):
        by_name = explain(_neo4j_statements.find_by_name(newest_first=newest_first), {"limit": 1})
        assert not {operator for operator, _ in _operators(by_name)} & {"Sort", "Top", "PartialTop"}
        by_kind = explain(_neo4j_statements.find_by_kind(newest_first=newest_first), {"limit": 1})
        # Once, over the few of each kind.
        assert sum(operator in {"Sort", "Top", "PartialTop"} for operator, _ in _operators(by_kind)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "MATCH (a:Lin {id: 'a'})-[:GENERATED*2..]->(b) RETURN DISTINCT b.id",
        "MATCH (a:Lin {id: 'a'})-[:GENERATED*1..]->(b) RETURN b.id",
        "MATCH (a:Lin {id: 'a'})-[r:GENERATED*0..]->(b) RETURN DISTINCT b.id, size(r)",
        "MATCH (a:Lin {id: 'a'}) MATCH (b:Lin {id: 'b'}) RETURN EXISTS {(a)-[:GENERATED*]->(b)}",
        "MATCH (a:Lin {id: 'a'}) ((x)-[:GENERATED]->(y)-[:USED_TRAIN]->(z)){1,} (b) RETURN DISTINCT b.id",
        "MATCH (a:Lin {id: 'a'}) MATCH (b:Lin {id: 'b'}) RETURN a, b",
        "MATCH (n) RETURN n",
        "MATCH (a)-[r]->(b) RETURN r",
    ],
)
def test_the_check_finds_what_explodes(explain, neo4j_graph, statement):
    """Plausible statements that never end, or read everything, are found by the check."""
    assert exploding(explain(statement))


def _watch_statements(monkeypatch) -> dict[str, set[str]]:
    """Note which of the module's functions are used, and what they return."""
    used: dict[str, set[str]] = {
        name: set() for name, made in vars(_neo4j_statements).items() if callable(made) and _is_public(name, made)
    }
    for name in list(used):
        make = getattr(_neo4j_statements, name)

        def watched(*arguments, make=make, name=name, **options):
            used[name].add(text := make(*arguments, **options))
            return text

        monkeypatch.setattr(_neo4j_statements, name, watched)
    return used


def _is_public(name: str, made: object) -> bool:
    return not name.startswith("_") and getattr(made, "__module__", "") == _neo4j_statements.__name__


def _assert_all_were_sent(sent: dict[str, dict[str, Any]], used: dict[str, set[str]]) -> None:
    used.pop("label")

    def is_sent(statement: str) -> bool:
        # Most questions are sent framed.
        return any(statement in text for text in sent)

    assert {name for name, texts in used.items() if not any(map(is_sent, texts))} == set()
    constants = {
        name: text
        for name, text in vars(_neo4j_statements).items()
        if name.isupper() and isinstance(text, str) and not name.startswith("_") and name not in {"NODE", "TAG"}
    }
    assert {name for name, text in constants.items() if not is_sent(text)} == set()
    assert _neo4j_rows.ROWS > 1
