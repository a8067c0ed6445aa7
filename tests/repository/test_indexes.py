"""A real Neo4j server that follows a repository's log and answers its questions."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import neo4j
import pytest

from lin import indexes
from lin.errors import BackendError, InvalidInputError, PermissionDeniedError
from lin.lineage import _neo4j_server, _neo4j_statements, fallback, index
from lin.lineage.graph import Direction
from lin.repository import Repository

service = pytest.mark.service


@pytest.fixture
def server(empty_neo4j, monkeypatch):
    """A server with an empty database; this user's credentials are in the environment."""
    user, password = empty_neo4j.auth
    monkeypatch.setenv(indexes.USER, user)
    monkeypatch.setenv(indexes.PASSWORD, password)
    return empty_neo4j


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


def interrupt(service, how: str) -> None:
    """Let the server go away, and for a restart come back."""
    if how == "kill":
        service.kill()
    else:
        service.stop()
    if how == "restart":
        service.start()


@pytest.fixture
def in_the_middle(monkeypatch):
    """Return what has something happen once, just before the server is sent the first statement that holds a text."""

    def arrange(text: str, happen: Callable[[], None]) -> list[str]:
        happened: list[str] = []
        running = _neo4j_server._running

        def watched(*arguments):
            run = running(*arguments)

            def send(statement, **parameters):
                if text in statement and not happened:
                    happened.append(statement)
                    happen()
                return run(statement, **parameters)

            return send

        monkeypatch.setattr(_neo4j_server, "_running", watched)
        return happened

    return arrange


@service
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["kill", "stop", "restart"])
def test_interrupted_in_the_middle_of_a_write(  # noqa: PLR0917 - fixtures
    repository, write, server, monkeypatch, in_the_middle, how
):
    """A write that the server is interrupted in is acknowledged and stays, and the server catches up by itself."""
    monkeypatch.setattr(fallback, "PATIENCE", 0.0)
    repository.put(write("data.csv"))
    repository.use_index(server.uri)
    happened = in_the_middle(_neo4j_statements.ADD_NODES, lambda: interrupt(server, how))
    assert repository.put(write("later.csv", "d\n4\n")).added
    assert happened
    assert repository.notices
    wanted = ["data.csv@v1", "later.csv@v1"]
    assert [item.label for item in repository.artifacts().items] == wanted
    with Repository.open(repository.url) as again:
        assert [item.label for item in again.artifacts().items] == wanted
    server.start()
    before = len(repository.notices)
    assert [item.label for item in repository.artifacts().items] == wanted
    counts = engines(repository)
    assert counts["neo4j"] == counts["sqlite"]
    assert len(repository.notices) == before


@service
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["kill", "stop", "restart"])
def test_interrupted_in_the_middle_of_a_question(  # noqa: PLR0917 - fixtures
    repository, write, server, monkeypatch, in_the_middle, how
):
    """A question that the server is interrupted in has the same answer, and who gave it is said."""
    monkeypatch.setattr(fallback, "PATIENCE", 0.0)
    repository.put(write("data.csv"))
    repository.use_index(server.uri)
    before = asked(repository)
    happened = in_the_middle("*0..]", lambda: interrupt(server, how))
    with fallback.standing_in() as heard:
        assert asked(repository) == before
    assert happened
    assert bool(heard) == bool(repository.notices) == (how != "restart")
    server.start()
    with fallback.standing_in() as heard:
        assert asked(repository) == before
    assert heard == []


@service
@pytest.mark.timeout(600)
def test_killed_in_the_middle_of_a_replay(repository, write, server, monkeypatch, in_the_middle):
    """A replay that the server dies in chooses nothing, and goes on where it was when it is begun again."""
    monkeypatch.setattr(index, "BATCH", 2)
    for n in range(5):
        repository.put(write(f"{n}.csv", f"{n}\n"))
    applied: list[int] = []

    def note(*told: Any) -> None:
        applied.append(told[2])
        if len(applied) == 2:  # in the middle of the third batch
            in_the_middle(_neo4j_statements.ADD_EVENTS, server.kill)

    with pytest.raises(BackendError, match="cannot be reached"):
        repository.use_index(server.uri, progress=note)
    assert applied == [2, 4]
    assert list(engines(repository)) == ["sqlite"]
    server.start()
    assert repository.use_index(server.uri, progress=note).behind == 0
    assert applied == [2, 4, 6]
    assert [item.label for item in repository.artifacts().items] == [f"{n}.csv@v1" for n in range(5)]


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
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("CREATE (:Person {name: 'Ada'})", "nodes that are not lin's (Person)"),
        ("MATCH (m:LinMeta {one: 1}) SET m.repository = 'other'", "another repository, 'other'"),
        ("MATCH (m:LinMeta {one: 1}) SET m.schema = 99", "a newer lin made the graph"),
    ],
)
def test_a_server_that_became_somebody_elses(repository, write, server, change, said):
    """It is not touched; writes succeed all the same, and the embedded graph answers and says why."""
    repository.put(write("data.csv"))
    repository.use_index(server.uri)
    before = asked(repository)
    with neo4j.GraphDatabase.driver(server.uri, auth=server.auth) as driver:
        driver.execute_query(change)
        everything = "MATCH (n) RETURN count(n), sum(size(keys(n)))"
        left = driver.execute_query(everything).records[0].values()
        with Repository.open(repository.url) as again:
            assert asked(again) == before
            (notice,) = again.notices
            assert said in notice
            assert again.put(write("later.csv", "d\n4\n")).added
            assert "later.csv@v1" in [item.label for item in again.artifacts().items]
            assert again.index_status()[-1].problem
        assert driver.execute_query(everything).records[0].values() == left


@service
def test_an_older_schema_is_filled_again(repository, write, server):
    """A graph that an older lin made is made anew from the log with the first question."""
    repository.put(write("data.csv"))
    repository.use_index(server.uri)
    before = asked(repository)
    with neo4j.GraphDatabase.driver(server.uri, auth=server.auth) as driver:
        driver.execute_query("MATCH (m:LinMeta {one: 1}) SET m.schema = 1")
        driver.execute_query("DROP INDEX lin_value")
        with Repository.open(repository.url) as again:
            assert asked(again) == before
            assert (again.notices, engines(again)["neo4j"][1]) == ([], 0)
        assert driver.execute_query("SHOW INDEXES YIELD name WHERE name = 'lin_value'").records


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
