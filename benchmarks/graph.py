"""Questions to graphs of 100,000 and a million nodes, each asked in a process of its own.

So the peak memory beside a question is that of a process which opened the graph and asked nothing else. A question is
asked several times in turn with the other contenders; the first time, which opens files and maps the snapshot, is not
counted. Beside SQLite, lin's embedded engine, stand: plain dictionaries in memory (at 100,000 nodes); SciPy's
breadth-first search in C over the same edges, the limit of what counting a closure can cost; ML Metadata, where it has
the same question (`LIN_BENCH_MLMD` names a Python that has `ml-metadata`); and a Neo4j server (`LIN_TEST_NEO4J` and
`LIN_TEST_NEO4J_AUTH` name one with an empty database; up to 100,000 nodes, unless it holds the graph already).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lin.lineage._sqlite_adjacency import WORTHWHILE
from lin.lineage.graph import Position

from . import mlmd
from .asking import QUESTIONS, open_graph
from .committing import committing
from .measuring import Contender, Folder, Sample, Scenario, environment, processor_time
from .rebuilding import EVENTS, rebuilding
from .synthetic import Lineage

SIZES = (100_000, 1_000_000)
IN_MEMORY = 100_000
"""Nodes up to which other engines are filled as well: dictionaries take 2 KB a node, and Neo4j 0.25 ms."""


class Asker:
    """A process that opens a graph and asks it one question, again and again."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[str] | None = None

    def ask(self) -> Sample:
        """Ask once; the process starts, and asks once before, when this is called first."""
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
            )
            self._turn()
        return self._turn()

    def _turn(self) -> Sample:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{' '.join(self._command)} gave no answer")
        seconds, peak = answer.split()
        return Sample(float(seconds), int(peak))

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()


def _load(engine: str, place: str, lineage: Lineage, processor: list[Sample]) -> Sample:
    """Fill a graph, batch by batch; what makes the batches is not counted."""
    graph = open_graph(engine, place)
    took = _Clock()
    loading = getattr(graph, "loading", None)  # SQLite's: a whole graph at once, with its snapshot
    if loading is None:
        _apply(graph, lineage, took)
    else:
        with ExitStack() as block:
            load = block.enter_context(loading())
            _apply(load, lineage, took)
            took.run(block.close)
        if lineage.nodes < WORTHWHILE:
            graph.make_snapshot()  # type: ignore[attr-defined] # what SciPy searches is read from it
    graph.close()
    processor.append(Sample(took.processor))
    return Sample(took.seconds)


@dataclass(slots=True)
class _Clock:
    """Add up what several calls take."""

    seconds: float = 0.0
    processor: float = 0.0

    def run(self, work: Callable[[], object]) -> None:
        seconds, processor = processor_time(work)
        self.seconds += seconds.seconds
        self.processor += processor.seconds


def _apply(graph: Any, lineage: Lineage, took: _Clock) -> None:
    size = 0
    for batch in lineage.batches():
        after = size + len(batch.events)
        took.run(lambda: graph.apply(batch, expected=size, position=Position(after)))  # noqa: B023 - called at once
        size = after


def _engines(folder: Folder, size: int) -> Iterator[tuple[str, str, str]]:
    """Yield each engine that is there: its name in the table, its name, and its place."""
    yield "SQLite", "sqlite", str(folder.fresh(f"graph-{size}") / "graph.sqlite3")
    if size <= IN_MEMORY:
        uri = os.environ.get("LIN_TEST_NEO4J")
        if uri:
            yield "Neo4j", "neo4j", uri


def scenarios(folder: Folder, *, smoke: bool, sizes: Sequence[int] = SIZES) -> Iterator[Scenario]:
    """Yield for each size loading the graph, every question, and a commit."""
    for size in (2_000,) if smoke else sizes:
        yield from _at(folder, size, 3 if smoke else 15)


def _at(folder: Folder, size: int, runs: int) -> Iterator[Scenario]:
    lineage = Lineage(size)
    engines = list(_engines(folder, size))

    def load(engine: str, place: str) -> Callable[[], Sample]:
        return lambda: _load(engine, place, lineage, processor if engine == "sqlite" else [])

    processor: list[Sample] = []
    loads = [Contender(name, load(engine, place)) for name, engine, place in engines]
    loads.insert(1, Contender("SQLite, processor time", lambda: processor[-1]))
    with ExitStack() as cleanup:
        store = mlmd.Store.start(folder.fresh(f"mlmd-{size}"))
        if store is not None:
            cleanup.callback(store.close)
            loads.append(Contender("ML Metadata", lambda: store.load(lineage)))
        yield Scenario(f"load about {size:,} nodes and as many evaluations as models", loads, runs=1)
        about = folder.fresh(f"lineage-{size}.json")
        about.write_text(json.dumps(asdict(lineage)))
        for key, question in QUESTIONS.items():
            title = question.title.format(**question.facts(lineage))
            askers = [
                (name, Asker([sys.executable, "-m", "benchmarks.asking", engine, place, str(about), key]))
                for name, engine, place in engines
            ]
            if size <= IN_MEMORY:
                askers.append(
                    ("in memory", Asker([sys.executable, "-m", "benchmarks.asking", "memory", "", str(about), key]))
                )
            if question.reference:
                command = [sys.executable, "-m", "benchmarks.asking", "scipy", engines[0][2], str(about), key]
                askers.insert(0, ("SciPy's breadth-first search", Asker(command)))
            contenders = [Contender(name, asker.ask) for name, asker in askers]
            if store is not None and question.mlmd is not None:
                contenders.append(Contender("ML Metadata", store.asking(question.mlmd(lineage))))
            yield Scenario(
                f"{title}, of {lineage.nodes:,} nodes", contenders, goal=question.goal, goal_for="SQLite", runs=runs
            )
            for _, asker in askers:
                asker.close()
        if size <= SIZES[0]:
            yield rebuilding(folder, events=EVENTS if size == SIZES[0] else size, runs=3)
        yield from committing(folder, Path(engines[0][2]), lineage.nodes, runs=20 if size < SIZES[0] else 300)
