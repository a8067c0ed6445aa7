"""A kill, a failing disk or a full one at any moment of any operation: old or new, and doing it again works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("faults.py")
ALL = os.environ.get("LIN_FAULTS", "")
CALLS = {
    "put a file": 35,
    "put a folder": 35,
    "put a second version": 35,
    "gc, first step": 25,
    "gc, second step": 15,
    "erase": 40,
    "push": 40,
    "pull": 40,
    "mirror": 20,
    "mirror again": 20,
}
"""Operations, and how many calls each makes at least: fewer, and the counting is broken."""

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="stands before the calls of Linux's way of syncing"),
    pytest.mark.timeout(600),
]


@pytest.mark.parametrize("operation", CALLS)
def test_a_fault_at_any_call_leaves_the_old_or_the_new(
    operation: str, tmp_path: Path, record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was acknowledged is there byte for byte, all verifies, the error is clear, and another try succeeds."""
    command = [sys.executable, str(SCRIPT), str(tmp_path), operation]
    environment = {**os.environ, "LIN_FAULTS": ALL}
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    told = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [each for each in told if each.get("problems")] == []
    faults = [each for each in told if "kind" in each]
    calls = max(each["count"] for each in told if "kind" not in each)
    assert calls >= CALLS[operation]
    assert sum(each["killed"] for each in faults) >= calls - 2, "a kill missed its call: the counting is broken"
    outcomes = Counter(
        (each["kind"], "killed" if each["killed"] else (each.get("error") or "succeeded").partition(":")[0])
        for each in faults
    )
    assert outcomes["EIO", "BackendError"] > 0
    assert outcomes["ENOSPC", "StorageFullError"] > 0
    figures = {f"{kind} {what}": count for (kind, what), count in sorted(outcomes.items())}
    record_property("calls", calls)
    for name, count in figures.items():
        record_property(name, count)
    if ALL:
        with capsys.disabled():
            print(f"\n{operation}: {calls} calls, {figures}")  # noqa: T201 - asked for
