"""What tests of tables share: a frame with every sort of cell, sources in memory, and what a table is."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lin.lineage.tables import TableIdentity
from lin.tabular.identify import identify
from lin.tabular.options import Options
from lin.tabular.reading import open_table, open_tables
from lin.tabular.source import FileSource, source_of


@pytest.fixture
def frame() -> pd.DataFrame:
    times = ["2020-01-01 00:00:00", "2020-01-02 03:04:05", None, "1969-12-31 23:59:59"]
    return pd.DataFrame(
        {
            "id": [1, 2, 3, 4],
            "x": [0.5, 1.0, None, -2.25],
            "s": ["a", 'é "q", r', None, "line\nbreak"],
            "t": pd.to_datetime(pd.Series(times)),
            "b": [True, False, True, True],
        }
    )


@pytest.fixture
def memory() -> Callable[..., FileSource]:
    """Return what makes a source of bytes."""

    def source(data: bytes, name: str = "data.csv") -> FileSource:
        return FileSource(name, len(data), lambda: io.BytesIO(data))

    return source


@pytest.fixture
def rows(memory) -> Callable[..., list[dict[str, Any]]]:
    """Return what reads a table's rows from bytes."""

    def read(data: bytes, name: str = "data.csv", **options) -> list[dict[str, Any]]:
        table = open_table(memory(data, name), Options(**options))
        return [row for batch in table.batches() for row in batch.to_pylist()]

    return read


@pytest.fixture
def tables() -> Callable[..., dict[str | None, TableIdentity]]:
    """Return what says which tables lie at a path, by part."""

    def found(path: Path, **options) -> dict[str | None, TableIdentity]:
        return {table.part: identify(table) for table in open_tables(source_of(path), Options(**options))}

    return found
