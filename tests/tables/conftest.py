"""A repository of a user's own, and short ways to put tables into it."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lin.lineage.words import ArtifactKind, Role
from lin.recording import Recording
from lin.records import Artifact
from lin.repository import Repository

Rows = Sequence[Sequence[Any]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, of a user whom nothing on this machine knows."""
    for name in list(os.environ):
        if name.startswith("LIN_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LIN_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("LIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LIN_TABLES", "off")
    monkeypatch.setenv("HOME", str(tmp_path))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    with Repository.init(tmp_path / "store") as made:
        yield made


def rows(start: int, stop: int, *, shift: int = 0) -> list[tuple[int, str, float]]:
    """Return rows that are all different."""
    return [(n, f"name {n % 7}", n / 8 + shift) for n in range(start, stop)]


@dataclass
class Tables:
    """Write tables, put them, and record who learned from them."""

    repository: Repository

    def write(self, name: str, content: Rows, columns: Sequence[str] = ("id", "name", "value")) -> Path:
        path = Path(name)
        if path.suffix == ".parquet":
            arrays = [[row[i] for row in content] for i in range(len(columns))]
            pq.write_table(pa.table(dict(zip(columns, arrays, strict=True))), path)
            return path
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(content)
        return path

    def put(self, name: str, content: Rows, columns: Sequence[str] = ("id", "name", "value")) -> Artifact:
        artifact = self.repository.put(self.write(name, content, columns)).artifact
        self.repository.identify(str(artifact.id))
        return artifact

    def made(
        self, name: str, *used: Artifact, kind: ArtifactKind = ArtifactKind.MODEL, role: Role = Role.TRAIN
    ) -> Artifact:
        """Return what a run made of what it used."""
        with Recording.start(self.repository, name="train.py", folder=Path.cwd()) as run:
            for each in used:
                run.use(each, role=role if each.kind is not ArtifactKind.MODEL else Role.BASE_MODEL)
            Path(name).write_text(name) if kind is ArtifactKind.MODEL else None
            made = run.save(name, kind=kind)
        if kind is not ArtifactKind.MODEL:
            self.repository.identify(str(made.id))
        return made

    def tested(self, model: Artifact, dataset: Artifact, *outputs: str, **metrics: float) -> None:
        """Record an evaluation; its run writes the files named."""
        with Recording.start(self.repository, name="score.py", folder=Path.cwd()) as run:
            run.use(dataset, role=Role.TEST)
            saved = [run.save(name, kind=ArtifactKind.FILE) for name in outputs]
            run.evaluated(model, dataset, metrics or {"accuracy": 1.0})
        for each in saved:
            self.repository.identify(str(each.id))


@pytest.fixture
def tables(repository: Repository) -> Tables:
    return Tables(repository)


@pytest.fixture
def make_rows() -> Callable[..., list[tuple[int, str, float]]]:
    return rows
