"""The in-memory engine."""

import pytest

from lin.lineage.graph import Graph
from lin.lineage.memory import MemoryGraph
from lin.lineage.testing import GraphSuite


class TestMemoryGraph(GraphSuite):
    @pytest.fixture
    def graph(self) -> Graph:
        return MemoryGraph()
