"""What all tests share."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

# Two busy cores make any deadline a lottery.
settings.register_profile("lin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lin")


def pytest_configure() -> None:
    # What a put holds is looked at where a test is about that, and not by a process beside each test.
    os.environ.setdefault("LIN_TABLES", "off")
    # What a shell starts in the background ignores some signals, and so would all that a test starts and interrupts.
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGQUIT, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(scope="session")
def require_service() -> Callable[[str, str], NoReturn]:
    """Return what a test calls when a real server or tool it needs is missing.

    It skips the test, and says so; where everything has to be there, it fails.
    """

    def missing(name: str, reason: str) -> NoReturn:
        text = f"{name} is missing: {reason}"
        if os.environ.get("LIN_REQUIRE_SERVICES") == "1":
            pytest.fail(text)
        pytest.skip(text)

    return missing


_NEO4J_PROGRAM = Path(__file__).parents[1] / "scripts" / "neo4j" / "server.py"


@dataclass
class Neo4jService:
    """A real Neo4j server: one of the tests' own, or a running one that `LIN_TEST_NEO4J` names."""

    uri: str
    auth: tuple[str, str] | None
    home: Path | None = None
    is_running: bool = True

    @property
    def pid(self) -> int:
        assert self.home is not None
        return int((self.home / "server.pid").read_text(encoding="ascii"))

    def start(self) -> None:
        if self.home is not None and not self.is_running:
            # The quick compiler alone: a server that lives for minutes does not earn back what the other one costs.
            options = ["--java-option=-XX:TieredStopAtLevel=1", "--until-exit-of", str(os.getpid())]
            self._call("start", "--port", self.uri.rpartition(":")[2], *options)
            self.is_running = True

    def stop(self) -> None:
        if self.home is not None and self.is_running:
            self._call("stop")
            self.is_running = False

    def kill(self) -> None:
        """Kill it, as a power cut would, and wait for its end."""
        pid = self.pid
        self.is_running = False
        os.kill(pid, signal.SIGKILL)
        self._call("stop")

    def _call(self, *arguments: str) -> None:
        assert self.auth is not None
        subprocess.run(
            [sys.executable, str(_NEO4J_PROGRAM), *arguments, "--home", str(self.home)],
            check=True,
            env={**os.environ, "LIN_NEO4J_PASSWORD": self.auth[1]},
            stdout=subprocess.DEVNULL,
        )


@pytest.fixture(scope="session")
def _neo4j_service(
    tmp_path_factory: pytest.TempPathFactory, require_service: Callable[[str, str], NoReturn]
) -> Iterator[Neo4jService]:
    if named := os.environ.get("LIN_TEST_NEO4J"):
        user, _, password = os.environ.get("LIN_TEST_NEO4J_AUTH", "").partition(":")
        yield Neo4jService(named, (user, password) if user else None)
        return
    for tool in ("java", "javac", "mvn", str(_NEO4J_PROGRAM)):
        if shutil.which(tool) is None:
            require_service("Neo4j", f"LIN_TEST_NEO4J names none, and without {tool} none can be started")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("neo4j")
    service = Neo4jService(f"bolt://127.0.0.1:{port}", ("neo4j", "of the tests"), home, is_running=False)
    try:
        service.start()
    except subprocess.CalledProcessError:
        require_service("Neo4j", "it did not start; what it said is above")
    yield service
    service.stop()


@pytest.fixture
def neo4j_service(_neo4j_service: Neo4jService) -> Neo4jService:
    """Return a running Neo4j server with whatever earlier tests left in it; they mark themselves `service`."""
    _neo4j_service.start()
    return _neo4j_service


@pytest.fixture
def own_neo4j_service(neo4j_service: Neo4jService, require_service: Callable[[str, str], NoReturn]) -> Neo4jService:
    """Return a running Neo4j server that a test may stop and kill."""
    if neo4j_service.home is None:
        require_service("a Neo4j of the tests' own", "LIN_TEST_NEO4J names one that they may not stop")
    return neo4j_service


@pytest.fixture
def empty_neo4j(own_neo4j_service: Neo4jService) -> Iterator[Neo4jService]:
    """Return a running Neo4j server with nothing in it that a test may stop and kill; it leaves nothing for others."""
    import neo4j  # noqa: PLC0415 - slow to import, and few tests need it

    def empty() -> None:
        with neo4j.GraphDatabase.driver(own_neo4j_service.uri, auth=own_neo4j_service.auth) as driver:
            driver.execute_query("MATCH (n) DETACH DELETE n")

    empty()
    yield own_neo4j_service
    own_neo4j_service.start()
    empty()


_STORES_PROGRAM = Path(__file__).parents[1] / "scripts" / "servers" / "server.py"


@dataclass
class BucketService:
    """A real object store: one of the tests' own, or a running one that `LIN_TEST_S3`, … names."""

    name: str
    url: str
    environment: dict[str, str]
    port: int = 0
    home: Path | None = None
    is_running: bool = True

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set the environment that leads there, and nothing else that might lead elsewhere."""
        if self.home is not None:
            for name in list(os.environ):
                if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "STORAGE_")):
                    monkeypatch.delenv(name)
            monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
            monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

    def start(self) -> None:
        if self.home is not None and not self.is_running:
            told = self._call("start", self.name, "--port", str(self.port), "--until-exit-of", str(os.getpid()))
            lines = (shlex.split(line)[1].partition("=") for line in told.splitlines())
            self.environment = {name: value for name, _, value in lines}
            self.url = next(value for name, value in self.environment.items() if name.startswith("LIN_TEST_"))
            self.is_running = True

    def stop(self) -> None:
        if self.home is not None and self.is_running:
            self._call("stop")
            self.is_running = False

    def kill(self) -> None:
        """Kill it, as a power cut would, and wait for its end."""
        assert self.home is not None
        os.kill(int((self.home / "server.pid").read_text(encoding="ascii")), signal.SIGKILL)
        self._call("stop")
        self.is_running = False

    def _call(self, *arguments: str) -> str:
        command = [sys.executable, str(_STORES_PROGRAM), *arguments, "--home", str(self.home)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _bucket_service(
    name: str, folder: Path, require_service: Callable[[str, str], NoReturn]
) -> Iterator[BucketService]:
    variable = f"LIN_TEST_{name.upper()}"
    if named := os.environ.get(variable):
        yield BucketService(name, named, {})
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    service = BucketService(name, "", {}, port, folder, is_running=False)
    try:
        service.start()
    except subprocess.CalledProcessError:
        require_service(
            f"a server for {name}",
            f"{variable} names none, and none started; scripts/servers/server.py install {name} gets one",
        )
    yield service
    service.stop()


@pytest.fixture(scope="session")
def _s3_service(tmp_path_factory, require_service) -> Iterator[BucketService]:
    yield from _bucket_service("s3", tmp_path_factory.mktemp("s3"), require_service)


@pytest.fixture(scope="session")
def _azure_service(tmp_path_factory, require_service) -> Iterator[BucketService]:
    yield from _bucket_service("azure", tmp_path_factory.mktemp("azure"), require_service)


@pytest.fixture(scope="session")
def _google_service(tmp_path_factory, require_service) -> Iterator[BucketService]:
    yield from _bucket_service("google", tmp_path_factory.mktemp("google"), require_service)


@pytest.fixture
def s3_service(_s3_service: BucketService, monkeypatch: pytest.MonkeyPatch) -> BucketService:
    """Return a running S3 server, to which the environment leads; tests mark themselves `service`."""
    _s3_service.start()
    _s3_service.use(monkeypatch)
    return _s3_service


@pytest.fixture
def own_s3_service(s3_service: BucketService, require_service: Callable[[str, str], NoReturn]) -> BucketService:
    """Return a running S3 server that a test may stop and kill."""
    if s3_service.home is None:
        require_service("an S3 server of the tests' own", "LIN_TEST_S3 names one that they may not stop")
    return s3_service


@pytest.fixture
def azure_service(_azure_service: BucketService, monkeypatch: pytest.MonkeyPatch) -> BucketService:
    """Return a running server for Azure's storage, to which the environment leads."""
    _azure_service.use(monkeypatch)
    return _azure_service


@pytest.fixture
def google_service(_google_service: BucketService, monkeypatch: pytest.MonkeyPatch) -> BucketService:
    """Return a running server for Google's storage, to which the environment leads."""
    _google_service.use(monkeypatch)
    return _google_service
