"""ML Metadata beside lin: the same lineage in its SQLite store, asked the same in a process of its own.

Its wheels are for other Pythons than lin's, so the worker is a script without imports from lin, run by the
interpreter that `LIN_BENCH_MLMD` names. Contents, code and evaluations are left out: it has no such things.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from lin.lineage.graph import EdgeKind, NodeKind

from .measuring import Sample, environment
from .synthetic import Lineage

WORKER = Path(__file__).with_name("mlmd_worker.py")
_USED = {EdgeKind.USED_TRAIN, EdgeKind.USED_TEST, EdgeKind.USED_BASE_MODEL}
_KINDS = {NodeKind.DATASET: "dataset", NodeKind.MODEL: "model", NodeKind.RUN: "run"}


class Store:
    """A store, and the process that has it open."""

    def __init__(self, python: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._items = folder / "items"
        self._process = subprocess.Popen(
            [python, str(WORKER), str(folder / "mlmd.sqlite3")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )

    @classmethod
    def start(cls, folder: Path) -> Store | None:
        """Start one where there is an interpreter for it."""
        python = os.environ.get("LIN_BENCH_MLMD")
        return cls(python, folder) if python else None

    def load(self, lineage: Lineage) -> Sample:
        """Put the lineage into it; writing it down for the worker is not counted."""
        numbers: dict[bytes, int] = {}
        with self._items.open("w") as file:
            count = 0
            for batch in lineage.batches():
                for node in batch.nodes:
                    if node.kind in _KINDS:
                        numbers[node.id] = count
                        file.write(f"{_KINDS[node.kind]} {count}\n")
                    count += 1
                for edge in batch.edges:
                    if edge.kind in _USED:
                        file.write(f"used {numbers[edge.source]} {numbers[edge.target]}\n")
                    elif edge.kind is EdgeKind.GENERATED and edge.target in numbers:
                        file.write(f"made {numbers[edge.source]} {numbers[edge.target]}\n")
        return self._ask(f"load {self._items}")

    def asking(self, question: str) -> Callable[[], Sample]:
        """Return what asks a question once."""
        self._ask(question)
        return lambda: self._ask(question)

    def _ask(self, line: str) -> Sample:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"ML Metadata gave no answer to {line}")
        seconds, peak = answer.split()
        return Sample(float(seconds), int(peak))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
