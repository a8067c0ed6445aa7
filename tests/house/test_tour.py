"""README's tour is true: its commands run, and print what it shows."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What is the same each time: digests of what the tour makes, versions, and measurements.
CERTAIN = re.compile(r"b3:[0-9a-f]{12}|[\w./]+@v\d+|\b0\.\d{2,}\b(?! s)")


@pytest.fixture(scope="module")
def tour(root) -> str:
    text = (root / "README.md").read_text()
    return text[text.index("[start:tour]") : text.index("[end:tour]")]


def _environment(folder: Path) -> dict[str, str]:
    dropped = {"LIN_REPO", "LIN_TOKEN", "GIT_DIR", "GIT_WORK_TREE"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **kept,
        "PATH": path,
        "LIN_CONFIG": str(folder / "config"),
        "LIN_CACHE": str(folder / "cache"),
        "LIN_TABLES": "off",
    }


@pytest.fixture(scope="module")
def walked(tour, tmp_path_factory):
    """Paste every command of the tour into one shell; return the folder and what was printed."""
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    folder = tmp_path_factory.mktemp("walk")
    here = folder / "tour"
    here.mkdir()
    script = "set -eu\n" + "\n".join(body for language, body in BLOCK.findall(tour) if language == "sh")
    done = subprocess.run(
        ["bash", "-c", script], check=False, cwd=here, env=_environment(folder), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return here, done.stdout


def test_the_tour_prints_what_it_shows(tour, walked):
    """Every digest, version and measurement in the README is one that the commands print."""
    _, printed = walked
    shown = [body for language, body in BLOCK.findall(tour) if language == "text"]
    assert len(shown) >= 4
    # An environment is as its machine.
    lines = [line for body in shown for line in body.splitlines() if "environment" not in line]
    certain = {token for line in lines for token in CERTAIN.findall(line)}
    assert len(certain) >= 8
    assert {token for token in certain if token not in printed} == set()


def test_the_tour_deploys_the_model_it_names(walked):
    """`lin get` wrote the bytes of the version that the alias stood on."""
    here, _ = walked
    assert (here / "deployed.json").read_text() == '{"slope": 1.94, "intercept": 0.15}'


def test_the_notebooks_first_cell_records_a_run(root, walked):
    """README's Python block runs as it is, and traces its model to the data."""
    here, _ = walked
    cell = next(body for language, body in BLOCK.findall((root / "README.md").read_text()) if language == "python")
    done = subprocess.run(
        [sys.executable, "-c", cell],
        check=False,
        cwd=here,
        env=_environment(here.parent),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mean.json@v1 ")
    assert "points.csv@v2" in done.stdout


def test_the_notebooks_second_cell_asks_over_graphql(root, walked):
    """README's GraphQL block, sent to `lin serve`, names the model that was trained on the first version."""
    pytest.importorskip("strawberry")
    here, _ = walked
    cells = [body for language, body in BLOCK.findall((root / "README.md").read_text()) if language == "python"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = _environment(here.parent)
    server = subprocess.Popen([sys.executable, "-m", "lin", "serve", "--port", str(port)], cwd=here, env=environment)
    try:
        _wait(server, f"http://127.0.0.1:{port}/readyz")
        done = subprocess.run(
            [sys.executable, "-c", cells[1].replace(":8000", f":{port}")],
            check=False,
            cwd=here,
            capture_output=True,
            text=True,
        )
    finally:
        server.terminate()
        server.wait(30)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"line\.json@v1 b3:[0-9a-f]{64}\n", done.stdout)


def _wait(server: subprocess.Popen[bytes], url: str) -> None:
    """Return once the server answers; the test's own time limit ends a wait in vain."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.URLError:
            continue
    pytest.fail("lin serve ended")
