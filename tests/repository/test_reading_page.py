"""The page on reading with other tools: every example on it runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lin.repository import Repository

PAGE = Path(__file__).parents[2] / "docs" / "reading.md"


def test_every_example_runs(repository: Repository, home: Path) -> None:
    """From the first to the last, in one program, as a reader would type them."""
    pd: Any = pytest.importorskip("pandas")
    frame = pd.DataFrame({"delay": range(-50, 150), "carrier": ["a", "b"] * 100})
    frame.to_csv("flights.csv", index=False)
    frame.to_parquet("flights.parquet")
    folder = Path("parts/2024")
    folder.mkdir(parents=True)
    for number in range(2):
        frame[number::2].to_parquet(folder / f"p{number}.parquet")
        frame[number::2].to_csv(folder / f"p{number}.csv", index=False)
    repository.put("flights.csv", name="flights")
    repository.put("flights.parquet")
    repository.put("parts")
    examples = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) > 8
    program = "\n".join(["import os", f"other = {repository.url!r}", *examples, "assert len(late) == 89, len(late)"])
    environment = {**os.environ, "LIN_REPO": repository.url, "HF_HOME": str(home / "hf"), "TMPDIR": str(home)}
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
