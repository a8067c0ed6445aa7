"""What tests of the Neo4j engine share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import neo4j
import pytest

from lin.lineage.neo4j import Neo4jGraph


@pytest.fixture
def open_neo4j(neo4j_service) -> Iterator[Callable[..., Neo4jGraph]]:
    """Return what opens graphs of the server that the tests use, and closes them in the end."""
    opened = []

    def make(**options) -> Neo4jGraph:
        opened.append(Neo4jGraph(**{"uri": neo4j_service.uri, "auth": neo4j_service.auth, **options}))
        return opened[-1]

    yield make
    for graph in opened:
        graph.close()


@pytest.fixture
def neo4j_graph(open_neo4j) -> Neo4jGraph:
    """Return an empty graph."""
    graph: Neo4jGraph = open_neo4j()
    graph.clear()
    return graph


@pytest.fixture
def cypher(own_neo4j_service) -> Iterator[Callable[..., list[list[object]]]]:
    """Return what sends any statement to a server of the tests' own, which is emptied afterwards."""
    driver: Any = neo4j.GraphDatabase.driver(
        own_neo4j_service.uri, auth=own_neo4j_service.auth, notifications_min_severity="OFF"
    )
    with driver:

        def send(statement: str, **parameters: object) -> list[list[object]]:
            with driver.session() as session:
                rows: list[list[object]] = session.run(statement, parameters).values()
                return rows

        yield send
        send("MATCH (n) DETACH DELETE n")
