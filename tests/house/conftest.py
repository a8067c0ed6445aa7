"""What the tests of the house share: where it stands, and which files are tracked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def tracked(root) -> dict[str, str]:
    """Return the git mode of every tracked file, by its path."""
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "-C", str(root), "-c", "safe.directory=*", "ls-files", "--stage", "-z"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    entries = (entry.split("\t", 1) for entry in listing.split("\0") if entry)
    modes = {path: stage.split(" ", 1)[0] for stage, path in entries}
    # A file that was removed and not yet committed is no one's business.
    return {path: mode for path, mode in modes.items() if os.path.lexists(root / path)}
