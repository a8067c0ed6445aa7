"""Environments: what a run ran on, without a word about whose machine it was."""

from __future__ import annotations

import getpass
import json
import os
import platform
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lin import environment

Write = Callable[..., Path]


def fake_python(folder: Path, version: str, *packages: str) -> Path:
    """Make an interpreter that says what it is, with packages beside it."""
    site = folder / "site-packages"
    for package in packages:
        (site / package).mkdir(parents=True)
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    answer = json.dumps(["CPython", version, [str(site), "/no/such/folder", ""]])
    python.write_text(f"#!/bin/sh\necho a message of sitecustomize\necho '{answer}'\n")
    python.chmod(0o755)
    return python


def test_this_process_is_described_by_itself() -> None:
    """Its own interpreter and packages, its platform."""
    found = environment.describe()
    assert found["python"] == {"implementation": "CPython", "version": platform.python_version()}
    assert found["platform"]["system"] == platform.system()
    assert found["packages"]["pytest"] == pytest.__version__
    assert found["cpus"] == os.cpu_count()


def test_a_command_is_described_by_its_own_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of another environment, by path or on the path; of any other program, the `python3` it would find."""
    python = fake_python(tmp_path / "env", "3.99.1", "numpy-9.9.dist-info", "lib_x-1.0-py3.11.egg-info", "foo.egg-info")
    expected = {"numpy": "9.9", "lib-x": "1.0"}
    for command in ([str(python), "train.py"], [os.path.relpath(python), "-m", "x"]):
        found = environment.describe(command)
        assert (found["python"]["version"], found["packages"]) == ("3.99.1", expected)
    (python.parent / "python3").symlink_to("python")
    monkeypatch.setenv("PATH", f"{python.parent}:{os.environ['PATH']}")
    for command in (["python", "train.py"], ["make", "train"]):
        assert environment.describe(command)["packages"] == expected


@pytest.mark.parametrize("line", ["{python} -I", "/usr/bin/env python", "/usr/bin/env -S python -u"])
def test_a_script_is_described_by_the_interpreter_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """As commands do that pip installs, such as `torchrun`."""
    python = fake_python(tmp_path / "env", "3.99.1", "numpy-9.9.dist-info")
    script = python.with_name("torchrun")
    script.write_text(f"#!{line.format(python=python)}\nimport torch\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{python.parent}:{os.environ['PATH']}")
    for command in (["torchrun", "x"], [str(script)]):
        assert environment.describe(command)["packages"] == {"numpy": "9.9"}
    script.write_bytes(b"\x7fELF\xff")
    assert environment.describe([str(script)])["python"]["version"] != "3.99.1"


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense", "true", "echo '[1]'"])
def test_an_interpreter_that_does_not_answer_is_left_out(tmp_path: Path, script: str) -> None:
    """The platform is still known."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    found = environment.describe([str(python)])
    assert "python" not in found
    assert found["platform"]["system"] == platform.system()


def test_no_python_at_all_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a shell script on a bare machine."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert "python" not in environment.describe(["./train.sh"])


def test_equal_environments_are_equal_bytes() -> None:
    """So runs share them."""
    texts = {json.dumps(environment.describe([sys.executable]), sort_keys=True) for _ in range(2)}
    assert len(texts) == 1


def test_nothing_in_it_is_personal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No path, user, host or variable's value."""
    monkeypatch.setenv("SECRET", "s3cr3t-value")
    for command in ((), (sys.executable, "train.py")):
        text = json.dumps(environment.describe(command))
        assert "/" not in text.replace("\\/", "")
        for word in (socket.gethostname(), "s3cr3t-value", sys.prefix, str(Path.home())):
            assert word not in text
        if len(getpass.getuser()) > 4:
            assert getpass.getuser() not in text


def test_the_first_of_two_packages_on_the_path_counts(tmp_path: Path) -> None:
    """As for the interpreter itself; names are compared as PyPI does."""
    for folder, name in (("one", "My.Pkg-2.0.dist-info"), ("two", "my_pkg-1.0.dist-info")):
        (tmp_path / folder / name).mkdir(parents=True)
    assert environment.packages([str(tmp_path / "one"), str(tmp_path / "two")]) == {"my-pkg": "2.0"}
