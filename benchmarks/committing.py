"""One durable commit of a run with three inputs and two outputs: to the graph alone, and through the whole ledger."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from unittest.mock import patch

from lin.lineage.events import ArtifactRecorded, EventId, RunFinished, RunStarted, RunUsed, Use
from lin.lineage.graph import Batch, Edge, EdgeKind, Graph, Node, NodeKind, Position
from lin.lineage.keys import ActorKey, LogKey
from lin.lineage.ledger import Draft, Ledger
from lin.lineage.log import Log
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus, Shape
from lin.store.digest import Digest
from lin.store.local import LocalPlace

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
    graph.close()
    yield _recording(folder, append, runs=runs)
    file.close()


def _recording(folder: Folder, append: Callable[[], Sample], *, runs: int) -> Scenario:
    """Record a run through the whole ledger: five signed events, the log, and the graph."""
    synced, journaled = (_Recorder(folder.fresh("ledger"), journal=journal) for journal in (False, True))
    return Scenario(
        "record a run (3 in, 2 out) through the log",
        [
            Contender("append 40 KB and sync", append),
            Contender("each file synced", synced.record),
            Contender("with the journal", journaled.record),
        ],
        goal=GOAL,
        goal_for="with the journal",
        runs=runs,
    )


class _Recorder:
    """A ledger of its own, with three datasets in it."""

    def __init__(self, folder: Path, *, journal: bool) -> None:
        log_key, key = LogKey.from_seed("lin/benchmark", bytes(32)), ActorKey.from_seed(bytes(32))
        log = Log(LocalPlace(folder / "repository"), log_key.verifier)
        log.create(log_key)
        # Without a journal is how lin writes where the system does not say when it was started.
        with nullcontext() if journal else patch("lin.lineage.locked.boot", return_value=""):
            self._ledger = Ledger(log, folder / "cache", log_key=lambda: log_key, actor_key=lambda: key)
        self._data: list[EventId] = []
        self._ledger.record(self._put)

    def _put(self, draft: Draft, graph: Graph) -> None:
        del graph
        self._data = [draft.add(_artifact(ArtifactKind.DATASET, f"data {number}", 1)) for number in range(3)]

    def record(self) -> Sample:
        """Record one run."""
        return timed(lambda: self._ledger.record(self._run))

    def _run(self, draft: Draft, graph: Graph) -> None:
        run = draft.add(RunStarted("benchmark", "train", os.urandom(8).hex(), {"rate": 0.1}))
        draft.add(RunUsed(run, tuple(Use(data, Role.TRAIN, Evidence.OBSERVED, "data.csv") for data in self._data)))
        version = graph.max_version("model") + 1
        for kind in (ArtifactKind.MODEL, ArtifactKind.REPORT):
            draft.add(_artifact(kind, kind.value, version, run))
        draft.add(RunFinished(run, RunStatus.SUCCEEDED, 0, {"accuracy": 0.9}))


def _artifact(kind: ArtifactKind, name: str, version: int, run: EventId | None = None) -> ArtifactRecorded:
    digest = Digest.parse(f"b3:{os.urandom(32).hex()}")
    return ArtifactRecorded(kind, name, version, digest, Shape.BLOB, 1, run=run)
