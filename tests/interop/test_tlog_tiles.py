"""Other implementations of tlog-tiles check a log that lin wrote.

Tessera's fsck recomputes the tree and compares every tile; the proofs are judged by the library of Go's own
checksum database. Both are in `checker/`, a small program in Go with pinned modules.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from lin.lineage.keys import LogKey
from lin.lineage.log import CHECKPOINT, Log
from lin.lineage.log_testing import LOG_KEY, ORIGIN, introduction, run_started
from lin.lineage.merkle import Frontier, leaf_digest
from lin.store.local import LocalPlace

pytestmark = pytest.mark.service

SOURCE = Path(__file__).parent / "checker"
SIZE = 700


@pytest.fixture(scope="session")
def checker(require_service: Callable[[str, str], NoReturn], tmp_path_factory) -> Path:
    """The built program."""
    go = shutil.which("go")
    if not go:
        require_service("go", "install Go 1.25 or newer to check logs with other implementations")
    program = tmp_path_factory.mktemp("checker") / "checker"
    built = subprocess.run(
        [go, "build", "-o", program, "."], cwd=SOURCE, capture_output=True, text=True, timeout=240, check=False
    )
    if built.returncode:
        if "dial tcp" in built.stderr or "lookup" in built.stderr:
            require_service("the Go module proxy", built.stderr.strip()[-300:])
        pytest.fail(built.stderr)
    return program


@pytest.fixture(scope="session")
def original(tmp_path_factory) -> Path:
    """A log of 700 events, grown in several commits."""
    path = tmp_path_factory.mktemp("log")
    log = Log(LocalPlace(path), LOG_KEY.verifier)
    log.create(LOG_KEY)
    leaves = [introduction().leaf, *(run_started(f"{number}").leaf for number in range(1, SIZE))]
    for start, stop in ((0, 1), (1, 250), (250, 256), (256, 300), (300, SIZE)):
        log.extend(leaves[start:stop], LOG_KEY)
    return path


@pytest.fixture
def path(original, tmp_path) -> Path:
    """A copy of it, to be damaged."""
    return shutil.copytree(original, tmp_path / "copy")


def check(checker, path, *more, vkey=str(LOG_KEY.verifier)) -> subprocess.CompletedProcess[str]:
    command = [checker, path / "log", vkey, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def text(digest) -> str:
    return base64.b64encode(digest).decode()


def proofs(log) -> dict[str, Any]:
    at = log.checkpoint()
    leaves = [leaf.data for leaf in log.read()]
    return {
        "Inclusion": [
            {"Position": n, "Leaf": text(leaves[n]), "Proof": [text(step) for step in log.inclusion_proof(n, at=at)]}
            for n in (0, 1, 255, 256, 511, 512, 698, 699)
        ],
        "Consistency": [
            {
                "Size": old,
                "Root": text(Frontier().extend(leaf_digest(leaf) for leaf in leaves[:old]).root),
                "Proof": [text(step) for step in log.consistency_proof(old, at=at)],
            }
            for old in (1, 2, 255, 256, 257, 512, 600, 700)
        ],
    }


def test_a_sound_log_passes(checker, path, tmp_path):
    """Others verify the checkpoint, all tiles, and every proof that lin makes."""
    (tmp_path / "proofs.json").write_text(json.dumps(proofs(Log(LocalPlace(path), LOG_KEY.verifier))))
    done = check(checker, path, tmp_path / "proofs.json")
    assert (done.returncode, done.stdout) == (0, f"sound: {SIZE}\nproved: 8 8\n"), done.stderr


@pytest.mark.parametrize("size", [1, 255, 256, 257])
def test_a_small_log_passes(checker, tmp_path, size):
    """Also around the size of one tile."""
    log = Log(LocalPlace(tmp_path), LOG_KEY.verifier)
    log.create(LOG_KEY)
    log.extend([run_started(f"{number}").leaf for number in range(size)], LOG_KEY)
    done = check(checker, tmp_path)
    assert (done.returncode, done.stdout) == (0, f"sound: {size}\n"), done.stderr


def test_wrong_proofs_fail(checker, path, tmp_path):
    """The judge of the proofs can say no."""
    log = Log(LocalPlace(path), LOG_KEY.verifier)
    for kind, key in (("Inclusion", "Leaf"), ("Consistency", "Root")):
        wrong = proofs(log)
        wrong[kind][3][key] = text(bytes(32))
        (tmp_path / "proofs.json").write_text(json.dumps(wrong))
        done = check(checker, path, tmp_path / "proofs.json")
        assert done.returncode == 1
        assert kind.lower() in done.stderr


@pytest.mark.parametrize(
    "name", ["tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/001", "tile/entries/002.p/188"]
)
@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_damaged_log_fails(checker, path, name, damage):
    """Others find the same damages as lin does."""
    file = path / "log" / name
    data = file.read_bytes()
    file.unlink()
    if damage == "changed":
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    done = check(checker, path)
    assert done.returncode == 1, done.stdout
    assert "does not end" not in done.stderr


def test_another_key_fails(checker, path):
    """A log is checked against the key that one knows, not against one that it brings."""
    other = LogKey.from_seed(ORIGIN, bytes(32))
    assert check(checker, path, vkey=str(other.verifier)).returncode == 1


def test_another_logs_checkpoint_fails(checker, path):
    """The origin is part of what is signed."""
    (path / CHECKPOINT).write_bytes((path / CHECKPOINT).read_bytes().replace(b"\n700\n", b"\n699\n"))
    done = check(checker, path)
    assert (done.returncode, done.stderr[:20]) == (1, "checker: checkpoint:")
