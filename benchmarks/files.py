"""Put and get of one large file and of many small ones, beside `cp` with a sync and plain BLAKE3.

`cp` followed by `sync` is the least that "stored durably" can cost; plain BLAKE3 (the large file memory-mapped, on all
cores) is the least that "verified" can. Sources are in the page cache for all of them.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from .lin_command import Lin
from .measuring import Contender, Folder, Sample, Scenario, command

GIB = 1 << 30
PIECE = 1 << 24

MMAP = """
import sys
from blake3 import blake3
print(blake3(max_threads=blake3.AUTO).update_mmap(sys.argv[1]).hexdigest())
"""
MANY = """
import os, sys
from blake3 import blake3
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), 'rb') as file:
            blake3(file.read()).digest()
"""


def large(path: Path, size: int) -> Path:
    """Write a file of random bytes, the same ones every time."""
    source = random.Random(0)
    with path.open("wb") as file:
        for start in range(0, size, PIECE):
            file.write(source.randbytes(min(PIECE, size - start)))
    return path


def small(path: Path, number: int) -> Path:
    """Write a folder of small files in folders of 100: median 4 KiB, a few of up to 64 KiB, no two alike."""
    source = random.Random(1)
    for index in range(number):
        folder = path / f"{index // 100:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        size = min(65_536, int(source.lognormvariate(8.3, 1)))
        (folder / f"{index:06d}.bin").write_bytes(source.randbytes(size))
    return path


def copied(source: Path, target: Path) -> Sample:
    """Copy, until it is on the disk."""
    script = 'cp -R "$1" "$2" && if [ -d "$2" ]; then sync -f "$2"; else sync "$2"; fi'
    try:
        return command("sh", "-c", script, "sh", source, target, cwd=target.parent)
    finally:
        _remove(target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _pair(folder: Folder, source: Path, what: str, blake3: str) -> Iterator[Scenario]:
    """Yield put and get of one source."""
    digesting = Contender("plain BLAKE3", lambda: command(sys.executable, "-c", blake3, source, cwd=folder.path))
    copying = Contender("cp + sync", lambda: copied(source, folder.fresh("copy")))

    def put() -> Sample:
        lin = Lin.fresh(folder.fresh("repository"))
        try:
            return lin("put", source)
        finally:
            shutil.rmtree(lin.folder)

    again = Lin.fresh(folder.fresh("repository"))
    again("put", source)

    def get() -> Sample:
        target = folder.fresh("target")
        try:
            return again("get", source.name, target)
        finally:
            _remove(target)

    yield Scenario(
        f"put {what}",
        [
            copying,
            digesting,
            Contender("lin put", put),
            Contender("lin put (the same again)", lambda: again("put", source)),
        ],
    )
    yield Scenario(f"get {what}", [copying, digesting, Contender("lin get", get)])
    shutil.rmtree(again.folder)
    _remove(source)


def scenarios(folder: Folder, *, smoke: bool) -> Iterator[Scenario]:
    """Yield put and get of a large file, then of many small ones."""
    size, number = (1 << 24, 200) if smoke else (GIB, 10_000)
    words = "1 GiB" if size == GIB else f"{size >> 20} MiB"
    yield from _pair(folder, large(folder.path / "large.bin", size), f"one file of {words}", MMAP)
    yield from _pair(folder, small(folder.path / "small", number), f"{number:,} small files", MANY)
