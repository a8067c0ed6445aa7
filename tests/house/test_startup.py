"""Starting `lin` loads little: what is heavy is imported where it is needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "asyncio",
    "cryptography",
    "fsspec",
    "rich",
    "s3fs",
    "sqlite3",
    "starlette",
    "strawberry",
    "structlog",
    "uvicorn",
}
PROGRAM = """
import json, sys
sys.argv = ["lin", *json.loads(sys.argv[1])]
from lin.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["put", "--help"], ["version"]])
def test_help_loads_no_heavy_module(arguments, tmp_path):
    """`lin --help`, a verb's help and `lin version` import none of the modules that cost tens of milliseconds."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(arguments)],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert "lin.cli" in loaded
    assert HEAVY & loaded == set()


def test_importing_lin_loads_no_heavy_module():
    """`import lin` in a notebook costs next to nothing."""
    program = "import json, sys, lin; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert HEAVY & set(json.loads(done.stdout)) == set()
