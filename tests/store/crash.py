"""Put, and be killed (SIGKILL) before the n-th call of the system, for every n; print what each kill left.

Run as a script by `test_crash.py`: python crash.py FOLDER. It is a process of its own, without threads, so
that it can fork one child for each kill.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lin.store import durable
from lin.store.blobs import BlobStore
from lin.store.digest import Digest
from lin.store.folder import put_path
from lin.store.local import LocalPlace
from lin.store.testing import pattern

PATCHED = ("open", "write", "fsync", "close", "replace", "link", "mkdir", "unlink")


def work(root: Path, source: Path, acknowledge: Callable[[str], None]) -> None:
    """Put blobs, files and a folder, and say what has been acknowledged."""
    place = LocalPlace(root)
    store = BlobStore(place)
    place.create("lin.json", b"{}")
    acknowledge("create")
    for data in (b"small", pattern(1_200_000)):
        digest, _ = store.put_stream(io.BytesIO(data))
        acknowledge(str(digest))
    place.replace("log/checkpoint", b"1" * 100)
    acknowledge("replace 1")
    place.replace("log/checkpoint", b"2" * 200)
    acknowledge("replace 2")
    acknowledge(str(put_path(store, source).digest))


def kill_at(number: int) -> None:
    """Let this process die before its `number`-th call; a write is cut in half."""
    count = 0

    def wrap(call: Callable[..., Any], *, halve: bool) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                if halve:
                    call(args[0], args[1][: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return counted

    for name in PATCHED:
        setattr(os, name, wrap(getattr(os, name), halve=name == "write"))
    durable._sync_file_system = wrap(durable._sync_file_system, halve=False)


def one(number: int, folder: Path, source: Path) -> dict[str, Any]:
    """Fork, work, die; look at what is left."""
    root = folder / f"r{number}"
    acknowledged = os.open(folder / f"a{number}", os.O_WRONLY | os.O_CREAT)
    write = os.write
    child = os.fork()
    if not child:
        kill_at(number)
        work(root, source, lambda text: void(write(acknowledged, text.encode() + b"\n")))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    os.close(acknowledged)
    place = LocalPlace(root)
    store = BlobStore(place)
    lines = (folder / f"a{number}").read_text().splitlines()
    problems = []
    for line in lines:
        if line.startswith("b3:"):
            store.verify(Digest.parse(line))
    for digest, _ in store.list():  # what was not acknowledged is whole too, or not there
        store.verify(digest)
    if "create" in lines and place.read("lin.json") != b"{}":
        problems.append("lin.json")
    found = place.read("log/checkpoint") if place.size("log/checkpoint") is not None else b""
    allowed = {b"2" * 200} if "replace 2" in lines else {b"1" * 100, b"2" * 200}
    if found not in (allowed if "replace 1" in lines else {b"", *allowed}):
        problems.append(f"checkpoint {found!r}")
    unexpected = {info.name.split("/")[0] for info in place.list()} - {"lin.json", "objects", "log"}
    # The next put finishes the work, whatever was left.
    stored = put_path(store, source)
    store.verify(stored.digest)
    left = len(place.leftovers(0))
    place.sweep(0)
    return {
        "killed": os.WIFSIGNALED(status),
        "acknowledged": len(lines),
        "problems": problems,
        "unexpected": sorted(unexpected),
        "leftovers": left,
    }


def void(_: object) -> None:
    pass


def main() -> None:
    """Kill at every call until the work comes to its end."""
    folder = Path(sys.argv[1])
    source = folder / "source"
    (source / "sub").mkdir(parents=True)
    for number in range(12):
        (source / "sub" / f"{number}.csv").write_bytes(b"%d" % number)
    (source / "link").symlink_to("sub/1.csv")
    results: list[dict[str, Any]] = []
    while not results or results[-1]["killed"]:
        results.append(one(len(results) + 1, folder, source))
    print(json.dumps(results))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
