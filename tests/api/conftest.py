"""A small world to ask about, and a server to ask."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn

from lin.api import execution
from lin.api.app import create_app
from lin.api.server import listen, url_of
from lin.lineage.words import Role
from lin.recording import Recording
from lin.records import Artifact
from lin.repository import Repository


@dataclass
class World:
    """A repository in which one training set made two models, each measured on two test sets."""

    repository: Repository
    folder: Path
    datasets: dict[str, Artifact] = field(default_factory=dict)
    models: list[Artifact] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def make_repository(tmp_path_factory) -> Iterator[Callable[[], Repository]]:
    made = []
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("LIN_CONFIG", str(home / "config"))
        patch.setenv("LIN_CACHE", str(home / "cache"))

        def make() -> Repository:
            made.append(Repository.init(tmp_path_factory.mktemp("repository")))
            return made[-1]

        yield make
        for repository in made:
            repository.close()


def fill(repository: Repository, folder: Path) -> World:
    world = World(repository, folder)
    for name in ("train", "test1", "test2"):
        path = folder / f"{name}.csv"
        path.write_text(f"id,delay\n1,{name}\n")
        world.datasets[name] = repository.put(path, name=name).artifact
    for size in (10, 20):
        with Recording.start(
            repository, name="fit.py", experiment="delays", parameters={"trees": size}, folder=folder, command=["fit"]
        ) as run:
            run.use(world.datasets["train"], role=Role.TRAIN)
            model = folder / f"model{size}.bin"
            model.write_bytes(b"model" * size)
            world.models.append(run.save(model, kind="model", name="delay-model"))
            run.log_metrics(loss=1 / size)
        world.runs.append(str(run.id))
        with Recording.start(repository, name="test.py", experiment="delays", folder=folder) as check:
            for name in ("test1", "test2"):
                check.use(world.datasets[name], role=Role.TEST)
                check.evaluated(world.models[-1], world.datasets[name], {"auc": size / 100, "note": "ok"})
    repository.tag("delay-model@v1", "prod")
    return world


@pytest.fixture(scope="session")
def world(make_repository, tmp_path_factory) -> World:
    """A filled repository that tests only read."""
    return fill(make_repository(), tmp_path_factory.mktemp("work"))


@pytest.fixture
def own_world(make_repository, tmp_path) -> World:
    """A filled repository that a test may change."""
    return fill(make_repository(), tmp_path)


@dataclass
class Asker:
    """Ask a repository in this process, without a network."""

    engine: execution.Engine
    faults: list[tuple[str, BaseException]]

    def raw(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self.engine.execute_encoded(execution.Request(query, variables))
        return json.loads(answer)

    def __call__(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self.raw(query, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def error(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self.raw(query, **variables)
        assert len(answer["errors"]) == 1, answer
        return answer["errors"][0]


@pytest.fixture
def make_asker() -> Iterator[Callable[..., Asker]]:
    engines = []

    def make(repository: Repository, **options: Any) -> Asker:
        faults: list[tuple[str, BaseException]] = []
        engine = execution.Engine(repository, lambda number, error: faults.append((number, error)), **options)
        engines.append(engine)
        return Asker(engine, faults)

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def ask(world, make_asker) -> Asker:
    return make_asker(world.repository)


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return self.json["errors"][0]["extensions"]["code"]


@dataclass
class Client:
    """Talk to a server by plain HTTP."""

    url: str

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, headers=headers)

    def query(self, query: str, *, headers: Mapping[str, str] | None = None, **variables: Any) -> Reply:
        body = json.dumps({"query": query, "variables": variables}).encode()
        return self.send("POST", "/graphql", body, {"Content-Type": "application/json", **(headers or {})})


@contextlib.contextmanager
def servers() -> Iterator[Callable[..., Client]]:
    running = []

    def start(repository: Repository, **options: Any) -> Client:
        listener = listen("127.0.0.1", 0, public=False)
        config = uvicorn.Config(create_app(repository, **options), log_config=None, access_log=False, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        running.append((server, thread))
        return Client(url_of("127.0.0.1", listener))  # the socket listens already: requests wait until it has started

    try:
        yield start
    finally:
        for server, _ in running:
            server.should_exit = True
        for _, thread in running:
            thread.join()


@pytest.fixture
def start_server() -> Iterator[Callable[..., Client]]:
    """Return a function that serves a repository from a thread of this process."""
    with servers() as start:
        yield start


@pytest.fixture(scope="session")
def client(world) -> Iterator[Client]:
    """Return a client of one server for the world that tests only read."""
    with servers() as start:
        yield start(world.repository)
