"""Writers, readers and somebody who frees space, random ones of them killed: nothing acknowledged is lost.

Six seconds by default; `LIN_SOAK_SECONDS` says otherwise (`nox -s soak` takes a minute).
"""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lin.collecting import collect
from lin.lineage.index import catch_up
from lin.lineage.memory import MemoryGraph
from lin.lineage.testing import dump
from lin.repository import Repository

SECONDS = float(os.environ.get("LIN_SOAK_SECONDS", "6"))
ASKED = "LIN_SOAK_SECONDS" in os.environ
PUTS = 500 if ASKED else 60
SCRIPT = Path(__file__).with_name("gc_soak_worker.py")
JOBS = [*(("write", n) for n in range(6)), *(("read", n) for n in range(2)), ("free", 0)]
NOTES = {"write": "put", "read": "read", "free": "free"}

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL"),
    pytest.mark.timeout(max(300, SECONDS * 10)),
]


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("gc_soak_worker", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


worker = _load()


def start(folder: Path, job: tuple[str, int], **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), job[0], str(folder), str(job[1])]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})


def lines(folder: Path, job: tuple[str, int]) -> int:
    path = folder / f"{NOTES[job[0]]}.{job[1]}"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def soak(folder: Path) -> int:
    """Let all work for a while, and kill one after the other of those that have begun; return how many kills."""
    source = random.Random(0)
    running = {job: start(folder, job) for job in JOBS}
    heard = dict.fromkeys(JOBS, 0)
    kills, end = 0, None
    try:
        while end is None or time.monotonic() < end:
            time.sleep(0.1)  # lets them work; nothing is expected of the time
            for job in JOBS:
                if running[job].poll() is not None:
                    pytest.fail(f"{job} ended: {running[job].communicate()[1][-2000:]}")
            working = [job for job in JOBS if lines(folder, job) > heard[job]]
            if end is None and len(working) == len(JOBS):
                end = time.monotonic() + SECONDS
            if end is not None and working and source.random() < 0.5:
                victim = source.choice(working)
                running[victim].send_signal(signal.SIGKILL)
                running[victim].communicate()
                heard[victim] = lines(folder, victim)
                running[victim] = start(folder, victim)
                kills += 1
    finally:
        for process in running.values():
            process.kill()
            process.communicate()
    return kills


def is_as_rebuilt(repository: Repository) -> bool:
    rebuilt = MemoryGraph()
    catch_up(repository.journal, rebuilt)
    return dump(repository.embedded) == dump(rebuilt)


def tell(capsys: pytest.CaptureFixture[str], record_property: Any, figures: Mapping[str, float]) -> None:
    for name, value in figures.items():
        record_property(name, value)
    if ASKED:
        with capsys.disabled():
            print(f"\n{figures}")  # noqa: T201 - asked for


def test_space_is_freed_beside_writers_that_are_killed(
    repository: Repository, tmp_path: Path, record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that was acknowledged and not thrown away is there byte for byte, and nothing names what is not."""
    kills = soak(tmp_path)
    known = worker.alive(tmp_path)
    freed = [sum(each) for each in zip(*worker.noted(tmp_path, "free"), strict=True)]
    answers = [problem for (problem,) in worker.noted(tmp_path, "read")]
    figures = {"kept": len(known), "kills": kills, "read": len(answers), "packs_deleted": freed[1], "spared": freed[2]}
    tell(capsys, record_property, figures)
    assert kills > 0
    assert known
    assert [problem for problem in answers if problem] == []
    with Repository.open(tmp_path / "store") as found:
        for days in (0, 2, 4):
            if days:
                collect(found, dry=False, trash=0, now=time.time() + days * 86_400)
            report = found.verify()
            assert report.findings == ()
            for label, seed in known.items():
                assert found.store.read(found.artifact(label).digest) == worker.content(seed)
        assert is_as_rebuilt(found)


def test_many_processes_put_the_same(
    repository: Repository, tmp_path: Path, record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Eight processes, half of whose content is the same: each version is there once, and the bytes about once."""
    running = [start(tmp_path, ("put", number), LIN_SOAK_PUTS=str(PUTS)) for number in range(8)]
    try:
        for process in running:
            assert process.wait() == 0, process.communicate()[1][-2000:]
    finally:
        for process in running:
            process.kill()
            process.communicate()
    put = [(label, seed) for label, seed in worker.noted(tmp_path, "put")]
    assert len(put) == 8 * PUTS
    with Repository.open(repository.url) as found:
        artifacts = found.artifacts().items
        assert Counter(each.label for each in artifacts) == Counter(set(dict(put)))
        versions: dict[str, set[int]] = {}
        for each in artifacts:
            versions.setdefault(each.name, set()).add(each.version)
        assert all(numbers == set(range(1, len(numbers) + 1)) for numbers in versions.values())
        for label, seed in put:
            assert found.store.read(found.artifact(label).digest) == random.Random(seed).randbytes(4_000)
        stored = sum(pack.size for pack in found.store.upkeep.packs())
        distinct = 4_000 * len({seed for _, seed in put})
        tell(capsys, record_property, {"puts": len(put), "artifacts": len(artifacts), "ratio": stored / distinct})
        assert stored < 1.25 * distinct  # each pack has a table, and two may have met at the same moment
        assert found.verify().ok
        assert is_as_rebuilt(found)
