"""Questions to a graph of 100,000 nodes: SQLite, as lin uses it, beside the in-memory engine of the tests.

Both answer through the graph protocol, in this process; so this is the time of the answer alone. The in-memory engine
is plain searches over dictionaries: about what the question costs where nothing has to be read from a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from lin.lineage.graph import PROVENANCE, Direction, EdgeKind, Graph, NodeId, NodeKind, Position
from lin.lineage.memory import MemoryGraph
from lin.lineage.sqlite import SqliteGraph

from .measuring import Contender, Folder, Scenario, timed
from .synthetic import GENERATIONS, Lineage, build

LEARNED = frozenset({EdgeKind.USED_TRAIN, EdgeKind.USED_INPUT, EdgeKind.USED_BASE_MODEL, EdgeKind.GENERATED})
PAGE = 100


def load(graph: Graph, lineage: Lineage) -> None:
    """Apply a whole graph, batch by batch."""
    graph.clear()
    size = 0
    for batch in lineage.batches():
        after = size + len(batch.events)
        graph.apply(batch, expected=size, position=Position(after))
        size = after


def _rank(lineage: Lineage, uses: int) -> int:
    """Return the dataset whose number of direct uses is nearest to `uses`."""
    return min(range(len(lineage.uses)), key=lambda rank: abs(lineage.uses[rank] - uses))


def questions(lineage: Lineage) -> Iterator[tuple[str, Callable[[Graph], object]]]:
    """Yield each question with its title."""
    for word, rank in (("rare", _rank(lineage, 1)), ("middling", _rank(lineage, 100)), ("popular", 0)):
        start = [lineage.datasets[rank]]
        title = f"models trained on a {word} dataset ({lineage.uses[rank]:,} direct uses), transitively"
        yield f"{title}: the first {PAGE}", partial(_page, start)
        yield f"{title}: how many", partial(_count, start)
    yield "trace a typical model", partial(_trace, lineage.models[len(lineage.models) // 2])
    yield f"trace a model of {GENERATIONS} generations", partial(_trace, lineage.last_of_chain)
    yield "find by a prefix of an id", lambda graph: graph.find(prefix=lineage.models[0].hex()[:8], limit=2)
    yield "find by name", lambda graph: graph.find(name="model-7", limit=PAGE)


def _page(start: list[NodeId], graph: Graph) -> object:
    return graph.closure(start, Direction.DOWN, LEARNED, nodes={NodeKind.MODEL}, limit=PAGE)


def _count(start: list[NodeId], graph: Graph) -> object:
    return graph.closure_size(start, Direction.DOWN, LEARNED, nodes={NodeKind.MODEL})


def _trace(model: NodeId, graph: Graph) -> object:
    return graph.subgraph([model], Direction.UP, PROVENANCE)


def _contender(name: str, work: Callable[[], object]) -> Contender:
    return Contender(name, lambda: timed(work))


def scenarios(folder: Folder, *, smoke: bool) -> Iterator[Scenario]:
    """Yield loading the graph, then each question."""
    size = 2_000 if smoke else 100_000
    lineage = build(size)
    memory, sqlite = MemoryGraph(), SqliteGraph(folder.fresh("graph.db"))
    try:
        yield Scenario(
            f"load {len(lineage.nodes):,} nodes and {len(lineage.edges):,} edges",
            [
                _contender("in memory", partial(load, memory, lineage)),
                _contender("SQLite", partial(load, sqlite, lineage)),
            ],
            runs=1,
        )
        for title, ask in questions(lineage):
            contenders = [
                _contender("in memory", partial(ask, memory)),
                _contender("SQLite", partial(ask, sqlite)),
            ]
            yield Scenario(title, contenders, runs=3 if smoke else 15)
    finally:
        sqlite.close()
        memory.close()
