"""What is shipped: version, wheel and sdist."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

PACKAGE_FOLDERS = ("store", "lineage", "api", "cli")


def _lin(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-m", "lin", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout


def test_the_command_states_the_version_of_the_project(root, tmp_path):
    """`lin version` prints what pyproject.toml says."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["version"] in _lin("version", cwd=tmp_path).split()


@pytest.fixture(scope="module")
def dist(root, tmp_path_factory, require_service: Callable[[str, str], NoReturn]):
    """Build sdist and wheel, from what uv has in its cache."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(root / ".tools" / "bin"))
    if uv is None:
        require_service("uv", "it is neither on PATH nor in .tools/")
    folder = tmp_path_factory.mktemp("dist")
    command = [uv, "build", "--quiet", "--offline", "--python", sys.executable, "--out-dir", str(folder)]
    done = subprocess.run(command, check=False, cwd=root, capture_output=True, text=True)
    if done.returncode:
        if "network" not in done.stderr and "offline" not in done.stderr:
            pytest.fail(done.stderr)
        require_service("hatchling", f"it is not in uv's cache: {done.stderr.strip()[-200:]}")
    return folder


@pytest.fixture(scope="module")
def wheel(dist):
    (path,) = dist.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_every_module_once_under_lin(wheel, tracked):
    """Every tracked file of the package is in the wheel, under `lin/`, and nothing lies beside it."""
    shipped = {name for name in wheel if ".dist-info/" not in name}
    expected = set()
    for path, mode in tracked.items():
        top = path.split("/", 1)[0]
        if mode != "120000" and top in {"lin", *PACKAGE_FOLDERS}:
            expected.add(path if top == "lin" else f"lin/{path}")
    missing = expected - shipped
    assert missing == set()
    assert {name.split("/", 1)[0] for name in shipped} == {"lin"}
    assert not [name for name in shipped if name.endswith((".pyc", ".db", ".sqlite"))]


def test_the_wheel_carries_types_licence_and_command(wheel):
    """`py.typed`, the licence text and the `lin` command are shipped."""
    assert "lin/py.typed" in wheel
    names = {name.split("/", 1)[1]: name for name in wheel if ".dist-info/" in name}
    assert "licenses/LICENSE" in names
    assert b"lin = lin.cli:main" in wheel[names["entry_points.txt"]]


def test_the_wheel_carries_graphiql_with_its_licences(wheel):
    """The page works without internet from an installed package, and each package's licence goes along."""
    files = {name for name in wheel if name.startswith("lin/api/static/graphiql/")}
    assert sum(name.endswith((".js", ".css")) for name in files) == 7
    assert sum("/licenses/" in name for name in files) == 5


def test_the_sdist_holds_sources_tests_and_docs_and_no_work(dist):
    """What someone needs to build and test is in the sdist; environments and the demo's data are not."""
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    for expected in ("pyproject.toml", "README.md", "LICENSE", "lin/__init__.py", "store/digest.py", "docs/index.md"):
        assert expected in names
    tops = {name.split("/", 1)[0] for name in names}
    assert tops <= {
        *PACKAGE_FOLDERS,
        "lin",
        "tests",
        "docs",
        "README.md",
        "LICENSE",
        "pyproject.toml",
        "hatch_build.py",
        "PKG-INFO",
        ".gitignore",
    }


def test_the_command_is_also_a_module(tmp_path):
    """`python -m lin` is `lin`."""
    assert "lin" in _lin("--help", cwd=tmp_path).lower()


def test_version_is_readable_by_programs(tmp_path):
    """`lin version --json` is one JSON document."""
    assert isinstance(json.loads(_lin("version", "--json", cwd=tmp_path)), dict)
