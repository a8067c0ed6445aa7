"""The way in: `make` says what there is, and a machine without a fitting Python is told so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest


def test_make_alone_lists_every_target(root):
    """Each target of the Makefile is in the help, with what it does."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("no make")
    shown = subprocess.run([make], check=True, cwd=root, capture_output=True, text=True).stdout
    targets = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test", "lint", "types", "docs", "bench", "clean"} <= set(targets)
    assert [target for target in targets if not re.search(rf"^  make {target} +\S", shown, re.MULTILINE)] == []


def test_a_python_that_does_not_fit_is_named_with_the_way_out(root, tmp_path):
    """An old Python is refused by its name before anything is installed."""
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        [root / ".ci" / "environment", "all"],
        check=False,
        env={**os.environ, "PYTHON": str(old)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert f"PYTHON={old} is not a Python >= 3.11" in done.stderr


def test_the_scripts_are_executable_and_pass_their_shells_own_check(root, tracked):
    """Every script of `.ci/` may be started, and its shell can read it."""
    scripts = [path for path in tracked if path.startswith(".ci/")]
    assert ".ci/run" in scripts
    for path in scripts:
        assert tracked[path] == "100755", path
        shell = (root / path).read_text().splitlines()[0].split("/")[-1].removeprefix("env ")
        subprocess.run([shell, "-n", root / path], check=True)
