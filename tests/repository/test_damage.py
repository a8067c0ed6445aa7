"""A flipped bit or a cut in any file of a repository: found, and never returned as data."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lin.errors import LinError
from lin.lineage.graph import Direction
from lin.lineage.journal import NAME as JOURNAL
from lin.lineage.journal import Journal
from lin.lineage.tiles import edge_of, tiles_of
from lin.lineage.words import Role
from lin.recording import Recording
from lin.repository import Repository
from lin.store.local import LocalPlace

REDUNDANT = {
    ".gitignore": "no part of the repository",
    "objects/doomed/": "the name alone says it",
    "proofs/": "checkpoints of other logs, each signed: what is damaged is refused, and read again from there",
    "tmp/": "nothing that lasts",
}
"""Files whose damage is no damage to the repository, and why."""


@pytest.fixture
def filled(repository: Repository, write: Any, tmp_path: Path) -> dict[str, dict[str, bytes]]:
    """Make a repository with files of all kinds; return what its artifacts hold."""
    rows = [f"{n},{n * 7919 % 99_991}" for n in range(20_000)]
    edited = rows[:]
    edited[50::500] = ["edited,0"] * len(edited[50::500])
    noise = random.Random(0).randbytes
    held: dict[str, dict[str, bytes]] = {}
    for name, data in (
        ("small.bin", b"small"),
        ("empty", b""),
        ("large.bin", noise(300_000)),
        ("table.csv", "\n".join(rows).encode()),
        ("table.csv", "\n".join(edited).encode()),
    ):
        held[repository.put(write(name, data)).artifact.label] = {"": data}
    write("tree/a/b", b"b" * 100)
    write("tree/c", noise(5_000))
    held[repository.put("tree").artifact.label] = {"a/b": b"b" * 100, "c": Path("tree/c").read_bytes()}
    with Recording.start(repository, name="r", experiment="e") as run:
        run.use("table.csv@v1", role=Role.INPUT)
    repository.tag("small.bin", "best")
    with Repository.init(tmp_path / "other") as other:
        other.put(write("from-there", b"there"))
        repository.pull(other)
    held["from-there@v1"] = {"": b"there"}
    repository.store.index()
    spare = repository.store.put_bytes(b"spare")
    record = repository.store.record(spare)
    assert record is not None
    repository.store.upkeep.doom(record.pack)
    return held


def damaged(data: bytes, seed: str) -> Iterator[tuple[str, bytes]]:
    """Yield a file with some of its bits flipped, one at a time, and cut at several places."""
    source = random.Random(seed)
    for position in sorted({0, len(data) - 1, *(source.randrange(len(data)) for _ in range(3))} if data else ()):
        bit = 1 << source.randrange(8)
        yield f"bit at {position}", data[:position] + bytes([data[position] ^ bit]) + data[position + 1 :]
    for size in sorted({0, len(data) // 2, len(data) - 1} if data else ()):
        yield f"cut to {size}", data[:size]


def answers(repository: Repository, held: dict[str, dict[str, bytes]], into: Path) -> list[str]:
    """Ask for everything by every way; return what was answered and is wrong."""
    wrong = []
    for number, (label, files) in enumerate(held.items()):
        for path, data in files.items():
            try:
                if b"".join(repository.stream(label, path or None)) != data:
                    wrong.append(f"stream {label} {path}")
            except LinError:
                pass
        try:
            got = repository.get(label, into / str(number))
        except LinError:
            continue
        wrong += [f"get {label} {path}" for path, data in files.items() if (got / path).read_bytes() != data]
    return wrong


def traced(repository: Repository) -> object:
    try:
        found = repository.trace("table.csv@v1", direction=Direction.DOWN)
    except LinError:
        return None
    return sorted(str(node.id) for node in found.nodes)


def test_damage_in_any_file_is_found_and_is_never_data(
    repository: Repository, filled: dict[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`verify` finds it, or the file is named above; who asks gets what was put, or an error."""
    root = Path(repository.url)
    size = repository.journal.checkpoint().size
    used = {f"log/{tile.name}" for tile in (*tiles_of(size), *edge_of(size))}
    journal = Journal(LocalPlace(root)).read()
    assert journal is not None
    right = traced(repository)
    repository.close()
    files = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    assert {name.split("/")[0] for name in files} >= {"lin.json", "log", "objects", "proofs"}
    assert {name.split("/")[1] for name in files if name.startswith("objects/")} == {"packs", "index", "doomed"}
    missed, number = [], 0
    for name, path in files.items():
        good = path.read_bytes()
        redundant = any(name.startswith(each) for each in REDUNDANT)
        if name.startswith("log/") and "/tile/" in name and name not in used:
            redundant = True  # a longer tile has taken its place
        path.chmod(0o644)
        for what, bad in damaged(good, name):
            number += 1
            path.write_bytes(bad)
            monkeypatch.setenv("LIN_CACHE", str(tmp_path / "cold" / str(number)))
            # Behind the commits of the journal there is nothing yet.
            harmless = redundant or (name == JOURNAL and bad[: journal.end] == good[: journal.end])
            try:
                with Repository.open(root) as fresh:
                    report = fresh.verify()
                    if report.ok != harmless:
                        missed.append(f"{name}, {what}: {[f'{f.subject} {f.message}' for f in report.findings]}")
                    missed += [f"{name}, {what}: {each}" for each in answers(fresh, filled, tmp_path / f"got{number}")]
                    if traced(fresh) not in (right, None):
                        missed.append(f"{name}, {what}: trace")
            except LinError:
                if harmless:
                    missed.append(f"{name}, {what}: refused")
        path.write_bytes(good)
    assert missed == []
    assert number > 80
    with Repository.open(root) as fresh:
        assert fresh.verify().ok
        assert traced(fresh) == right
        assert answers(fresh, filled, tmp_path / "at last") == []
