"""The stat cache: right or silent, whatever happens to files, clocks and its own file."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from lin.errors import StorageFullError
from lin.store import folder
from lin.store.blobs import BlobStore
from lin.store.digest import Digest
from lin.store.folder import put_path
from lin.store.statcache import RACY_NANOSECONDS, StatCache

DIGEST = Digest.of(b"1")


def later() -> int:
    """Be a clock that is an hour ahead, so that no file looks fresh."""
    return time.time_ns() + 3_600_000_000_000


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[StatCache]:
    cache = StatCache(tmp_path / "cache" / "files.sqlite", later)
    yield cache
    cache.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "f").write_bytes(b"1")
    return tmp_path / "f"


def remember(cache: StatCache, path: Path) -> None:
    cache.remember([(str(path), path.stat(), DIGEST)])


def test_answers_for_an_unchanged_file(cache: StatCache, path: Path, tmp_path: Path) -> None:
    """What was remembered is found, also by another object on the same file."""
    assert cache.find(str(path), path.stat()) is None
    remember(cache, path)
    assert cache.find(str(path), path.stat()) == DIGEST
    cache.close()
    with closing(StatCache(cache.path, later)) as other:
        assert other.find(str(path), path.stat()) == DIGEST
    assert cache.find(str(path), path.stat()) == DIGEST


def test_a_relative_path_is_the_same_file(cache: StatCache, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path may be written relative to the current folder."""
    remember(cache, path)
    monkeypatch.chdir(path.parent)
    assert cache.find("f", path.stat()) == DIGEST
    monkeypatch.chdir("/")
    assert cache.find("f", path.stat()) is None


def touch(path: Path) -> None:
    os.utime(path)


def write_same_size(path: Path) -> None:
    before = path.stat()
    path.write_bytes(b"2")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # only ctime tells


def write_longer(path: Path) -> None:
    path.write_bytes(b"22")


def put_another_there(path: Path) -> None:
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"2")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [touch, write_same_size, write_longer, put_another_there])
def test_is_silent_about_a_changed_file(cache: StatCache, path: Path, change: object) -> None:
    """Any change that the system shows, though size and modification time are the same, is noticed."""
    remember(cache, path)
    change(path)  # type: ignore[operator]
    assert cache.find(str(path), path.stat()) is None


@pytest.mark.parametrize("age", [0, RACY_NANOSECONDS - 1, -RACY_NANOSECONDS, -(10**15)])
def test_does_not_trust_a_fresh_file(path: Path, tmp_path: Path, age: int) -> None:
    """A file written to less than two seconds before, or in the future, is not remembered."""
    status = path.stat()
    newest = max(status.st_mtime_ns, status.st_ctime_ns)
    with closing(StatCache(tmp_path / "c", lambda: newest + age)) as cache:
        remember(cache, path)
        assert cache.find(str(path), path.stat()) is None


def test_a_fresh_file_replaces_what_was_remembered(path: Path, tmp_path: Path) -> None:
    """An entry that no longer fits is no answer, also when the new state is not remembered."""
    with closing(StatCache(tmp_path / "c", later)) as cache:
        remember(cache, path)
    write_longer(path)
    with closing(StatCache(tmp_path / "c")) as fresh:
        fresh.remember([(str(path), path.stat(), Digest.of(b"22"))])
        assert fresh.find(str(path), path.stat()) is None


def test_a_broken_file_is_made_anew(cache: StatCache, path: Path) -> None:
    """A cache file that is no database is replaced, and works from then on."""
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"this is no database" * 100)
    assert cache.find(str(path), path.stat()) is None
    remember(cache, path)
    assert cache.find(str(path), path.stat()) == DIGEST


def test_another_version_is_made_anew(cache: StatCache, path: Path) -> None:
    """A cache of another version of lin is emptied."""
    remember(cache, path)
    cache.close()
    with sqlite3.connect(cache.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert cache.find(str(path), path.stat()) is None


def test_a_wrong_digest_in_it_is_no_answer(cache: StatCache, path: Path) -> None:
    """A row whose digest is not 32 bytes is no answer."""
    remember(cache, path)
    with sqlite3.connect(cache.path, isolation_level=None) as connection:
        connection.execute("UPDATE file SET digest = x'00'")
    connection.close()
    assert cache.find(str(path), path.stat()) is None


def test_a_place_where_it_cannot_be(path: Path) -> None:
    """Where there can be no file, it is silent, and nothing fails."""
    cache = StatCache(path / "below" / "a" / "file")
    remember(cache, path)
    assert cache.find(str(path), path.stat()) is None


def test_a_locked_file_is_done_without(cache: StatCache, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process holds the lock, remembering is given up, and finding works later."""
    remember(cache, path)
    cache._connection.execute("PRAGMA busy_timeout = 0")  # type: ignore[union-attr]
    other = sqlite3.connect(cache.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    write_longer(path)
    remember(cache, path)
    other.execute("ROLLBACK")
    other.close()
    assert cache.find(str(path), path.stat()) is None
    remember(cache, path)
    assert cache.find(str(path), path.stat()) == DIGEST


def test_several_threads(cache: StatCache, tmp_path: Path) -> None:
    """Threads may ask and tell at once."""
    paths = [tmp_path / f"{number}" for number in range(50)]
    for path in paths:
        path.write_bytes(b"1")

    def work(path: Path) -> bool:
        remember(cache, path)
        return cache.find(str(path), path.stat()) == DIGEST

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, paths))


# ---------------------------------------------------------------------------- within a put


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record which files a put reads."""
    seen: list[str] = []
    alone, together = folder._open, folder._whole

    def spy_alone(path: str) -> object:
        seen.append(Path(path).name)
        return alone(path)

    def spy_together(path: str) -> object:
        seen.append(Path(path).name)
        return together(path)

    monkeypatch.setattr(folder, "_open", spy_alone)
    monkeypatch.setattr(folder, "_whole", spy_together)
    return seen


def test_an_unchanged_file_is_not_read(store: BlobStore, cache: StatCache, tmp_path: Path, reads: list[str]) -> None:
    """A second put reads only what changed, and says the same as one that reads everything."""
    (tmp_path / "d").mkdir()
    for name in "abc":
        (tmp_path / "d" / name).write_bytes(name.encode())
    first = put_path(store, tmp_path / "d", cache=cache)
    assert sorted(reads) == ["a", "b", "c"]
    reads.clear()
    assert put_path(store, tmp_path / "d", cache=cache) == first
    assert reads == []
    (tmp_path / "d" / "b").write_bytes(b"B")
    changed = put_path(store, tmp_path / "d", cache=cache)
    assert reads == ["b"]
    assert changed == put_path(store, tmp_path / "d") != first


def test_a_blob_that_is_gone_is_put_again(
    store: BlobStore, cache: StatCache, path: Path, reads: list[str], harm
) -> None:
    """The cache is not believed when the store lacks the blob, or its pack has another size."""
    digest = put_path(store, path, cache=cache).digest
    (file,) = harm.packs(store, digest)
    store.place.delete(file)
    put_path(store, path, cache=cache)
    assert store.read(digest) == b"1"
    (file,) = harm.packs(store, digest)
    harm.put(store, file, store.place.read(file) + b"2")
    put_path(store, path, cache=cache)
    assert store.read(digest) == b"1"
    assert reads == ["f"] * 3


def test_a_put_that_fails_teaches_nothing(
    store: BlobStore, cache: StatCache, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What did not become durable is not remembered."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(StorageFullError):
            put_path(store, path, cache=cache)
    assert cache.find(str(path), path.stat()) is None
