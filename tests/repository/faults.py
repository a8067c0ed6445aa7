"""Break one operation at each of its writing calls in turn, and print what every fault left behind.

Run as a script by `test_faults.py`: python faults.py FOLDER OPERATION. It is a process of its own, without threads, so
that it can fork one child that meets the fault and one that looks at what is left.

A *call* is one that changes files: open for writing, write, sync, rename, link, unlink, mkdir, and the begin and end of
each transaction of the caches. Three things happen there: the process is killed, with a write cut in half; the
disk fails once (EIO); the disk is full from then on (ENOSPC), after half of a write. Every call is killed at. Of
the other two, each is tried at every third call, at others each time the two take turns, unless `LIN_FAULTS=all`.
Syncing itself is left out, which here only takes time: what a power cut does is not what is tried.
"""

from __future__ import annotations

import builtins
import errno
import gc
import importlib
import io
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from lin.collecting import collect
from lin.errors import LinError, RepositoryNotFoundError, StorageFullError
from lin.lineage.index import catch_up
from lin.lineage.memory import MemoryGraph
from lin.lineage.testing import dump
from lin.repository import Repository
from lin.store import durable
from lin.store.packing import Packer

DAY = 86_400
WORKERS = min(4, os.cpu_count() or 1)
STRIDE = 1 if os.environ.get("LIN_FAULTS") == "all" else 3
KILL, EIO, FULL = "kill", "EIO", "ENOSPC"

# ------------------------------------------------------------------------ faults

_CREATES = frozenset({"open", "write", "pwrite", "mkdir", "link", "replace", "rename", "symlink", "fsync", "commit"})
"""Calls that need room."""


class Faults:
    """Count the calls of this process, and break one of them."""

    def __init__(self, kind: str, number: int) -> None:
        self.kind = kind
        self.number = number
        self.count = 0
        self.met: str | None = None
        self._lock = threading.Lock()

    def install(self) -> None:
        """Stand before every call of this process that changes files."""
        for name in ("write", "pwrite"):
            setattr(os, name, self._writing(name, getattr(os, name)))
        for name in ("replace", "rename", "link", "unlink", "remove", "mkdir", "rmdir", "symlink"):
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        for name in ("fsync", "fdatasync"):
            setattr(os, name, self._wrapped("fsync", lambda _: None))
        os.open = self._wrapped("open", os.open, lambda _, flags, *__, **___: bool(flags & (os.O_WRONLY | os.O_RDWR)))
        opened = self._wrapped("open", io.open, lambda _, mode="r", *__, **___: not {*"wax+"}.isdisjoint(mode))
        io.open = builtins.open = opened
        durable._syncfs = lambda: self._synced  # type: ignore[assignment]
        connect = sqlite3.connect

        def connected(*args: Any, factory: type[sqlite3.Connection] = sqlite3.Connection, **options: Any) -> Any:
            return connect(*args, factory=self._counting(factory), **options)

        sqlite3.connect = connected

    def _hits(self, call: str) -> bool:
        """Tell whether this call is the one."""
        with self._lock:
            self.count += 1
            if self.kind == FULL and call not in _CREATES:
                return False
            if self.kind == FULL and self.met is not None:
                return True
            if self.count != self.number:
                return False
            self.met = call
            return True

    def _break(self, *, text: str = "") -> None:
        if self.kind == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        code = errno.EIO if self.kind == EIO else errno.ENOSPC
        raise OSError(code, os.strerror(code) + text)

    def _wrapped(
        self, name: str, call: Callable[..., Any], counts: Callable[..., bool] = lambda *_, **__: True
    ) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            if counts(*args, **options) and self._hits(name):
                self._break()
            return call(*args, **options)

        return counted

    def _writing(self, name: str, call: Callable[..., int]) -> Callable[..., int]:
        def counted(descriptor: int, data: Any, *rest: Any) -> int:
            first = self.met is None
            if self._hits(name):
                if first:
                    half = call(descriptor, memoryview(data)[: len(data) // 2], *rest)
                    if self.kind == FULL and half:
                        return half
                self._break()
            return call(descriptor, data, *rest)

        return counted

    def _synced(self, _: int) -> int:
        if self._hits("fsync"):
            if self.kind != KILL:
                return -1
            self._break()
        return 0

    def _counting(self, factory: type[sqlite3.Connection]) -> type[sqlite3.Connection]:
        faults = self

        class Counted(factory):  # type: ignore[misc, valid-type]
            def execute(self, statement: str, *args: Any) -> Any:
                if statement.startswith(("BEGIN IMMEDIATE", "COMMIT")) and faults._hits("commit"):
                    if faults.kind == KILL:
                        faults._break()
                    full = faults.kind == FULL
                    error = sqlite3.OperationalError("database or disk is full" if full else "disk I/O error")
                    error.sqlite_errorcode = sqlite3.SQLITE_FULL if full else sqlite3.SQLITE_IOERR
                    raise error
                return super().execute(statement, *args)

        return Counted


# ------------------------------------------------------------------------ operations


@dataclass(frozen=True)
class Operation:
    """What is broken.

    Attributes:
        prepare: Makes what it starts from, in a folder.
        run: Does it.
        concerned: The repositories below the folder that it changes.
        finish: Ends what it leaves to be done, and returns what is wrong then.
    """

    prepare: Callable[[Path], None]
    run: Callable[[Path], object]
    concerned: tuple[str, ...] = ("one",)
    finish: Callable[[Path], Iterable[str]] | None = None


def noise(seed: object, size: int) -> bytes:
    return random.Random(str(seed)).randbytes(size)


SECRET = noise("secret", 3000)


def put(root: Path, path: str, data: bytes | None = None, repository: str = "one") -> None:
    if data is not None:
        (root / "work" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "work" / path).write_bytes(data)
    with Repository.open(root / repository) as opened:
        opened.put(root / "work" / path)


def begin(root: Path, *others: str) -> None:
    for name in ("one", *others):
        Repository.init(root / name).close()
    put(root, "first.bin", noise("first", 2000))


def table(edited: bool = False) -> bytes:
    rows = [f"{n},{n * 7919 % 99_991},{n % 7}" for n in range(20_000)]
    if edited:
        rows[100::500] = ["edited,0,0"] * len(rows[100::500])
    return "\n".join(rows).encode()


def before_folder(root: Path) -> None:
    begin(root)
    for number in range(12):
        path = root / "work" / "folder" / "sub" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(number, 50_000 if number == 3 else 300))
    (root / "work" / "folder" / "link").symlink_to("sub/1.bin")


def before_second(root: Path) -> None:
    begin(root)
    put(root, "table.csv", table())
    (root / "work" / "table.csv").write_bytes(table(edited=True))


def before_file(root: Path) -> None:
    begin(root)
    (root / "work" / "new.bin").write_bytes(noise("new", 300_000))


def before_collecting(root: Path) -> None:
    """Have a pack of which all may go, one of which half may go, and one of which nothing may."""
    begin(root)
    for name, parts in (("both", "ab"), ("half", "a")):
        for part in parts:
            path = root / "work" / name / part
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(noise(part, 2000))
    put(root, "both")
    put(root, "half")
    put(root, "gone.bin", SECRET)
    with Repository.open(root / "one") as repository:
        repository.remove("both")
        repository.remove("gone.bin")


def collected(root: Path, days: int) -> None:
    with Repository.open(root / "one") as repository:
        collect(repository, dry=False, trash=0, now=time.time() + days * DAY)


def without_secret(root: Path) -> Iterable[str]:
    """Say where bytes still are that had to go."""
    with Repository.open(root / "one") as repository:
        repository.place.sweep(0)  # type: ignore[attr-defined]
    for path in (root / "one").rglob("*"):
        if path.is_file() and SECRET[500:600] in path.read_bytes():
            yield f"the bytes are still in {path.name}"


def both_steps(root: Path) -> Iterable[str]:
    for days in (10, 20):
        collected(root, days)
    return without_secret(root)


def before_erasing(root: Path) -> None:
    """Have a folder that shares one file with another, beside what has nothing to do with it."""
    begin(root)
    for name, parts in (("kept", "ab"), ("gone", "b")):
        for part in parts:
            path = root / "work" / name / part
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(noise(part, 2000))
    (root / "work" / "gone" / "secret").write_bytes(SECRET)
    # The list that tells of its chunks lies in another pack than most of them.
    (root / "work" / "gone" / "large").write_bytes(SECRET + noise("large", 500_000))
    assert Packer.__init__.__kwdefaults__ is not None
    Packer.__init__.__kwdefaults__["limit"] = 100_000
    put(root, "gone")
    put(root, "kept")


def erase(root: Path) -> None:
    with Repository.open(root / "one") as repository:
        repository.erase("gone", reason="asked to")


def before_sharing(root: Path) -> None:
    begin(root, "two")
    with Repository.open(root / "one") as repository:
        repository.push(root / "two")
    put(root, "third.bin", noise("third", 4000), "two")
    put(root, "second.bin", noise("second", 300_000))
    with Repository.open(root / "one") as repository:
        repository.tag("second.bin", "best")


def push(root: Path) -> None:
    with Repository.open(root / "one") as repository:
        repository.push(root / "two")


def pull(root: Path) -> None:
    with Repository.open(root / "two") as repository:
        repository.pull(root / "one")


def before_mirror(root: Path) -> None:
    begin(root)
    put(root, "second.bin", noise("second", 300_000))


def before_mirror_again(root: Path) -> None:
    begin(root)
    mirror(root)
    put(root, "second.bin", noise("second", 300_000))


def mirror(root: Path) -> None:
    with Repository.open(root / "one") as repository:
        repository.mirror(root / "two")


OPERATIONS = {
    "put a file": Operation(before_file, lambda root: put(root, "new.bin")),
    "put a folder": Operation(before_folder, lambda root: put(root, "folder")),
    "put a second version": Operation(before_second, lambda root: put(root, "table.csv")),
    "gc, first step": Operation(before_collecting, lambda root: collected(root, 2), finish=both_steps),
    "gc, second step": Operation(
        lambda root: (before_collecting(root), collected(root, 2))[0],  # type: ignore[func-returns-value]
        lambda root: collected(root, 5),
        finish=both_steps,
    ),
    "erase": Operation(before_erasing, erase, finish=without_secret),
    "push": Operation(before_sharing, push, ("one", "two")),
    "pull": Operation(before_sharing, pull, ("one", "two")),
    "mirror": Operation(before_mirror, mirror, ("one", "two")),
    "mirror again": Operation(before_mirror_again, mirror, ("one", "two")),
}

# ------------------------------------------------------------------------ looking


def state(root: Path, name: str) -> dict[str, str] | None:
    """Return what a repository holds, read byte for byte; None where there is none.

    Raises:
        AssertionError: Something in it is not as it has to be.
    """
    try:
        repository = Repository.open(root / name)
    except RepositoryNotFoundError:
        return None
    with repository:
        report = repository.verify()
        assert report.ok, [f"{finding.kind} {finding.subject}: {finding.message}" for finding in report.findings]
        trash = {artifact.label for artifact in repository.trash()}
        held = {}
        for artifact in repository.artifacts().items:
            what = "trash" if artifact.label in trash else str(artifact.digest)
            if artifact.digest in report.erased or repository.resolve(str(artifact.digest)).erased:  # type: ignore[union-attr]
                what = "erased"
            held[artifact.label] = what
            if what not in {"trash", "erased"}:
                shutil.rmtree(root / "got", ignore_errors=True)
                (root / "got").mkdir()
                repository.get(artifact.label, root / "got" / "it")
        for alias in repository.aliases():
            held[alias.label] = ", ".join(artifact.label for artifact in alias.artifacts)
        rebuilt = MemoryGraph()
        catch_up(repository.journal, rebuilt)
        assert dump(repository.embedded) == dump(rebuilt), "the index is not what a rebuild makes"
        return held


def states(root: Path, operation: Operation) -> dict[str, Any]:
    return {name: state(root, name) for name in operation.concerned}


def in_child(work: Callable[[Callable[[Any], None]], None]) -> tuple[list[Any], int]:
    """Run something in a process of its own, and return what it said and how it ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        write = os.write
        try:
            work(lambda said: void(write(writer, json.dumps(said).encode() + b"\n")))
        except BaseException:  # noqa: BLE001 - told, and the child ends
            write(writer, json.dumps({"crash": traceback.format_exc()[-3000:]}).encode() + b"\n")
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as said:  # noqa: PTH123 - a descriptor
        lines = said.read().splitlines()
    _, status = os.waitpid(child, 0)
    return [json.loads(line) for line in lines], status


def void(_: object) -> None:
    pass


def one(  # noqa: C901, PLR0917 - one fault from its begin to its end
    root: Path, operation: Operation, kind: str, number: int, old: Any, new: Any
) -> dict[str, Any]:
    """Meet one fault, and look."""
    restore(root)

    def meet(say: Callable[[Any], None]) -> None:
        faults = Faults(kind, number)
        faults.install()
        said: dict[str, Any] = {"error": None}
        try:
            operation.run(root)
        except LinError as error:
            said["error"] = f"{type(error).__name__}: {error.message}"
            if kind == FULL and not isinstance(error, StorageFullError):
                said["unclear"] = traceback.format_exc()[-3000:]
        say({**said, "met": faults.met, "count": faults.count})

    said, status = in_child(meet)
    killed = os.WIFSIGNALED(status)
    found: dict[str, Any] = {"kind": kind, "number": number, "killed": killed, "problems": []}
    answer = said[0] if said else {}
    found.update(answer)
    for word in ("crash", "unclear"):
        if word in answer:
            found["problems"].append(f"{word}: {answer[word]}")
    acknowledged = bool(said) and "error" in answer and answer["error"] is None

    def look(say: Callable[[Any], None]) -> None:
        if number % 2:
            shutil.rmtree(root / "cache", ignore_errors=True)  # as another machine sees it
        problems = []
        for name, now in states(root, operation).items():
            if now not in ((new[name],) if acknowledged else (old[name], new[name])):
                problems.append(f"{name} is neither as before nor as after: {now}")
        say(problems)

    def again(say: Callable[[Any], None]) -> None:
        operation.run(root)
        after = states(root, operation)
        problems = [] if after == new else [f"after another try: {after}"]
        if operation.finish is not None:
            problems += operation.finish(root)
            if (later := states(root, operation)) != new:
                problems.append(f"in the end: {later}")
        say(problems)

    for step in (look, again):
        said, _ = in_child(step)
        for problem in said or ["nothing was said"]:
            found["problems"] += [problem["crash"]] if isinstance(problem, dict) else problem
    return found


def restore(root: Path) -> None:
    for name in ("one", "two", "cache", "config", "work", "got"):
        shutil.rmtree(root / name, ignore_errors=True)
    shutil.copytree(root / "template", root, symlinks=True, dirs_exist_ok=True)


def part(root: Path, operation: Operation, which: int, say: Callable[[Any], None]) -> None:  # noqa: C901 - in order
    """Do every `WORKERS`-th fault, in a folder of its own."""
    root.mkdir()
    for name, value in {"HOME": "home", "LIN_CONFIG": "config", "LIN_CACHE": "cache"}.items():
        os.environ[name] = str(root / value)
    os.environ["LIN_TABLES"] = "off"
    durable._syncfs = lambda: lambda _: 0  # type: ignore[assignment]
    os.fsync = os.fdatasync = void  # type: ignore[assignment]
    crashes, _ = in_child(lambda _: operation.prepare(root))
    assert not crashes, crashes[0]["crash"]
    names = [name for name in ("one", "two", "cache", "config", "work") if (root / name).exists()]
    for name in names:
        shutil.copytree(root / name, root / "template" / name, symlinks=True)

    def measure(tell: Callable[[Any], None]) -> None:
        old = states(root, operation)
        faults = Faults(EIO, 0)
        restore(root)

        def count(tell_count: Callable[[Any], None]) -> None:
            faults.install()
            operation.run(root)
            tell_count(faults.count)

        (counted,), _ = in_child(count)
        new = states(root, operation)
        if operation.finish is not None:
            list(operation.finish(root))
        tell([old, new, counted, [name for name in sys.modules if not name.startswith("_")]])

    (measured,), _ = in_child(measure)
    assert isinstance(measured, list), measured["crash"]
    old, new, count, modules = measured
    for name in modules:  # once, rather than in each child
        if name not in sys.modules:
            importlib.import_module(name)
    gc.freeze()  # children then share what is imported
    say({"count": count, "changed": old != new})
    for number in range(1 + which, count + 1, WORKERS):
        say(one(root, operation, KILL, number, old, new))
    for turn, kind in enumerate((EIO, FULL)):
        chosen = range(1 + turn % STRIDE, count + 1, STRIDE)
        for number in chosen[which::WORKERS]:
            say(one(root, operation, kind, number, old, new))


def main() -> None:
    """Do all faults of an operation, and print one line of JSON for each."""
    folder, operation = Path(sys.argv[1]), OPERATIONS[sys.argv[2]]
    children = []
    for which in range(WORKERS):
        child = os.fork()
        if not child:
            with (folder / f"said.{which}").open("w") as said:

                def say(line: Any, to: TextIO = said) -> None:
                    to.write(json.dumps(line) + "\n")

                try:
                    part(folder / f"w{which}", operation, which, say)
                except BaseException:  # noqa: BLE001 - told below
                    say({"problems": [traceback.format_exc()]})
            os._exit(0)
        children.append(child)
    for which, child in enumerate(children):
        os.waitpid(child, 0)
        print((folder / f"said.{which}").read_text(), end="")  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
