"""A user of their own for each test: home, settings, cache, a folder to work in and a repository."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lin.lineage.envelope import SignedEvent, parse, sign
from lin.lineage.events import Event, Statement, now
from lin.lineage.graph import Graph
from lin.lineage.keys import ActorKey
from lin.lineage.ledger import Draft
from lin.lineage.log import Log
from lin.lineage.note import VerifierKey
from lin.repository import Repository
from lin.store.local import LocalPlace

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of a user whom nothing on this machine knows; the current folder is `work`."""
    for name in list(os.environ):
        if name.startswith(("LIN_", "GIT_", "XDG_", "AWS_")):
            monkeypatch.delenv(name)
    home = tmp_path / "ada"
    for name, value in {
        "HOME": home,
        "XDG_CONFIG_HOME": home / "settings",
        "XDG_CACHE_HOME": home / "cache",
        "XDG_DATA_HOME": home / "data",
        "LIN_CONFIG": home / "lin-config",
        "LIN_CACHE": home / "lin-cache",
        "LIN_TABLES": "off",
        "GIT_CONFIG_GLOBAL": home / "gitconfig",
        "GIT_CONFIG_NOSYSTEM": "1",
    }.items():
        monkeypatch.setenv(name, str(value))
    home.mkdir()
    (home / "gitconfig").write_text(
        "[user]\n\tname = A\n\temail = a@example.org\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n"
    )
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return home


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    with Repository.init(tmp_path / "store") as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the repository's files lie."""
    return tmp_path / "store" / ".lin"


@pytest.fixture
def write() -> Write:
    """Return a function that writes a file below the current folder."""

    def make(name: str | Path, content: bytes | str = "a,b\n1,2\n") -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


@dataclass(frozen=True)
class Hand:
    """Write statements to the log by hand, past what the repository would refuse."""

    repository: Repository

    def record(self, *statements: Statement) -> list[str]:
        """Record statements as this user, admitted as usual; return their ids."""

        def build(draft: Draft, _: Graph) -> list[str]:
            return [str(draft.add(statement)) for statement in statements]

        return self.repository.record(build)

    def force(self, *statements: Statement, at: str | None = None) -> list[str]:
        """Append statements of this user to the log without asking anybody, as a merge of repositories will."""
        keys = Path(os.environ["LIN_CONFIG"])
        actor = ActorKey.load_or_create(keys)
        signed = [sign(Event(at or now(), actor.id, statement), actor) for statement in statements]
        self.append(signed)
        return [str(event.id) for event in signed]

    def append(self, signed: Sequence[SignedEvent]) -> None:
        from lin.lineage.keys import LogKey  # noqa: PLC0415 - only here

        verifier = VerifierKey.parse(self.repository.log_key())
        log = Log(LocalPlace(self.repository.url), verifier)
        log.extend([event.leaf for event in signed], LogKey.load(Path(os.environ["LIN_CONFIG"]), verifier.name))

    def leaves(self) -> list[SignedEvent]:
        log = Log(LocalPlace(self.repository.url), VerifierKey.parse(self.repository.log_key()))
        return [parse(leaf.data) for leaf in log.read()]


@pytest.fixture
def hand(repository: Repository) -> Hand:
    return Hand(repository)


Python = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def python() -> Iterator[Python]:
    """Return a function that starts another Python with some code; what still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str, *arguments: object, **options: object) -> subprocess.Popen[bytes]:
        settings: dict[str, object] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        settings.update(options)
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            **settings,  # type: ignore[call-overload]
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@dataclass(frozen=True)
class Git:
    """The user's git in the current folder."""

    def __call__(self, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True)
        return done.stdout.decode(errors="replace").strip()

    def commit(self, message: str = "work", cwd: Path | None = None) -> str:
        self("add", "-A", cwd=cwd)
        self("commit", "-q", "-m", message, cwd=cwd)
        return self("rev-parse", "HEAD", cwd=cwd)


@pytest.fixture
def git() -> Git:
    git = Git()
    git("init", "-q")
    return git
