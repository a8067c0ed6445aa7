"""A folder as a place: durable in the right order, harmless after a crash, and clear about what failed."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lin.errors import (
    BackendError,
    ConflictError,
    LinError,
    NotFoundError,
    PermissionDeniedError,
    ReadOnlyError,
    StorageFullError,
)
from lin.store import durable
from lin.store.local import LocalPlace


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Record what is synced and moved, with the last part of its path."""
    seen: list[tuple[str, str]] = []
    fsync, replace, link = os.fsync, os.replace, os.link

    def name(path: str) -> str:
        return "part" if Path(path).name.startswith("part-") else Path(path).name

    def spy_fsync(descriptor: int) -> None:
        seen.append(("sync", name(str(Path(f"/proc/self/fd/{descriptor}").readlink()))))
        fsync(descriptor)

    def spy_replace(source: str, target: str) -> None:
        seen.append(("move", name(target)))
        replace(source, target)

    def spy_link(source: str, target: str) -> None:
        seen.append(("link", name(target)))
        link(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "replace", spy_replace)
    monkeypatch.setattr(os, "link", spy_link)
    return seen


linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at /proc")


@linux
def test_an_upload_is_synced_before_it_is_shown(local: LocalPlace, calls: list[tuple[str, str]]) -> None:
    """Bytes first, then the new folders, then the name, then the folder that holds it."""
    with local.upload() as upload:
        upload.write(b"x")
        calls.clear()
        upload.commit("objects/aa")
    assert calls[0] == ("sync", "part")
    assert calls[-2:] == [("move", "aa"), ("sync", "objects")]
    assert ("sync", "repository") in calls[1:-2]


@linux
def test_a_folder_that_another_just_made_is_synced(local: LocalPlace, calls: list[tuple[str, str]]) -> None:
    """A folder that another process made a moment ago may not be durable yet, so the folder above it is synced."""
    local.replace("objects/aa/1", b"x")
    calls.clear()
    local.replace("objects/aa/2", b"x")
    assert calls == [("sync", "part"), ("sync", "objects"), ("move", "2"), ("sync", "aa")]


@linux
def test_create_is_synced_before_it_is_shown(local: LocalPlace, calls: list[tuple[str, str]]) -> None:
    """An exclusive file too: bytes, name, folder."""
    local.create("first", b"")
    calls.clear()
    local.create("second", b"x")
    kept = [call for call in calls if call != ("sync", local.root.parent.name)]
    assert kept == [("sync", "part"), ("link", "second"), ("sync", "repository")]


@linux
def test_a_small_batch_syncs_files_then_folders(
    local: LocalPlace, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a batch no name is shown before all bytes are synced, and every folder is synced once at the end."""
    local.replace("log/x", b"")
    calls.clear()
    with local.batch() as batch:
        for number in range(3):
            batch.replace(f"log/{number}", b"x")
    moves = [index for index, (what, _) in enumerate(calls) if what == "move"]
    assert calls[: moves[0]].count(("sync", "part")) == 3
    assert [calls[index] for index in moves] == [("move", str(number)) for number in range(3)]
    assert calls[moves[-1] :].count(("sync", "log")) == 1
    assert ("sync", "part") not in calls[moves[0] :]


@pytest.mark.skipif(durable._syncfs() is None, reason="the system has no syncfs")
def test_a_large_batch_syncs_the_file_system_twice(local: LocalPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of files cost two syncs: one before the first name is shown and one after the last."""
    order: list[str] = []
    sync, replace = durable._sync_file_system, os.replace

    def spy_sync(path: str) -> bool:
        order.append("sync")
        return sync(path)

    def spy_replace(source: str, target: str) -> None:
        order.append("move")
        replace(source, target)

    monkeypatch.setattr(durable, "_sync_file_system", spy_sync)
    monkeypatch.setattr(os, "replace", spy_replace)
    monkeypatch.setattr(os, "fsync", lambda descriptor: order.append("fsync"))
    with local.batch() as batch:
        for number in range(300):
            batch.replace(f"objects/{number % 50}/{number}", b"x")
    moves = [index for index, what in enumerate(order) if what == "move"]
    assert len(moves) == 300
    assert order[moves[0] - 1] == "sync"
    assert order[moves[-1] + 1 :] == ["sync"]
    assert order.count("sync") == 2


def test_without_syncfs_every_file_is_synced(local: LocalPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system cannot sync a whole file system, each file and folder of a batch is synced."""
    count = 0
    fsync = os.fsync

    def counting(descriptor: int) -> None:
        nonlocal count
        count += 1
        fsync(descriptor)

    monkeypatch.setattr(durable, "_syncfs", lambda: None)
    monkeypatch.setattr(os, "fsync", counting)
    with local.batch() as batch:
        for number in range(20):
            batch.replace(f"objects/{number}", b"x")
    assert count >= 21
    assert len(list(local.list("objects"))) == 20


@linux
def test_confirm_makes_a_new_file_durable(local: LocalPlace, calls: list[tuple[str, str]]) -> None:
    """A file that another process just showed is synced before it is vouched for; an old one is not."""
    local.replace("log/x", b"1")
    calls.clear()
    assert local.confirm("log/x") == 1
    assert calls == [("sync", "log")]
    calls.clear()
    with pytest.MonkeyPatch.context() as patch:
        now = time.time()
        patch.setattr(time, "time", lambda: now + 3600)
        assert local.confirm("log/x") == 1
    assert calls == []


def test_leftovers_are_told_and_swept(local: LocalPlace) -> None:
    """What a killed process left under `tmp/` is listed and removed, when it is old; other files there stay."""
    local.replace("a", b"1")
    assert local.leftovers() == ()
    old, new, other = (local.root / "tmp" / name for name in ("part-1-a", "part-2-b", "log.lock"))
    for path in (old, new, other):
        path.write_bytes(b"12345")
    for path in (old, other):
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    assert [info.name for info in local.leftovers()] == ["tmp/part-1-a"]
    assert local.sweep() == 5
    assert not old.exists()
    assert new.exists()
    assert other.exists()
    assert [info.name for info in local.list()] == ["a"]
    assert local.sweep(older_than_seconds=0) == 5


def test_leftovers_of_a_place_that_is_not_there(tmp_path: Path) -> None:
    """A place that was never written to has none."""
    assert LocalPlace(tmp_path / "no").leftovers(0) == ()


def test_exclusion_without_hard_links(local: LocalPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without hard links a create is still exclusive and whole."""

    def refuse(source: str, target: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    local.create("a", b"1")
    with pytest.raises(ConflictError):
        local.create("a", b"2")
    assert local.read("a") == b"1"
    assert local.leftovers(0) == ()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, StorageFullError),
        (errno.EDQUOT, StorageFullError),
        (errno.EACCES, PermissionDeniedError),
        (errno.EPERM, PermissionDeniedError),
        (errno.EROFS, ReadOnlyError),
        (errno.EIO, BackendError),
    ],
    ids=errno.errorcode.get,
)
@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_each_failure_of_a_write_is_told_as_what_it_is(
    local: LocalPlace, monkeypatch: pytest.MonkeyPatch, call: str, code: int, kind: type[LinError]
) -> None:
    """Whichever step of a write fails, its error says what to do, chains the cause, and leaves nothing."""
    local.replace("before", b"1")

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    writes: list[Callable[[], None]] = [lambda: local.replace("b/a", b"x")]

    def in_batch() -> None:
        with local.batch() as batch:
            batch.replace("b/b", b"x")

    writes.append(in_batch)
    for write in writes:
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(kind, match=os.strerror(code)) as caught:
                write()
        assert type(caught.value) is kind
        assert isinstance(caught.value.__cause__, OSError)
    assert [info.name for info in local.list()] == ["before"]
    assert local.leftovers(0) == ()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    """A folder that may not be written to is a `PermissionDeniedError`."""
    (tmp_path / "r").mkdir(mode=0o500)
    with pytest.raises(PermissionDeniedError):
        LocalPlace(tmp_path / "r" / "repository").replace("a", b"x")


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    """A place at a file's path holds nothing, and says so when it is written to."""
    (tmp_path / "f").write_bytes(b"")
    place = LocalPlace(tmp_path / "f")
    assert list(place.list()) == []
    assert place.size("a") is None
    with pytest.raises(LinError, match="f"):
        place.replace("a", b"x")


def test_nothing_is_made_before_the_first_write(tmp_path: Path) -> None:
    """Looking at a place that is not there makes no folder."""
    place = LocalPlace(tmp_path / "no")
    with pytest.raises(NotFoundError):
        place.read("a")
    assert list(place.list()) == []
    assert not (tmp_path / "no").exists()


def test_a_folder_taken_away_meanwhile_is_made_again(local: LocalPlace) -> None:
    """A place goes on working when its empty folders were tidied away."""
    local.replace("a/b", b"1")
    local.delete("a/b")
    (local.root / "a").rmdir()
    (local.root / "tmp").rmdir()
    local.replace("a/b", b"2")
    assert local.read("a/b") == b"2"
