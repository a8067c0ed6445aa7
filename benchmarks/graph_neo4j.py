"""The questions of `tracing` to Neo4j, beside SQLite: what a server between lin and its graph costs, and what it gains.

A Neo4j of its own is started for this (`scripts/neo4j`), so Java and Maven are needed; without them there is nothing to
measure, and that is said.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from lin.lineage.graph import Batch, Edge, EdgeKind, Graph, Node, NodeKind, Position
from lin.lineage.neo4j import Neo4jGraph
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.testing import ident

from .measuring import Contender, Folder, Scenario, timed
from .synthetic import Lineage, build
from .tracing import questions

SERVER = Path(__file__).parents[1] / "scripts" / "neo4j" / "server.py"


@contextmanager
def _server(home: Path) -> Iterator[Neo4jGraph]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [
        sys.executable,
        str(SERVER),
        "start",
        "--home",
        str(home),
        "--port",
        port,
        "--heap",
        "1g",
        "--pagecache",
        "256m",
    ]
    subprocess.run([*command, "--until-exit-of", str(os.getpid())], check=True, stdout=subprocess.DEVNULL)
    graph = Neo4jGraph(f"bolt://127.0.0.1:{port}")
    try:
        yield graph
    finally:
        graph.close()
        subprocess.run([sys.executable, SERVER, "stop", "--home", home], check=True)


def _batches(lineage: Lineage, size: int = 2_048) -> Iterator[Batch]:
    """Yield everything as a log brings it: each edge with the later of its ends."""
    order = {node.id: place for place, node in enumerate(lineage.nodes)}
    edges: dict[int, list[Edge]] = defaultdict(list)
    for edge in lineage.edges:
        edges[max(order[edge.source], order[edge.target]) // size].append(edge)
    for number in range(-(-len(lineage.nodes) // size)):
        nodes = lineage.nodes[number * size : (number + 1) * size]
        yield Batch(nodes, edges[number], [(node.id, order[node.id]) for node in nodes])


def _load(graph: Graph, batches: list[Batch]) -> None:
    graph.clear()
    size = 0
    for batch in batches:
        after = size + len(batch.events)
        graph.apply(batch, expected=size, position=Position(after))
        size = after


def _commit(graph: Graph, lineage: Lineage, counter: list[int]) -> None:
    """Apply what one training adds: a run with three uses, a model and a report."""
    counter[0] += 1
    run, model, report = (ident(f"{word} {id(graph)} {counter[0]}") for word in ("run", "model", "report"))
    nodes = [Node(run, NodeKind.RUN), Node(model, NodeKind.MODEL), Node(report, NodeKind.REPORT)]
    edges = [Edge(artifact, EdgeKind.USED_TRAIN, run) for artifact in lineage.datasets[:3]]
    edges += [Edge(run, EdgeKind.GENERATED, artifact) for artifact in (model, report)]
    size = graph.position().size
    graph.apply(Batch(nodes, edges, [(run, size)]), expected=size, position=Position(size + 1))


def scenarios(folder: Folder, *, smoke: bool) -> Iterator[Scenario]:
    """Yield loading the graph, one durable commit, and each question."""
    if missing := [tool for tool in ("java", "javac", "mvn") if shutil.which(tool) is None]:
        print(f"neo4j: not measured, as there is no {missing[0]}", file=sys.stderr)
        return
    lineage = build(2_000 if smoke else 100_000)
    sqlite = SqliteGraph(folder.fresh("graph.db"))
    try:
        with _server(folder.fresh("neo4j")) as neo4j:
            graphs: dict[str, Graph] = {"SQLite": sqlite, "Neo4j": neo4j}

            def ask(title: str, question: Callable[[Graph], object], runs: int) -> Scenario:
                contenders = [
                    Contender(name, partial(timed, partial(question, graph))) for name, graph in graphs.items()
                ]
                return Scenario(title, contenders, runs=runs)

            items = f"{len(lineage.nodes):,} nodes and {len(lineage.edges):,} edges"
            yield ask(f"load {items}", partial(_load, batches=list(_batches(lineage))), 1)
            counter = [0]
            commit = partial(_commit, lineage=lineage, counter=counter)
            yield ask("one durable commit of a run (3 in, 2 out)", commit, 3 if smoke else 40)
            for title, question in questions(lineage):
                yield ask(title, question, 3 if smoke else 15)
    finally:
        sqlite.close()
