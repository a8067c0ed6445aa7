"""Describe what a run ran on: interpreter, packages, platform. Nothing personal: no paths, hosts, variables.

Equal environments give equal bytes, so a thousand runs mostly share one blob.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_PROBE = (
    "import json,platform,sys;print(json.dumps([platform.python_implementation(),platform.python_version(),sys.path]))"
)
_INFO = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)(-py[0-9.]+)?\.(dist|egg)-info")
_PYTHON = re.compile(r"python(3(\.\d+)?)?(\.exe)?")


def describe(command: Sequence[str] = ()) -> Mapping[str, Any]:
    """Return the environment that a command runs in, as a JSON object; of this very process without one.

    The packages are those of the command's own interpreter if it is a Python or a script for one, else of the
    `python3` that the command would find.
    """
    if command:
        found = _ask(_interpreter(command[0]) or shutil.which("python3"))
    else:
        found = (platform.python_implementation(), platform.python_version(), sys.path)
    document: dict[str, Any] = {
        "platform": {"system": platform.system(), "release": platform.release(), "machine": platform.machine()},
        "cpus": os.cpu_count(),
    }
    if found:
        implementation, version, path = found
        document["python"] = {"implementation": implementation, "version": version}
        document["packages"] = packages(path)
    return document


def packages(path: Sequence[str]) -> Mapping[str, str]:
    """Return the distributions on an interpreter's path, version by name.

    Read from the names of their metadata folders: `importlib.metadata` would open each of them.
    """
    found: dict[str, str] = {}
    for folder in path:
        try:
            names = [entry.name for entry in os.scandir(folder)]
        except OSError:
            continue  # zip files, and folders that are on the path but not there
        for name in names:
            match = _INFO.fullmatch(name)
            if match:
                found.setdefault(re.sub(r"[-_.]+", "-", match["name"]).lower(), match["version"])
    return dict(sorted(found.items()))


def _interpreter(program: str) -> str | None:
    """Return the Python that a program is, or is a script for, as the commands are that pip installs."""
    where = shutil.which(program)
    if where is None or _PYTHON.fullmatch(Path(program).name):
        return where
    try:
        with Path(where).open("rb") as file:
            first = os.fsdecode(file.readline(1024))
    except OSError:
        return None
    words = first.removeprefix("#!").split() if first.startswith("#!") else []
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-")]
    return shutil.which(words[0]) if words and _PYTHON.fullmatch(Path(words[0]).name) else None


def _ask(python: str | None) -> tuple[str, str, Sequence[str]] | None:
    if python is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that the user's own command runs
            [python, "-c", _PROBE], capture_output=True, timeout=20, check=True, stdin=subprocess.DEVNULL
        )
        # What an interpreter's start-up files print comes before.
        implementation, version, path = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
    return implementation, version, path
