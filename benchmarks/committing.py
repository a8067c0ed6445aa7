"""One durable commit of a run with three inputs and two outputs: to the graph alone, and through the whole ledger."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from lin.lineage.graph import Batch, Edge, EdgeKind, Node, NodeKind, Position
from lin.lineage.sqlite import SqliteGraph

from .measuring import Contender, Folder, Sample, Scenario, timed
from .synthetic import START, TICK, node_id

GOAL = 0.005


def committing(folder: Folder, index: Path, nodes: int, *, runs: int) -> Iterator[Scenario]:
    """Yield a commit to a graph of so many nodes, beside the least that it can cost: an append and a sync."""
    graph = SqliteGraph(index)
    number = count(graph.position().size)

    def commit() -> Sample:
        at = next(number) * 6 + nodes
        run, *made = range(at, at + 5)
        batch = Batch(
            [
                Node(node_id(run), NodeKind.RUN, f"run-{run}", START + run * TICK),
                *(Node(node_id(one), NodeKind.MODEL, "new", START + one * TICK) for one in made[:2]),
                *(Node(node_id(one), NodeKind.CONTENT, None, START + one * TICK) for one in made[2:]),
            ],
            [
                *(Edge(node_id(used), EdgeKind.USED_TRAIN, node_id(run)) for used in (run % 97, run % 991, run % 9973)),
                *(Edge(node_id(run), EdgeKind.GENERATED, node_id(one)) for one in made[:2]),
                *(
                    Edge(node_id(content), EdgeKind.HAS_CONTENT, node_id(one))
                    for one, content in zip(made[:2], made[2:], strict=True)
                ),
            ],
            [(node_id(run), run)],
        )
        size = graph.position().size
        return timed(lambda: graph.apply(batch, expected=size, position=Position(size + 1)))

    path = folder.fresh("appended")
    file = path.open("ab", buffering=0)

    def append() -> Sample:
        import os  # noqa: PLC0415 - beside its use

        def write() -> None:
            file.write(bytes(40_000))  # about the pages that such a commit changes
            os.fsync(file.fileno())

        return timed(write)

    yield Scenario(
        f"commit a run (3 in, 2 out) to a graph of {nodes:,} nodes",
        [Contender("append 40 KB and sync", append), Contender("SQLite", commit)],
        goal=GOAL,
        goal_for="SQLite",
        runs=runs,
    )
    file.close()
    graph.close()
