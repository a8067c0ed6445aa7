"""A Neo4j server that answers GraphQL questions and is killed, and what clients see of that."""

from __future__ import annotations

import time

import pytest

from lin import indexes
from lin.lineage import _neo4j_server, fallback

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]

QUERY = """{
  models { nodes { ref aliases { ref } run { used { artifact { ref } } } evaluations { dataset { ref } } } }
  modelsTrainedOn(ref: "train", transitive: true) { totalCount nodes { model { ref } path { length } } }
  trace(ref: "train", direction: DOWN) { totalNodes }
  impact(ref: "train") { modelCount aliases { ref } }
  found(where: "trees > 10") { nodes { id } }
}"""
SECONDS = 120.0
"""That a request may take: a server that has just begun plans each statement for the first time."""
STATUS = "{ repository { notices indexes { engine behind problem } } }"


@pytest.fixture
def server(empty_neo4j, monkeypatch):
    """A server with an empty database, of which an outage is over as soon as it is back."""
    user, password = empty_neo4j.auth
    monkeypatch.setenv(indexes.USER, user)
    monkeypatch.setenv(indexes.PASSWORD, password)
    monkeypatch.setattr(fallback, "PATIENCE", 0.5)
    return empty_neo4j


def settled(client, query):
    """Return the response once the outage is over, at the latest after a minute."""
    ends = time.monotonic() + 60
    response = client.query(query).json
    while "extensions" in response and time.monotonic() < ends:
        response = client.query(query).json
    return response


def test_a_killed_server_is_said_with_each_answer(own_world, server, start_server):
    """While the server is away each response says that the embedded graph answers, and so does a field."""
    own_world.repository.use_index(server.uri)
    client = start_server(own_world.repository, seconds=SECONDS)
    before = client.query(QUERY).json
    assert set(before) == {"data"}
    assert client.query(STATUS).json["data"]["repository"]["notices"] == []
    server.kill()
    first, during = client.query(QUERY).json, client.query(QUERY).json
    assert first == during
    assert during["data"] == before["data"]
    (notice,) = during["extensions"]["notices"]
    assert "the embedded graph does" in notice
    assert server.uri in notice
    status = client.query(STATUS).json["data"]["repository"]
    assert status["notices"] == [notice]
    sqlite, away = status["indexes"]
    assert (sqlite["engine"], sqlite["behind"], sqlite["problem"]) == ("sqlite", 0, None)
    assert (away["engine"], away["behind"]) == ("neo4j", None)
    assert "cannot be reached" in away["problem"]
    tagged = client.query('mutation { tag(ref: "delay-model@v2", alias: "next") { ref } }').json
    assert tagged["data"] == {"tag": {"ref": "delay-model@next"}}
    assert client.get("/readyz").status == 200
    server.start()
    after = settled(client, "{ aliases { ref } }")
    assert after == {"data": {"aliases": [{"ref": "delay-model@next"}, {"ref": "delay-model@prod"}]}}
    status = client.query(STATUS).json["data"]["repository"]
    assert status["notices"] == []
    assert [index["behind"] for index in status["indexes"]] == [0, 0]


def test_a_server_killed_in_the_middle_of_a_request(own_world, server, start_server, monkeypatch):
    """The request in which the server dies is answered as ever, and its response says by whom."""
    own_world.repository.use_index(server.uri)
    client = start_server(own_world.repository, seconds=SECONDS)
    before = client.query(QUERY).json
    running = _neo4j_server._running
    killed: list[str] = []

    def watched(*arguments):
        run = running(*arguments)

        def send(statement, **parameters):
            if "*1..]" in statement and not killed:
                killed.append(statement)
                server.kill()
            return run(statement, **parameters)

        return send

    monkeypatch.setattr(_neo4j_server, "_running", watched)
    during = client.query(QUERY).json
    assert killed
    assert during["data"] == before["data"]
    assert len(during["extensions"]["notices"]) == 1
