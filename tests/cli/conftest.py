"""Records made by hand, and the command line as its users meet it."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lin.cli import entry
from lin.lineage.events import EventId
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus, Shape
from lin.records import Artifact, Run, Trace, TraceEdge
from lin.store.digest import Digest


class Drawn:
    """A trace in the making: `a` and `r` add artifacts and runs, `used` and `made` the edges between."""

    def __init__(self):
        self.nodes = {}
        self.edges = []

    @staticmethod
    def id(word):
        return EventId(word.encode("utf-8", "surrogateescape")[:32].ljust(32, b"."))

    def a(self, name, kind=ArtifactKind.DATASET, **values):
        found = Artifact(
            id=self.id(name),
            kind=kind,
            name=name,
            version=1,
            digest=Digest.of(name.encode("utf-8", "surrogateescape")),
            shape=Shape.BLOB,
            size=len(name),
            files=1,
            created="2026-03-01T12:00:00.000000Z",
            actor="0" * 64,
            **values,
        )
        self.nodes[found.id] = found
        return found.id

    def r(self, name, status=RunStatus.SUCCEEDED, **values):
        found = Run(
            id=self.id(name),
            name=name,
            experiment="churn",
            status=status,
            parameters={},
            metrics={},
            started="2026-03-01T12:00:00.000000Z",
            finished=None if status is RunStatus.RUNNING else "2026-03-01T12:00:02.500000Z",
            actor="0" * 64,
            **values,
        )
        self.nodes[found.id] = found
        return found.id

    def used(self, artifact, run, role=Role.INPUT, path=None):
        self.edges.append(TraceEdge(artifact, run, "used", role, (path,) if path else (), (Evidence.DECLARED,)))

    def made(self, run, artifact, path=None):
        self.edges.append(TraceEdge(run, artifact, "generated", None, (path,) if path else (), (Evidence.DECLARED,)))

    def trace(self, *roots, direction="up", truncated=None, total=None, unseen=()):
        nodes = tuple(self.nodes.values())
        return Trace(
            roots=roots,
            direction=direction,
            nodes=nodes,
            edges=tuple(self.edges),
            distance={node.id: index for index, node in enumerate(nodes)},
            total=len(nodes) if total is None else total,
            truncated=truncated,
            unseen=unseen,
        )


@pytest.fixture
def drawn():
    return Drawn()


@dataclass(frozen=True)
class Answer:
    """What a call of `lin` came to."""

    status: int
    out: str
    err: str
    raw: bytes = field(repr=False, default=b"")


class Shell:
    """A user at a shell: a folder, a repository and settings of their own; each call is a process."""

    def __init__(self, home):
        self.home = home
        self.folder = home / "work"
        self.folder.mkdir(parents=True)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("LIN_", "GIT_", "COV_", "PYTEST"))},
            "HOME": str(home),
            "LIN_REPO": str(home / "repository"),
            "LIN_CONFIG": str(home / "config"),
            "LIN_CACHE": str(home / "cache"),
            "LIN_TABLES": "off",
            "NO_COLOR": "",
            "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        self.environment.update({k: v for k, v in os.environ.items() if k.startswith("COVERAGE")})

    def __call__(self, *arguments, status=0, stdin=None, **options):
        process = subprocess.run(
            [sys.executable, "-m", "lin", *arguments],
            cwd=options.pop("cwd", self.folder),
            env={**self.environment, **options.pop("env", {})},
            input=stdin,
            capture_output=True,
            timeout=120,
            check=False,
            **options,
        )
        out, err = process.stdout.decode("utf-8", "replace"), process.stderr.decode("utf-8", "replace")
        assert "Traceback" not in err, err
        assert process.returncode == status, f"{arguments} ended with {process.returncode}, not {status}\n{out}\n{err}"
        return Answer(process.returncode, out, err, process.stdout)

    def write(self, name, content="a,b\n1,2\n"):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Path(name)


@pytest.fixture
def lin(tmp_path):
    shell = Shell(tmp_path / "home")
    shell("init", shell.environment["LIN_REPO"])
    return shell


@pytest.fixture
def inside(tmp_path, monkeypatch, capfd):
    """Call the command line in this process, in a folder and repository of its own: fast, for the many small cases."""
    home = tmp_path / "inside"
    folder = home / "work"
    folder.mkdir(parents=True)
    for name in ("repo", "config", "cache"):
        monkeypatch.setenv(f"LIN_{name.upper()}", str(home / name))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("LIN_DEBUG", raising=False)
    monkeypatch.chdir(folder)

    def call(*arguments, status=0):
        found = entry.run(list(map(str, arguments)))
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        assert "bug in lin" not in err, err
        assert found == status, f"{arguments} ended with {found}, not {status}\n{out}\n{err}"
        return Answer(found, out, err, out.encode())

    call("init", home / "repo")
    return call
