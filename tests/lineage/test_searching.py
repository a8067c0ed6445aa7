"""Search by name, kind and value, asked of every engine."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lin.lineage import searching
from lin.lineage.filters import parse
from lin.lineage.graph import Cursor, EdgeKind, Node, NodeKind
from lin.lineage.memory import MemoryGraph
from lin.lineage.searching import search
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.testing import ident, link, node, pages, put

MADE, OF = EdgeKind.GENERATED, EdgeKind.EVALUATED
RUN, EVALUATION, MODEL = NodeKind.RUN, NodeKind.EVALUATION, NodeKind.MODEL


@pytest.fixture(
    params=[
        "memory",
        "sqlite",
        "sqlite, of which everything has many",
        pytest.param("neo4j", marks=pytest.mark.service),
    ]
)
def graph(request, tmp_path, monkeypatch):
    if request.param == "neo4j":
        yield request.getfixturevalue("neo4j_graph")
        return
    if request.param.endswith("many"):
        monkeypatch.setattr(searching, "FEW", 1)
        monkeypatch.setattr(searching, "_STEP", 2)
    graph = MemoryGraph() if request.param == "memory" else SqliteGraph(tmp_path / "graph.sqlite3")
    yield graph
    graph.close()


def fill(graph):
    """Three runs, each of which made a model that was evaluated."""
    for n, (lr, loss, auc) in enumerate(((0.1, 0.5, 0.7), (0.2, 0.4, 0.8), (0.3, 0.3, 0.95))):
        put(
            graph,
            node(
                f"r{n}",
                RUN,
                name=f"fit{n}",
                created=n,
                started={"parameters": {"lr": lr, "booster": "trees" if n else "linear"}},
                finished={"metrics": {"loss": loss}},
            ),
            node(f"m{n}", MODEL, name=f"Churn{n}", created=10 + n),
            node(f"f{n}", NodeKind.REPORT, name="report", created=20 + n),
            node(f"e{n}", EVALUATION, created=30 + n, evaluation={"metrics": {"auc": auc}}),
            link(f"r{n}", f"m{n}", MADE),
            link(f"r{n}", f"f{n}", MADE),
            link(f"m{n}", f"e{n}", OF),
        )


EVERY = (RUN, EVALUATION, MODEL)


def found(graph, where, kinds=EVERY, **options):
    names = {ident(f"{letter}{n}"): f"{letter}{n}" for letter in "rmfe" for n in range(3)}
    return [names[n.id] for n in search(graph, kinds=kinds, where=parse(where), newest_first=False, **options).nodes]


def test_values_of_runs_evaluations_and_models(graph):
    """A run has its own values, an evaluation its metrics, a model those of its run and of its evaluations."""
    fill(graph)
    assert found(graph, "lr >= 0.2") == ["r1", "r2", "m1", "m2"]
    assert found(graph, "auc > 0.7") == ["m1", "m2", "e1", "e2"]
    assert found(graph, "auc > 0.7 and lr < 0.3") == ["m1"]
    assert found(graph, "loss < 0.45 and booster = trees and lr = 0.2") == ["r1", "m1"]
    assert found(graph, "lr > 9") == []
    assert found(graph, "auc > 0 and lr > 9") == []
    assert found(graph, "nothing > 0") == []


def test_kinds_and_texts(graph):
    """Kinds and a part of the name restrict what is found; other artifacts of a run are found when asked for."""
    fill(graph)
    assert found(graph, "lr >= 0.2", kinds=[MODEL]) == ["m1", "m2"]
    assert found(graph, "lr >= 0.2", kinds=[NodeKind.REPORT]) == ["f1", "f2"]
    assert found(graph, "lr >= 0.2", kinds=[NodeKind.EXPERIMENT]) == []
    assert found(graph, "lr >= 0.2", text="CHURN2") == ["m2"]
    assert found(graph, "lr >= 0.2", text="fit1") == ["r1"]
    assert found(graph, "auc > 0", text="e", kinds=[EVALUATION]) == []
    assert [n.id for n in search(graph, kinds=EVERY, text="fit", limit=1).nodes] == [ident("r2")]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_pages(graph, newest_first, size):
    """Pages of a search, joined, are the whole answer, in order."""
    fill(graph)

    def read(**page):
        return search(graph, kinds=EVERY, where=parse("lr > 0.1 and loss > 0"), **{"newest_first": False, **page}).nodes

    whole = read(newest_first=newest_first)
    assert [n.created for n in whole] == sorted((1, 2, 11, 12), reverse=newest_first)
    joined = [n for page in pages(read, size, newest_first=newest_first) for n in page]
    assert joined == whole


def test_either_measure_once(graph):
    """A name that is both a metric and a parameter finds a run once, and a prefix says which of both is meant."""
    put(graph, node("r", RUN, created=1, started={"parameters": {"n": 1}}, finished={"metrics": {"n": 2}}))
    for where, count in {"n > 0": 1, "metric.n > 1": 1, "parameter.n > 1": 0, "n = 2": 1}.items():
        assert len(search(graph, kinds=[RUN], where=parse(where)).nodes) == count, where


def test_a_cycle_of_claims(graph):
    """A run that claims to have made a model twice, and a model that is its own evaluation's, are found once."""
    put(
        graph,
        node("r", RUN, finished={"metrics": {"a": 1}}),
        node("s", RUN, finished={"metrics": {"a": 2}}),
        node("m", MODEL),
        link("r", "m", MADE),
        link("s", "m", MADE),
        link("m", "m", OF),
    )
    assert [n.id for n in search(graph, kinds=[MODEL], where=parse("a > 0")).nodes] == [ident("m")]


@given(
    values=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=6),
    bounds=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
@settings(max_examples=30, deadline=None)
def test_any_search(values, bounds):
    """On any graph the answer is that of looking at every run and every model."""
    graph = MemoryGraph()
    for n, (a, b, c) in enumerate(values):
        put(
            graph,
            node(f"r{n}", RUN, created=n, started={"parameters": {"a": a}}, finished={"metrics": {"b": b}}),
            node(f"m{n}", MODEL, created=n),
            node(f"e{n}", EVALUATION, created=n, evaluation={"metrics": {"b": c}}),
            link(f"r{n}", f"m{n}", MADE),
            link(f"m{n}", f"e{n}", OF),
        )
    wanted = set()
    for n, (a, b, c) in enumerate(values):
        if a >= bounds[0] and b >= bounds[1]:
            wanted.add(ident(f"r{n}"))
        if a >= bounds[0] and max(b, c) >= bounds[1]:
            wanted.add(ident(f"m{n}"))
    where = parse(f"a >= {bounds[0]} and b >= {bounds[1]}")
    assert {n.id for n in search(graph, kinds=[RUN, MODEL], where=where).nodes} == wanted
    half = search(graph, kinds=[RUN, MODEL], where=where, newest_first=False, limit=1).nodes
    after = Cursor(half[0].created, half[0].id) if half else None
    rest = search(graph, kinds=[RUN, MODEL], where=where, newest_first=False, after=after).nodes if half else []
    assert {n.id for n in [*half, *rest]} == wanted


@pytest.fixture
def populous(graph, monkeypatch):
    """A graph in which many runs meet each of two conditions, and one model of the oldest run meets both."""
    monkeypatch.setattr(searching, "FEW", 5)
    monkeypatch.setattr(searching, "_STEP", 10)
    for n in range(100):
        values = {"a": n % 2, "b": (n + 1) % 2 if n else 0}
        put(graph, node(n, RUN, created=n, finished={"metrics": values}), node(f"m{n}", MODEL, created=n))
        put(graph, link(n, f"m{n}", MADE))
    return graph


WHERE = "a = 0 and b = 0"


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_search_that_takes_too_long_goes_on_where_it_stopped(populous, monkeypatch, newest_first):
    """It answers with what was found in time and where it stopped; what it goes on with from there completes it."""
    monkeypatch.setattr(searching, "SECONDS", -1.0)
    asked = {"kinds": [RUN, MODEL], "where": parse(WHERE), "newest_first": newest_first}
    found: list[Node] = []
    pages_read, after = 0, None
    while True:
        some = search(populous, after=after, limit=7, **asked)
        found += some.nodes
        pages_read += 1
        after = some.stopped
        if after is None:
            break
        assert len(some.nodes) < 7
    assert [n.id for n in found] == [n.id for n in search(populous, limit=None, **asked).nodes]
    assert {n.id for n in found} == {ident(0), ident("m0")}
    assert pages_read > 5


def test_after_looking_in_vain_the_rarest_condition_leads(populous, monkeypatch):
    """Where no more than `MANY` meet a condition, the rest of the graph is not gone through."""
    monkeypatch.setattr(searching, "LOOKED", 20)
    found_by: list[object] = []
    find = type(populous).find

    def watched(self, **options):
        found_by.append(options)
        return find(self, **options)

    monkeypatch.setattr(type(populous), "find", watched)
    found = search(populous, kinds=[RUN, MODEL], where=parse(WHERE), limit=7)
    assert {n.id for n in found.nodes} == {ident(0), ident("m0")}
    assert found.stopped is None
    assert len(found_by) == 2
    found_by.clear()
    monkeypatch.setattr(searching, "MANY", 3)
    assert search(populous, kinds=[RUN, MODEL], where=parse(WHERE), limit=7).nodes == found.nodes
    assert len(found_by) > 15
