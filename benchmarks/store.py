"""Put and get a large file and many small ones, and a second version, beside `cp` and the tools that people use.

`cp` followed by a sync is the least that "stored durably" can cost. Sources are in the page cache for all.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from .lin_command import LIN, Lin
from .measuring import Contender, Folder, Sample, Scenario, command
from .peers import ALL, LinPeer, Peer, copy
from .versions import kinds

GIB = 1 << 30
PIECE = 1 << 24
VERSIONED = 300_000_000
WHOLE = frozenset({"dvc", "mlflow", "git-annex", "git-lfs", "oxen"})
"""They keep each version whole, which one kind of content shows as well as ten."""
SLOW = frozenset({"dvc", "mlflow", "git-annex", "oxen"})
"""They run once with many small files: each run takes up to a minute."""
SMOKED = frozenset({2, 7, 8})
"""The kinds that a trial looks at: a delta, a difference of numbers, a folder."""


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


def remove(path: Path) -> None:
    """Remove a file or folder, read-only or not, and let the disk finish with it: the next one must not pay."""
    if path.is_dir():
        subprocess.run(["chmod", "-R", "u+w", str(path)], check=True)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    subprocess.run(["sync", "-f", str(path.parent)], check=True)


def copied(source: Path, target: Path, *, sync: bool = True) -> Sample:
    """Copy, and wait until it is on the disk."""
    script = 'cp -R "$1" "$2"'
    if sync:
        script += ' && if [ -d "$2" ]; then sync -f "$2"; else sync "$2"; fi'
    try:
        return command("sh", "-c", script, "sh", source, target, cwd=target.parent)
    finally:
        remove(target)


def started(kind: type[Peer], folder: Folder) -> Peer:
    """Make an empty repository of a tool."""
    path = folder.fresh(kind.name)
    path.mkdir()
    peer = kind(path)
    peer.make()
    return peer


def _fresh(kind: type[Peer], folder: Folder, source: Path) -> Callable[[], Sample]:
    def run() -> Sample:
        peer = started(kind, folder)
        try:
            peer.take(source)
            before = peer.size()
            sample = peer.put()
            return replace(sample, added=peer.size() - before)
        finally:
            remove(peer.folder)

    return run


def _again(peer: Peer) -> Callable[[], Sample]:
    return peer.put


def _got(peer: Peer, folder: Folder) -> Callable[[], Sample]:
    def run() -> Sample:
        target = folder.fresh("target")
        sample = peer.get(target)
        assert sample is not None
        remove(target)
        return sample

    return run


def _touched(peer: Peer, source: Path) -> Callable[[], Sample]:
    """Change one small file before each run."""
    tree = getattr(peer, "tree", None)
    root = source if tree is None else tree / source.name
    path = min(root.rglob("*.bin"))

    def run() -> Sample:
        path.unlink()
        path.write_bytes(os.urandom(5000))
        return peer.put()

    return run


def _status(folder: Folder, source: Path) -> tuple[Path, Callable[[], Sample]]:
    """Return a git repository of the source, and its `git status`."""
    tree = folder.fresh("git")
    tree.mkdir()
    copy(source, tree / source.name)
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *words], cwd=tree, check=True)
    return tree, lambda: command("git", "status", cwd=tree)


def _pair(folder: Folder, source: Path, what: str, peers: list[type[Peer]]) -> Iterator[Scenario]:
    many = source.is_dir()
    copying = Contender("cp + sync", lambda: copied(source, folder.fresh("copy")))
    plainly = Contender("cp", lambda: copied(source, folder.fresh("copy"), sync=False))
    yield Scenario(
        f"put {what}",
        [copying, *(Contender(kind.name, _fresh(kind, folder, source), many and kind.name in SLOW) for kind in peers)],
        goal=0.5 if many else 1.3,
        goal_for="lin",
        goal_of="cp + sync",
    )
    kept = [started(kind, folder) for kind in peers]
    for peer in kept:
        peer.take(source)
        peer.put()
    asked = [Contender(peer.name, _again(peer), many and peer.name in SLOW) for peer in kept]
    if many:
        tree, status = _status(folder, source)
        base = Contender("git status", status)
        yield Scenario(f"put {what} again, unchanged", [base, *asked], goal=1.5, goal_for="lin", goal_of="git status")
        changed = [Contender(peer.name, _touched(peer, source), peer.name in SLOW) for peer in kept]
        yield Scenario(
            f"put {what} again, one of them changed", [base, *changed], goal=1.5, goal_for="lin", goal_of="git status"
        )
        remove(tree)
    else:
        base = Contender("lin version", lambda: command(LIN, "version", cwd=folder.path))
        yield Scenario(f"put {what} again, unchanged", [base, *asked], goal=1.2, goal_for="lin", goal_of="lin version")
    getting = [
        Contender(peer.name, _got(peer, folder), many and peer.name in SLOW)
        for peer in kept
        if type(peer).get is not Peer.get
    ]
    yield Scenario(f"get {what}", [plainly, copying, *getting], goal=1.5 if many else 1.2, goal_for="lin", goal_of="cp")
    for peer in kept:
        remove(peer.folder)
    remove(source)


def _second(kind: type[Peer], folder: Folder, old: Path, new: Path) -> Callable[[], Sample]:
    def run() -> Sample:
        peer = started(kind, folder)
        try:
            peer.take(old)
            peer.put()
            peer.take(new)
            before = peer.size()
            return replace(peer.put(), added=peer.size() - before)
        finally:
            remove(peer.folder)

    return run


def _alone(folder: Folder, new: Path) -> Callable[[], Sample]:
    def run() -> Sample:
        lin = Lin.fresh(folder.fresh("lin"))
        try:
            peer = LinPeer(lin.folder, new)
            before = peer.size()
            return replace(peer.put(), added=peer.size() - before)
        finally:
            remove(lin.folder)

    return run


def _versions(folder: Folder, size: int, peers: list[type[Peer]], runs: int) -> Iterator[Scenario]:
    for number, (what, make, length) in enumerate(kinds(size)):
        if size < VERSIONED and number not in SMOKED:
            continue
        place = folder.fresh("versions")
        try:
            old, new = make(place, length)
        except ImportError as error:
            print(f"not measured: {what}: {error}", flush=True)
            continue
        chosen = [kind for kind in peers if number == 2 or kind.name not in WHOLE]
        yield Scenario(
            f"put a second version: {what}",
            [
                Contender("lin, in an empty repository", _alone(folder, new)),
                *(Contender(kind.name, _second(kind, folder, old, new)) for kind in chosen),
            ],
            runs=runs,
        )
        remove(place)


def scenarios(folder: Folder, *, smoke: bool) -> Iterator[Scenario]:
    """Yield put and get of a large file and of many small ones, and second versions."""
    size, number = (1 << 24, 200) if smoke else (GIB, 10_000)
    words = "1 GiB" if size == GIB else f"{size >> 20} MiB"
    peers = []
    for kind in ALL:
        if kind is not LinPeer and smoke:
            continue
        if missing := kind.missing():
            print(f"not measured: {missing}", flush=True)
        else:
            peers.append(kind)
    yield from _pair(folder, large(folder.path / "large.bin", size), f"one file of {words}", peers)
    yield from _pair(folder, small(folder.path / "small", number), f"{number:,} small files", peers)
    yield from _versions(folder, 3_000_000 if smoke else VERSIONED, peers, 1)
