"""The engine for teams, against a real Neo4j server."""

import os
from collections.abc import Iterator

import pytest

from lin.lineage.graph import Graph
from lin.lineage.neo4j import Neo4jGraph
from lin.lineage.testing import GraphSuite


class TestNeo4jGraph(GraphSuite):
    @pytest.fixture
    def graph(self) -> Iterator[Graph]:
        graph = Neo4jGraph("bolt://127.0.0.1:7699", ("neo4j", "secretpw"))
        graph.clear()
        yield graph
        graph.close()
