"""`import lin`: the use cases from Python, over a repository that opens by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lin
from lin import sdk
from lin.errors import InvalidInputError, NotFoundError, RepositoryNotFoundError

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def opened_here() -> Iterator[None]:
    """No repository of another test stays open."""
    yield
    sdk._close()
    sdk._opened.clear()


def test_the_way_through(write: Write, home: Path) -> None:
    """Put, use, measure, save, trace and get, in the user's own repository, made on first use."""
    assert lin.put(write("flights.csv", "1")).artifact.label == "flights.csv@v1"
    with lin.run(experiment="delays", name="fit", parameters={"depth": 3}) as run:
        data = run.use("flights.csv", role="train")
        Path("model.bin").write_text(data.read_text() * 2)
        run.log_metrics(accuracy=0.93)
        model = run.save("model.bin", kind="model")
    assert lin.artifact("model.bin") == model
    assert (model.experiment, model.kind) == ("delays", lin.ArtifactKind.MODEL)
    labels = {node.label for node in lin.trace("model.bin").nodes}
    assert {"model.bin@v1", "flights.csv@v1", "environment@v1", run.id.short} <= labels
    assert {node.label for node in lin.trace("flights.csv", direction="down", depth=1).nodes} == {
        "flights.csv@v1", run.id.short,
    }  # fmt: skip
    assert lin.get("model.bin", "copy.bin").read_text() == "11"
    assert Path(lin.open_repository().url).is_relative_to(home / "data")
    assert lin.open_repository().verify().ok
    assert run.record.status is lin.RunStatus.SUCCEEDED


def test_a_run_keeps_code_and_environment(write: Write, git: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `lin run` does, named after the script."""
    monkeypatch.setattr(sys, "argv", ["jobs/train.py"])
    write("train.py", "fit()")
    commit = git.commit()
    with lin.run() as run:
        pass
    repository = lin.open_repository()
    roles = {use.role for use in repository.used([run.id.value])[run.id.value]}
    assert roles == {lin.Role.CODE, lin.Role.ENVIRONMENT}
    assert (run.record.commit, run.record.experiment) == (commit, "default")
    assert run.record.name == "train.py"


def test_the_nearest_repository_is_meant(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of this folder or above; `LIN_REPO` names another; a name wins over both."""
    lin.Repository.init(".").close()
    lin.Repository.init(tmp_path / "other").close()
    Path("deep/er").mkdir(parents=True)
    monkeypatch.chdir("deep/er")
    assert lin.open_repository().url == str(tmp_path / "work/.lin")
    monkeypatch.setenv("LIN_REPO", str(tmp_path / "other"))
    assert lin.open_repository().url == str(tmp_path / "other/.lin")
    assert lin.open_repository(tmp_path / "work").url == str(tmp_path / "work/.lin")
    with pytest.raises(RepositoryNotFoundError):
        lin.open_repository(tmp_path / "nowhere")


def test_a_repository_is_opened_once(tmp_path: Path) -> None:
    """In this process, and as long as it is the same one."""
    lin.Repository.init(".").close()
    first = lin.open_repository()
    assert lin.open_repository() is first
    assert lin.open_repository(".") is first
    __import__("shutil").rmtree(".lin")
    lin.Repository.init(".").close()
    second = lin.open_repository()
    assert second is not first
    assert second.id != first.id


FORK = """
import os
import lin
from pathlib import Path
path = Path("data.csv")
path.write_text("1")
lin.put(path)
mine = lin.open_repository()
child = os.fork()
if child:
    os.waitpid(child, 0)
path.write_text("parent" if child else "child")
print(lin.open_repository() is mine, lin.put(path).artifact.label, flush=True)
"""


def test_a_forked_process_opens_its_own(python: Callable[..., Any]) -> None:
    """A connection to the index must not be shared between processes."""
    out, err = python(FORK).communicate(timeout=60)
    assert err == b""
    assert out.decode().splitlines() == ["False data.csv@v2", "True data.csv@v3"]


def test_words_are_given_as_text_and_checked(write: Write) -> None:
    """A kind or direction there is not is refused with those there are."""
    path = write("data.csv")
    with pytest.raises(InvalidInputError) as caught:
        lin.put(path, kind="modle")
    assert "model" in caught.value.hint
    assert lin.put(path, kind="model", attributes={"rows": 1}, experiment="e").artifact.kind == "model"
    with pytest.raises(InvalidInputError):
        lin.trace("data.csv", direction="sideways")
    with pytest.raises(NotFoundError):
        lin.artifact("nothing")


def test_everything_public_is_there() -> None:
    """`dir(lin)` shows it, and nothing else is found."""
    assert set(lin.__all__) <= set(dir(lin))
    for name in lin.__all__:
        assert getattr(lin, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'putt'"):
        _ = lin.putt


HEAVY = ("blake3", "click", "cryptography", "fsspec", "platformdirs", "rfc8785", "rich", "sqlite3", "subprocess")


def test_importing_lin_imports_nothing() -> None:
    """Until something is used."""
    code = (
        "import sys; before = set(sys.modules); import lin, json; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True, text=True)
    loaded = {name for name in json.loads(done.stdout) if not name.startswith("json")}
    assert not loaded & set(HEAVY)
    assert {name for name in loaded if name.startswith("lin.")} == set()
