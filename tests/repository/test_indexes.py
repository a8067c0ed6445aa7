"""A real Neo4j server that follows a repository's log and answers its questions."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import neo4j
import pytest

from lin import indexes
from lin.errors import BackendError, InvalidInputError, PermissionDeniedError
from lin.lineage import fallback
from lin.lineage.graph import Direction
from lin.repository import Repository

service = pytest.mark.service


@pytest.fixture
def server(own_neo4j_service, monkeypatch):
    """A server with an empty database; this user's credentials are in the environment."""
    with neo4j.GraphDatabase.driver(own_neo4j_service.uri, auth=own_neo4j_service.auth) as driver:
        driver.execute_query("MATCH (n) DETACH DELETE n")
    user, password = own_neo4j_service.auth
    monkeypatch.setenv(indexes.USER, user)
    monkeypatch.setenv(indexes.PASSWORD, password)
    yield own_neo4j_service
    own_neo4j_service.start()


def engines(repository: Repository) -> dict[str, tuple[int | None, int | None]]:
    return {each.engine: (each.events, each.behind) for each in repository.index_status()}


def asked(repository: Repository) -> object:
    """Ask a little of everything."""
    return (
        [item.label for item in repository.artifacts().items],
        repository.trace("data.csv", direction=Direction.DOWN).to_json(),
        [item.model.label for item in repository.models_trained_on("data.csv", transitive=True).items],
        repository.impact("data.csv").to_json(),
    )


@service
def test_the_log_is_replayed_and_later_writes_follow(repository, write, server):
    """Both indexes hold every event, and give the same answers."""
    repository.put(write("data.csv"))
    before = asked(repository)
    status = repository.use_index(server.uri)
    assert (status.engine, status.behind) == ("neo4j", 0)
    assert asked(repository) == before
    repository.put(write("more.csv", "c\n3\n"))
    counts = engines(repository)
    assert counts["neo4j"] == counts["sqlite"]
    assert repository.notices == []


@service
def test_the_choice_lasts_and_can_be_taken_back(repository, write, server):
    """Another process asks the server as well, until this user goes back to the embedded graph."""
    repository.put(write("data.csv"))
    repository.use_index(server.uri)
    with Repository.open(repository.url) as again:
        assert engines(again)["neo4j"][1] == 0
    repository.use_index("sqlite")
    assert list(engines(repository)) == ["sqlite"]
    with Repository.open(repository.url) as again:
        assert list(engines(again)) == ["sqlite"]


@service
def test_while_the_server_is_away_nothing_is_lost(repository, write, server, monkeypatch):
    """Writes succeed, the embedded graph answers and says so, and the server catches up by itself once it is back."""
    repository.put(write("data.csv"))
    repository.use_index(server.uri)
    before = asked(repository)
    server.kill()
    assert asked(repository) == before
    assert len(repository.notices) == 1
    assert "the embedded graph does" in repository.notices[0]
    assert repository.put(write("later.csv", "d\n4\n")).added
    assert engines(repository)["neo4j"] == (None, None)
    assert repository.index_status()[-1].problem
    server.start()
    monkeypatch.setattr(fallback, "PATIENCE", 0.0)
    repository._ledger._outage._until = 0.0  # as if the ten seconds were over
    assert "later.csv@v1" in [item.label for item in repository.artifacts().items]
    counts = engines(repository)
    assert counts["neo4j"] == counts["sqlite"]


@service
def test_rebuilding_makes_both_anew(repository, write, server):
    """What somebody changed in the server by hand is gone after a rebuild."""
    repository.put(write("data.csv"))
    repository.use_index(server.uri)
    before = asked(repository)
    with neo4j.GraphDatabase.driver(server.uri, auth=server.auth) as driver:
        driver.execute_query("MATCH (n) WHERE n.name = 'data.csv' DETACH DELETE n")
    assert repository.rebuild_index().behind == 0
    assert asked(repository) == before


@service
def test_wrong_credentials_choose_nothing(repository, write, server, monkeypatch):
    """They are refused, and the embedded graph goes on."""
    repository.put(write("data.csv"))
    monkeypatch.setenv(indexes.PASSWORD, "wrong")
    with pytest.raises(PermissionDeniedError):
        repository.use_index(server.uri)
    assert list(engines(repository)) == ["sqlite"]


@service
def test_somebody_elses_data_is_not_mixed(repository, write, server):
    """A database with other nodes, or with another repository's graph, is refused and left as it is."""
    repository.put(write("data.csv"))
    with neo4j.GraphDatabase.driver(server.uri, auth=server.auth) as driver:
        driver.execute_query("CREATE (:Person {name: 'Ada'})")
        with pytest.raises(InvalidInputError):
            repository.use_index(server.uri)
        counted = driver.execute_query("MATCH (n) RETURN count(n)").records[0][0]
    assert counted == 1
    assert list(engines(repository)) == ["sqlite"]


@service
def test_credentials_are_written_nowhere(repository, write, server, home):
    """Neither into the repository, nor into the choice, nor into the cache."""
    repository.put(write("data.csv"))
    repository.use_index(server.uri)
    secret = server.auth[1].encode()
    files = [path for folder in (home, Path(repository.url)) for path in folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if secret in path.read_bytes()]


def test_a_server_that_is_not_there_is_not_chosen(repository, write):
    """The choice stays what it was."""
    repository.put(write("data.csv"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(BackendError, match="cannot be reached"):
        repository.use_index(f"bolt://127.0.0.1:{port}")
    assert list(engines(repository)) == ["sqlite"]


def test_what_is_no_server_is_refused(repository):
    """Another scheme, and credentials in the address."""
    for url in ("http://localhost", "nonsense", "bolt://user:secret@localhost:7687"):
        with pytest.raises(InvalidInputError) as caught:
            repository.use_index(url)
        assert "secret" not in str(caught.value)


def test_credentials_come_from_the_environment_or_a_file_of_ones_own(home, monkeypatch):
    """A file that others can read, half a pair and a file with something else are refused, with the way out."""
    config = home / "lin-config"
    config.mkdir(parents=True, exist_ok=True)
    assert indexes.credentials(config) is None
    path = config / indexes.CREDENTIALS
    path.write_text(json.dumps({"user": "ada", "password": "p"}))
    path.chmod(0o644)
    with pytest.raises(PermissionDeniedError) as caught:
        indexes.credentials(config)
    assert caught.value.hint == f"chmod 600 {path}"
    path.chmod(0o600)
    assert indexes.credentials(config) == ("ada", "p")
    path.write_text("[]")
    with pytest.raises(InvalidInputError, match="holds no credentials"):
        indexes.credentials(config)
    monkeypatch.setenv(indexes.USER, "eve")
    with pytest.raises(InvalidInputError, match="only one"):
        indexes.credentials(config)
    monkeypatch.setenv(indexes.PASSWORD, "q")
    assert indexes.credentials(config) == ("eve", "q")


def test_a_broken_choice_says_how_to_choose_again(repository, home):
    """A choice that cannot be read is an error that names its file."""
    path = home / "lin-config" / "indexes" / f"{repository.id}.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(InvalidInputError, match=r"is not a choice of an index"):
        Repository.open(repository.url)
