"""What a process of the soak does: `python gc_soak_worker.py write|read|free|put FOLDER NUMBER`, until it is killed."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from lin.collecting import collect
from lin.errors import BlobNotFoundError
from lin.repository import Repository

SHARED = 20
"""Contents that all writers put again and again."""
GRACE = 10.0
_TICK = 0.05
"""Seconds by which the time of a file may be behind the clock."""


def content(seed: str) -> bytes:
    """Return what is put under a seed: some small, some cut into chunks."""
    source = random.Random(seed)
    return source.randbytes(150_000 if source.random() < 0.1 else 2_000)


def noted(folder: Path, what: str) -> Iterator[list[str]]:
    """Yield what processes wrote down, without a line that a kill cut off."""
    for path in sorted(folder.glob(f"{what}.*")):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)


def alive(folder: Path) -> dict[str, str]:
    """Return the artifacts that were acknowledged and that nobody began to throw away, and their seeds."""
    put = {line[0]: line[1] for line in noted(folder, "put")}
    for (label,) in noted(folder, "trash"):
        put.pop(label, None)
    return put


def write(folder: Path, number: int) -> None:
    """Put one thing after the other, throw some away, and note what was acknowledged."""
    source = random.Random(f"{number} {os.getpid()}")
    mine: list[str] = []
    with (
        Repository.open(folder / "store") as repository,
        (folder / f"put.{number}").open("a", buffering=1) as put,
        (folder / f"trash.{number}").open("a", buffering=1) as trash,
    ):
        for turn in count():
            seed = f"shared {source.randrange(SHARED)}" if turn % 2 else f"{number} {os.getpid()} {turn}"
            path = folder / f"work.{number}"
            path.write_bytes(content(seed))
            # Whoever frees space sees since when this has been going on.
            begun = folder / f"began.{number}.new"
            begun.write_text(repr(time.time()))
            begun.replace(folder / f"began.{number}")
            label = repository.put(path, name=f"{number}-{os.getpid()}-{turn}").artifact.label
            begun.write_text("inf")
            begun.replace(folder / f"began.{number}")
            put.write(json.dumps([label, seed]) + "\n")
            mine.append(label)
            if len(mine) > 1 and source.random() < 0.6:
                gone = mine.pop(source.randrange(len(mine)))
                trash.write(json.dumps([gone]) + "\n")
                repository.remove(gone)


def read(folder: Path, number: int) -> None:
    """Read what was acknowledged, over and over, and note what is not as it was put."""
    source = random.Random(os.getpid())
    with Repository.open(folder / "store") as repository, (folder / f"read.{number}").open("a", buffering=1) as told:
        while True:
            known = alive(folder)
            for label, seed in source.sample(sorted(known.items()), min(5, len(known))):
                problem = ""
                try:
                    if repository.store.read(repository.artifact(label).digest) != content(seed):
                        problem = f"{label} is not what was put"
                except BlobNotFoundError:
                    if label in alive(folder):  # else it was thrown away meanwhile
                        problem = f"{label} is gone"
                told.write(json.dumps([problem]) + "\n")


def free(folder: Path, number: int) -> None:
    """Free space without end, with a clock by which every put that may count on something is within the grace period.

    A real grace period is longer than any put. Here puts are short, but may be held up for any time, so the end of the
    period is not told by the clock: nothing is past it but what happened before an earlier collection ended
    that all puts that are going on now began after.
    """
    ends = [time.time()]  # whatever another process doomed that was killed, it did before
    with Repository.open(folder / "store") as repository, (folder / f"free.{number}").open("a", buffering=1) as told:
        while True:
            began = [float(path.read_text()) for path in folder.glob("began.?")]
            since = max((end for end in ends if all(end <= each for each in began)), default=0.0) - _TICK
            found = collect(repository, dry=False, trash=0, grace=GRACE, now=since + GRACE)
            ends.append(time.time())
            told.write(json.dumps([found.doomed, found.deleted, found.spared]) + "\n")


def put(folder: Path, number: int) -> None:
    """Put as many things as asked for, half of them what all others put, too."""
    much = int(os.environ["LIN_SOAK_PUTS"])
    seeds = [f"shared {n}" if n % 2 else f"{number} {n}" for n in range(much)]
    random.Random(number).shuffle(seeds)
    path = folder / f"work.{number}"
    with Repository.open(folder / "store") as repository, (folder / f"put.{number}").open("a", buffering=1) as told:
        for seed in seeds:
            path.write_bytes(random.Random(seed).randbytes(4_000))
            name = "shared" if seed.startswith("shared") else f"own {number}"
            told.write(json.dumps([repository.put(path, name=name).artifact.label, seed]) + "\n")


if __name__ == "__main__":
    {"write": write, "read": read, "free": free, "put": put}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
