"""kill -9 at any point loses nothing that was acknowledged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("crash.py")


@pytest.mark.skipif(sys.platform != "linux", reason="counts the calls of Linux's way of syncing")
def test_a_kill_at_any_call_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Killed before each call in turn, a put leaves every acknowledged blob right and no half-written one."""
    answer = subprocess.run([sys.executable, SCRIPT, tmp_path], check=True, capture_output=True, text=True)
    results = json.loads(answer.stdout)
    assert len(results) > 100
    assert not results[-1]["killed"]
    assert results[-1]["acknowledged"] == 6
    assert results[-1]["leftovers"] == 0
    assert {result["acknowledged"] for result in results} == set(range(7))
    assert [result for result in results if result["problems"] or result["unexpected"]] == []
    assert any(result["leftovers"] for result in results), "no kill hit a write: the counting is broken"
