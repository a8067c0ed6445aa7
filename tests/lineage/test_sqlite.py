"""The embedded engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lin.lineage import sqlite
from lin.lineage.graph import Graph
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.testing import GraphSuite


class TestSqliteGraph(GraphSuite):
    @pytest.fixture
    def graph(self, tmp_path: Path) -> Iterator[Graph]:
        graph = SqliteGraph(tmp_path / "graph.sqlite3")
        yield graph
        graph.close()


class TestSqliteGraphLevelByLevel(TestSqliteGraph):
    """The search for large closures, used for all of them."""

    @pytest.fixture(autouse=True)
    def _no_closure_is_small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sqlite, "SMALL_CLOSURE", 0)
        monkeypatch.setattr(sqlite, "_STEP", 3)
        monkeypatch.setattr(sqlite, "_CHUNK", 2)
