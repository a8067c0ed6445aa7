"""The embedded graph behind a server that is away."""

from __future__ import annotations

import pytest

from lin.errors import BackendError, InvalidInputError
from lin.lineage.fallback import PATIENCE, FallbackGraph, Outage, standing_in
from lin.lineage.graph import Graph
from lin.lineage.memory import MemoryGraph
from lin.lineage.testing import ident, node, put


class Away:
    """A server that can be switched off, and counts what it is asked."""

    def __init__(self) -> None:
        self.graph = MemoryGraph()
        self.asked = 0
        self.error: Exception | None = None

    def __getattr__(self, name):
        def ask(*arguments, **options):
            self.asked += 1
            if self.error is not None:
                raise self.error
            return getattr(self.graph, name)(*arguments, **options)

        return ask


@pytest.fixture
def server():
    return Away()


@pytest.fixture
def embedded():
    graph = MemoryGraph()
    put(graph, node(1))
    return graph


@pytest.fixture
def told():
    return []


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def graph(server, embedded, told, clock):
    return FallbackGraph.over(server, embedded, Outage("neo4j://there", told.append, lambda: clock[0]))


def test_the_server_answers_while_it_can(graph, server, told):
    """What only the embedded graph holds is not seen."""
    assert graph.get([ident(1)]) == {}
    assert server.asked == 1
    assert told == []


def test_the_embedded_graph_answers_while_the_server_is_away(graph, server, told):
    """And says so once, however many questions there are."""
    server.error = BackendError("gone")
    assert list(graph.get([ident(1)])) == [ident(1)]
    assert graph.count() == 1
    assert told == ["neo4j://there cannot answer, the embedded graph does: gone"]


def test_an_outage_costs_one_time_out(graph, server, clock):
    """The server is asked again only after a while, and then answers again."""
    server.error = BackendError("gone")
    for _ in range(5):
        graph.count()
    assert server.asked == 1
    server.error = None
    clock[0] += PATIENCE + 1
    assert graph.get([ident(1)]) == {}


def test_each_outage_is_told(graph, server, clock, told):
    """A second one too, after the server was back."""
    server.error = BackendError("gone")
    graph.count()
    server.error = None
    clock[0] += PATIENCE + 1
    graph.count()
    server.error = BackendError("gone again")
    graph.count()
    assert [text.rpartition(": ")[2] for text in told] == ["gone", "gone again"]


def test_errors_about_the_question_pass(graph, server, told):
    """A question that cannot be asked is no outage."""
    server.error = InvalidInputError("no such thing")
    with pytest.raises(InvalidInputError, match="no such thing"):
        graph.count()
    assert told == []


def test_it_reads_with_every_method_and_writes_with_none(graph):
    """Every method of the protocol that reads is there; what writes is not."""
    writing = {"apply", "clear", "close", "position"}
    for name in (name for name in vars(Graph) if not name.startswith("_")):
        assert hasattr(graph, name) == (name not in writing), name


def test_each_answer_says_who_gave_it(graph, server, clock):
    """Whoever listens hears of each outage in which the embedded graph answered, and of nothing else."""
    with standing_in() as heard:
        graph.count()
    assert heard == []
    server.error = BackendError("gone")
    for _ in range(2):
        with standing_in() as heard:
            graph.count()
            with standing_in() as inner:
                graph.count()
            graph.count()
        assert heard == inner == ["neo4j://there cannot answer, the embedded graph does: gone"]
    server.error = None
    clock[0] += PATIENCE + 1
    with standing_in() as heard:
        graph.count()
    assert heard == []


def test_without_a_server_the_embedded_graph_answers_all(server, embedded, told, clock):
    """A server that has not caught up is not asked, even if it comes back in the middle."""
    outage = Outage("neo4j://there", told.append, lambda: clock[0])
    outage.begin(BackendError("gone"))
    graph = FallbackGraph.over(None, embedded, outage)
    clock[0] += PATIENCE + 1
    with standing_in() as heard:
        assert list(graph.get([ident(1)])) == [ident(1)]
    assert (heard, server.asked) == (told, 0)
