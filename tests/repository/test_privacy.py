"""The log cannot be erased, so nothing in it may say whose it is."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lin.commands import Input, Output, evaluate_command, run_command
from lin.lineage.words import ArtifactKind, Role
from lin.recording import Recording
from lin.repository import Repository

Write = Callable[..., Path]

USER, HOST = "qxzadalovelace", "qxzanalyticalengine"


@pytest.fixture
def somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user, host and home that are found wherever they are mentioned."""
    home = tmp_path / USER
    for folder in ("project/sub", "elsewhere", ".config"):
        (home / folder).mkdir(parents=True)
    for name in ("USER", "LOGNAME", "USERNAME", "LNAME"):
        monkeypatch.setenv(name, USER)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SECRET_TOKEN", f"{USER}-token")
    monkeypatch.setattr(socket, "gethostname", lambda: HOST)
    assert getpass.getuser() == USER
    return home


@pytest.fixture
def everything(repository: Repository, somebody: Path, write: Write, git: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that writes events was done, with paths that name the user."""
    monkeypatch.setattr("lin.environment._ask", lambda _: None)  # what it says is looked at elsewhere
    home = somebody
    project = home / "project"
    outside = write(home / "elsewhere" / "test.csv", "outside").absolute()
    train = write(project / "train.csv", "1").absolute()
    script = write(project / "fit.py", f"# by {USER}\n").absolute()
    script.chmod(0o755)
    monkeypatch.chdir(project)
    git("init", "-q")
    git("config", "user.name", USER)
    git("config", "user.email", f"{USER}@{HOST}")
    git.commit(f"by {USER}")
    repository.put(train)
    repository.put(str(outside))
    repository.put(home)
    for command in (
        ["sh", "-c", f'cat "{train}" > model.bin; pwd; echo "{{\\"auc\\": 1}}"'],
        [str(script)],
        [str(home / "nothing")],
        ["python3", str(script)],
    ):
        run_command(
            repository,
            command,
            experiment="e",
            inputs=[Input(str(train), Role.TRAIN), Input(str(outside), Role.TEST), Input(str(home))],
            outputs=[Output(str(project / "model.bin"), ArtifactKind.MODEL)],
            metrics_file=project / "metrics.json",
        )
    evaluate_command(repository, "model.bin", [str(outside)], ["sh", "-c", 'echo "{model}"; echo "{\\"auc\\": 1}"'])
    with Recording.start(repository, name="fit.py", command=[str(script)], folder=project) as run:
        run.use(str(outside), role="validation")
        run.save(write(home / "elsewhere/report.md", "r"), kind="report")
    with pytest.raises(ValueError, match=USER), Recording.start(repository, name="x"):
        raise ValueError(f"cannot read {home}")
    monkeypatch.chdir(home)  # no project at all
    run_command(repository, ["true"])
    repository.tag("model.bin", "prod")
    repository.untag("model.bin", "prod")


def test_nothing_that_cannot_be_erased_names_user_host_or_place(
    repository: Repository, somebody: Path, everything: None, hand: Any
) -> None:
    """Neither leaves, of files, code, environments and runs, good and bad, nor the names of files around them."""
    kinds = {entry.kind for entry in repository.log()}
    assert kinds == {"key", "artifact", "run.started", "run.used", "run.finished", "evaluation", "alias"}
    personal = [str(somebody), str(somebody.parent), USER, HOST, "/home", "/tmp", "token"]
    for signed in hand.leaves():
        text = signed.event.payload().decode()
        assert not [word for word in personal if word in text], text
    runs = [run.id.value for run in repository.runs().items]
    assert {use.path for uses in repository.used(runs).values() for use in uses} == {
        "train.csv",
        "test.csv",
        "model.bin",
        "home",
        None,
    }
    root = Path(repository.url)
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        assert USER not in name
        if path.is_file() and not name.startswith("objects/"):
            content = path.read_bytes()
            assert not [word for word in (USER, HOST, str(root)) if word.encode() in content], name


def test_what_is_personal_is_kept_where_it_can_be_erased(
    repository: Repository, somebody: Path, everything: None
) -> None:
    """In blobs that the log names by a digest which nobody can guess."""
    run = repository.runs(newest_first=False).items[0]
    detail = repository.detail(run.detail)
    assert detail is not None
    assert (detail["user"], detail["host"]) == (USER, HOST)
    assert detail["folder"] == str(somebody / "project")
    assert run.detail is not None
    assert len(json.loads(repository.store.read(run.detail))["salt"]) == 32
    assert "salt" not in detail
    failed = next(item for item in repository.runs().items if item.name == "x")
    outcome = repository.detail(failed.outcome)
    assert outcome is not None
    assert str(somebody) in outcome["error"]
    blobs = [repository.store.read(item.detail) for item in repository.runs().items if item.detail]
    salts = [json.loads(blob)["salt"] for blob in blobs]
    assert len(set(salts)) == len(salts)
