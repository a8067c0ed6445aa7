"""Four writers and eight readers on one repository, random ones of them killed: nothing acknowledged is lost.

Eight seconds by default; `LIN_SOAK_SECONDS` says otherwise (`nox -s soak` takes a minute).
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lin.lineage.index import catch_up
from lin.lineage.keys import ActorKey, LogKey
from lin.lineage.ledger import Ledger
from lin.lineage.log import Log
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.testing import dump
from lin.store.local import LocalPlace

SECONDS = float(os.environ.get("LIN_SOAK_SECONDS", "8"))
WORKER = Path(__file__).with_name("soak_worker.py")
WRITERS, READERS = 4, 8
JOBS = [("write", number) for number in range(WRITERS)] + [("read", number) for number in range(READERS)]
LOG_KEY = LogKey.from_seed("lin/soak", bytes(31) + b"s")

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL"),
    pytest.mark.timeout(max(300, SECONDS * 5)),
]


def start(folder, job):
    return subprocess.Popen([sys.executable, WORKER, job[0], folder, str(job[1])], stderr=subprocess.PIPE, text=True)


def noted(folder, job):
    path = folder / f"{job[0]}.{job[1]}"
    return path.read_text().splitlines(keepends=True) if path.exists() else []


def soak(folder):
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
            working = [job for job in JOBS if len(noted(folder, job)) > heard[job]]
            if end is None and len(working) == len(JOBS):
                end = time.monotonic() + SECONDS
            if end is not None and working and source.random() < 0.5:
                victim = source.choice(working)
                running[victim].send_signal(signal.SIGKILL)
                running[victim].communicate()
                heard[victim] = len(noted(folder, victim))
                running[victim] = start(folder, victim)
                kills += 1
    finally:
        for process in running.values():
            process.kill()
            process.communicate()
    return kills


def test_writers_and_readers_that_are_killed(tmp_path, record_property, capsys):
    """No acknowledged event is lost, no reader waits for writers, and the index is what a rebuild makes."""
    log = Log(LocalPlace(tmp_path / "repository"), LOG_KEY.verifier)
    log.create(LOG_KEY)
    key = ActorKey.from_seed(bytes(32))
    ledger = Ledger(log, tmp_path / "cache", log_key=lambda: LOG_KEY, actor_key=lambda: key)
    ledger.graph()
    kills = soak(tmp_path)

    # A line that a kill cut off was not acknowledged.
    lines = [line for job in JOBS[:WRITERS] for line in noted(tmp_path, job) if line.endswith("\n")]
    acknowledged = {bytes.fromhex(line) for line in lines}
    graph = ledger.graph()
    assert kills > 0
    assert set(graph.events(acknowledged)) == acknowledged != set()
    rebuilt = SqliteGraph(tmp_path / "rebuilt.sqlite3")
    catch_up(log, rebuilt)
    assert graph.position() == rebuilt.position()
    assert dump(graph) == dump(rebuilt)
    rebuilt.close()
    ledger.close()
    again = SqliteGraph(ledger.index)
    with again._file.reading() as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    again.close()

    lines = [line for job in JOBS[WRITERS:] for line in noted(tmp_path, job) if line.endswith("\n")]
    answers = [json.loads(line) for line in lines]
    assert not any(problem for *_, problem in answers)
    figures: dict[str, float] = {"events": len(acknowledged), "kills": kills, "answers": len(answers)}
    figures["met_a_lock"] = sum(refused > 0 for *_, refused, _ in answers)
    figures["blocked_by_a_lock_ms"] = round(max((each[1] for each in answers if each[4]), default=0.0) * 1e3, 2)
    for name, at in (("wall", 0), ("blocked", 1), ("stolen", 2), ("control", 3)):
        seconds = sorted(answer[at] for answer in answers)
        for part in (0.5, 0.95, 0.999, 1):
            figures[f"{name}_ms_{part}"] = round(seconds[min(int(len(seconds) * part), len(seconds) - 1)] * 1e3, 2)
    for name, value in figures.items():
        record_property(name, value)
    with capsys.disabled():
        if "LIN_SOAK_SECONDS" in os.environ:
            print(f"\n{figures}")  # noqa: T201 - asked for
    assert figures["blocked_by_a_lock_ms"] < 100
    # A cold page on a slow disk counts as blocked, too.
    assert figures["blocked_ms_0.999"] < 100
