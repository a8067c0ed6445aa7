"""One question to one graph: `python -m benchmarks.asking ENGINE PLACE LINEAGE QUESTION` asks it for each line read.

It answers each line with the seconds that the question took, and the most memory in bytes that this process has needed.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from lin.lineage.graph import PROVENANCE, Direction, EdgeKind, Graph, NodeId, NodeKind, Position
from lin.lineage.memory import MemoryGraph
from lin.lineage.questions import TRAINED_THROUGH
from lin.lineage.sqlite import SqliteGraph

from .synthetic import GENERATIONS, Lineage, node_id

PAGE = 100
LEARNED = TRAINED_THROUGH | {EdgeKind.GENERATED}
MODELS = frozenset({NodeKind.MODEL})
UP, DOWN = Direction.UP, Direction.DOWN


@dataclass(frozen=True, slots=True)
class Question:
    """A question.

    Attributes:
        title: What it is, with places for `facts`.
        ask: Ask it.
        facts: Return what the title speaks of.
        goal: Seconds that it may take by lin's own design, at a million nodes.
        reference: SciPy can search the same.
        mlmd: Return the question that ML Metadata is asked, if it has the same.
    """

    title: str
    ask: Callable[[Graph, Lineage], Any]
    facts: Callable[[Lineage], dict[str, str]] = lambda _: {}
    goal: float | None = None
    reference: bool = False
    mlmd: Callable[[Lineage], str] | None = None


def open_graph(engine: str, place: str) -> Graph:
    """Open an engine by its name."""
    if engine == "sqlite":
        return SqliteGraph(Path(place))
    if engine == "neo4j":
        engines = import_module("lin.lineage.neo4j")  # not every installation has it
        user, _, password = os.environ.get("LIN_TEST_NEO4J_AUTH", "").partition(":")
        graph: Graph = engines.Neo4jGraph(place, (user, password) if user else None, repository="benchmark")
        return graph
    return MemoryGraph()


def _data(lineage: Lineage, uses: int | None) -> list[NodeId]:
    return [node_id(lineage.datasets[0 if uses is None else lineage.rank(uses)])]


def _uses(uses: int | None) -> Callable[[Lineage], dict[str, str]]:
    return lambda lineage: {"uses": f"{lineage.uses[0 if uses is None else lineage.rank(uses)]:,}"}


def _page(uses: int | None) -> Callable[[Graph, Lineage], Any]:
    return lambda graph, lineage: graph.closure(_data(lineage, uses), DOWN, LEARNED, nodes=MODELS, limit=PAGE)


def _count(uses: int | None) -> Callable[[Graph, Lineage], Any]:
    return lambda graph, lineage: graph.closure_size(_data(lineage, uses), DOWN, LEARNED, nodes=MODELS)


def _middle(lineage: Lineage) -> int:
    return lineage.models[len(lineage.models) // 2]


QUESTIONS = {
    "trace": Question(
        "trace a typical model",
        lambda graph, lineage: graph.subgraph([node_id(_middle(lineage))], UP, PROVENANCE),
        goal=0.001,
        mlmd=lambda lineage: f"trace {_middle(lineage)}",
    ),
    "chain": Question(
        f"trace a model of {GENERATIONS} generations",
        lambda graph, lineage: graph.subgraph([node_id(lineage.last_of_chain)], UP, PROVENANCE),
        mlmd=lambda lineage: f"trace {lineage.last_of_chain}",
    ),
    "rare": Question("count the models trained on a rare dataset ({uses} direct uses)", _count(1), _uses(1)),
    "middling": Question(
        "count the models trained on a middling dataset ({uses} direct uses)", _count(100), _uses(100)
    ),
    "popular": Question(
        "count the models trained on the most popular dataset ({uses} direct uses)",
        _count(None),
        _uses(None),
        reference=True,
    ),
    "page": Question(f"the first {PAGE} models trained on the most popular dataset", _page(None), goal=0.005),
    "path": Question(
        "a shortest path from the most popular dataset to a model of many generations",
        lambda graph, lineage: graph.path(_data(lineage, None)[0], node_id(lineage.last_of_chain), PROVENANCE),
    ),
    "leak": Question(
        "leak check of one model of many generations",
        lambda graph, lineage: graph.leaks(LEARNED, models=[node_id(lineage.last_of_chain)]),
    ),
    "leaks": Question("leak check of all models", lambda graph, _: graph.leaks(LEARNED, limit=PAGE), goal=1.0),
    "prefix": Question(
        "find by a prefix of an id", lambda graph, lineage: graph.find(prefix=node_id(_middle(lineage)).hex()[:8])
    ),
    "name": Question("find by name", lambda graph, _: graph.find(name="model-7", limit=PAGE)),
}


def _scipy(place: str, lineage: Lineage) -> Callable[[], Any]:
    """Return SciPy's search of what the question about the most popular dataset searches."""
    import numpy as np  # noqa: PLC0415 - for this contender alone
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # noqa: PLC0415
    from scipy.sparse.csgraph import breadth_first_order  # type: ignore[import-untyped]  # noqa: PLC0415

    from lin.lineage._adjacency_file import allow, read  # noqa: PLC0415
    from lin.lineage._sqlite_adjacency import snapshot_path  # noqa: PLC0415

    snapshot = read(snapshot_path(Path(place)))
    learned = allow(LEARNED)[snapshot.down.kind]
    source = np.repeat(np.arange(snapshot.last + 1), np.diff(snapshot.down.start))[learned]
    shape = (snapshot.last + 1, snapshot.last + 1)
    matrix = csr_matrix((np.ones(len(source), np.int8), (source, snapshot.down.far[learned])), shape=shape)
    graph = SqliteGraph(Path(place))
    with graph._file.reading() as db:  # noqa: SLF001 - the key in the arrays is the index's own business
        key = db.execute("SELECT k FROM node WHERE id = ?", _data(lineage, None)).fetchone()[0]
    graph.close()
    return lambda: len(breadth_first_order(matrix, key, return_predecessors=False))


def peak() -> int:
    """Return the most resident memory in bytes that this process has needed."""
    try:
        # What `getrusage` says begins with the figure of the process that started this one.
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Ask for each line of the input."""
    engine, place, about, key = sys.argv[1:]
    lineage = Lineage(**json.loads(Path(about).read_text()))
    if engine == "scipy":
        ask = _scipy(place, lineage)
    else:
        graph = open_graph(engine, place)
        if engine == "memory":
            for batch in Lineage(lineage.size, lineage.seed).batches():
                graph.apply(batch, expected=0, position=Position())
        question = QUESTIONS[key]
        ask = lambda: question.ask(graph, lineage)  # noqa: E731
    for _ in sys.stdin:
        started = time.perf_counter()
        ask()
        seconds = time.perf_counter() - started
        print(seconds, peak(), flush=True)


if __name__ == "__main__":
    main()
