"""Blobs: what goes in comes out, and nothing that is wrong ever does."""

from __future__ import annotations

import io
import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lin.errors import BackendError, BlobNotFoundError, CorruptBlobError, StorageFullError
from lin.store.blobs import BlobStore
from lin.store.catalogue import Record
from lin.store.digest import Digest
from lin.store.local import LocalPlace
from lin.store.pump import PIECE
from lin.store.testing import INTERESTING_SIZES, pattern

LARGE = 3 * PIECE + 17


@pytest.fixture(params=["local", "memory", "s3"])
def any_store(request: pytest.FixtureRequest) -> BlobStore:
    return BlobStore(request.getfixturevalue(request.param))


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time and has only `read`."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 100_003))

    readinto = None  # type: ignore[assignment]


@pytest.mark.parametrize("size", INTERESTING_SIZES)
def test_gives_back_what_was_put(store: BlobStore, size: int) -> None:
    """Bytes of every interesting size come back by every way of reading, under the digest of the whole."""
    data = pattern(size)
    digest, found = store.put_stream(io.BytesIO(data))
    assert (digest, found) == (Digest.of(data), size)
    assert store.read(digest) == data
    assert b"".join(store.stream(digest)) == data
    with store.open(digest) as file:
        assert file.read(7) == data[:7]
        file.seek(size // 2)
        assert file.read() == data[size // 2 :]
    store.verify(digest)
    assert store.size(digest) == size
    assert list(store.list()) == [(digest, size)]


def test_every_place(any_store: BlobStore) -> None:
    """Small and large blobs are put, found, read and listed on every kind of place."""
    wanted = {}
    for size in (0, 10, LARGE, 9 * PIECE):
        data = pattern(size)
        digest, found = any_store.put_stream(Trickle(data))
        wanted[digest] = size
        assert found == size
        assert any_store.has(digest)
        assert any_store.read(digest) == data
        any_store.verify(digest)
        with any_store.open(digest) as file:
            file.seek(size // 2)
            assert file.read() == data[size // 2 :]
    assert any_store.put_bytes(b"small") == Digest.of(b"small")
    wanted[Digest.of(b"small")] = 5
    assert dict(any_store.list()) == wanted


def test_absent(any_store: BlobStore) -> None:
    """A blob that is not there is a `BlobNotFoundError` that names it, and `has` says no."""
    digest = Digest.of(b"absent")
    assert not any_store.has(digest)
    for ask in (any_store.size, any_store.open, any_store.read, any_store.verify):
        with pytest.raises(BlobNotFoundError, match=str(digest)):
            ask(digest)
    with pytest.raises(BlobNotFoundError):
        next(any_store.stream(digest))


def assert_found_out(store: BlobStore, digest: Digest) -> None:
    for ask in (store.open, store.read, store.verify):
        with pytest.raises(CorruptBlobError, match=str(digest)):
            ask(digest)
    # Before the first byte: next() raises, so nothing was handed out.
    with pytest.raises(CorruptBlobError):
        next(store.stream(digest))
    with pytest.raises(CorruptBlobError), store.open_at(digest) as file:
        file.read()


def noise(size: int) -> bytes:
    """Return bytes that cannot be compressed, always the same."""
    return random.Random(size).randbytes(size)


def test_a_flipped_bit_in_any_byte_is_found(store: BlobStore, harm) -> None:
    """Of a small blob, every byte and every bit of it matters, as it is and compressed."""
    for data in (b"0123456789abcdef", b"0123456789abcdef" * 20):
        digest = store.put_bytes(data)
        (file,) = harm.packs(store, digest)
        stored = store.catalogue.find(digest.value)[0].entry.stored
        assert (stored < len(data)) == (len(data) > 16)
        for position in range(stored):
            for bit in range(8):
                harm.flip(store, file, position, bit)
                assert_found_out(store, digest)
                harm.flip(store, file, position, bit)
        assert store.read(digest) == data


@pytest.mark.parametrize("make", [noise, pattern], ids=["raw", "compressed"])
def test_a_flipped_bit_in_a_large_blob_is_found(any_store: BlobStore, harm, make: Callable[[int], bytes]) -> None:
    """First byte, last byte, and in between, on every place."""
    digest, _ = any_store.put_stream(io.BytesIO(make(LARGE)))
    (file,) = harm.packs(any_store, digest)
    records = sum(record.entry.stored for record in _records(any_store, file))
    for position in (0, 1, records // 3, records // 2, records - 1):
        harm.flip(any_store, file, position, 4)
        assert_found_out(any_store, digest)
        harm.flip(any_store, file, position, 4)
    any_store.verify(digest)


def test_lost_and_added_bytes_are_found(any_store: BlobStore, harm) -> None:
    """A pack that was cut short or added to is told of, and what is left of it is never taken for the whole."""
    for size in (10, LARGE):
        digest, _ = any_store.put_stream(io.BytesIO(noise(size)))
        (file,) = harm.packs(any_store, digest)
        good = any_store.place.read(file)
        for wrong in (b"", good[: size - 1]):
            harm.put(any_store, file, wrong)
            assert_found_out(any_store, digest)
            assert [problem.name for problem in any_store.check()] == [file]
        harm.put(any_store, file, good + b"\0")
        assert [problem.name for problem in any_store.check()] == [file]
        harm.put(any_store, file, good)
        assert list(any_store.check()) == []


def test_a_new_reader_of_a_pack_that_is_cut_short(any_store: BlobStore, harm) -> None:
    """Whoever never saw the pack whole does not know what was in it, and says which pack is damaged."""
    digest, _ = any_store.put_stream(io.BytesIO(noise(LARGE)))
    (file,) = harm.packs(any_store, digest)
    for wrong in (b"", any_store.place.read(file)[:-1]):
        harm.put(any_store, file, wrong)
        fresh = BlobStore(any_store.place)
        assert not fresh.has(digest)
        with pytest.raises(BlobNotFoundError, match=str(digest)) as caught:
            fresh.read(digest)
        assert file.rpartition("/")[2][:12] in caught.value.hint


def test_putting_again_mends_a_wrong_size(any_store: BlobStore, harm) -> None:
    """A blob whose pack's size shows that it is damaged is written anew by a put of the right bytes."""
    for size in (10, LARGE):
        data = noise(size)
        digest, _ = any_store.put_stream(io.BytesIO(data))
        (file,) = harm.packs(any_store, digest)
        harm.put(any_store, file, any_store.place.read(file)[:-1])
        any_store.put_stream(io.BytesIO(data))
        assert any_store.read(digest) == data
        assert BlobStore(any_store.place).read(digest) == data
        for each in harm.packs(any_store, digest):
            harm.put(any_store, each, any_store.place.read(each)[:-1])
        with any_store.writer() as writer:
            assert not writer.has(digest, size)
            writer.put_stream(io.BytesIO(data))
        assert any_store.read(digest) == data


def test_rewriting_mends_a_wrong_byte(any_store: BlobStore, harm) -> None:
    """With `rewrite` a blob is written even if it is there with the right size."""
    for size in (10, LARGE):
        data = noise(size)
        digest, _ = any_store.put_stream(io.BytesIO(data))
        harm.spoil(any_store, digest)
        any_store.put_stream(io.BytesIO(data), rewrite=True)
        assert any_store.read(digest) == data
        assert BlobStore(any_store.place).read(digest) == data


@pytest.mark.parametrize("size", [10, LARGE])
def test_what_is_there_is_not_written_again(store: BlobStore, local: LocalPlace, size: int) -> None:
    """The second put of equal bytes writes no file, and touches none."""
    data = pattern(size)

    def files() -> set[tuple[str, int, int]]:
        paths = [local.path(info.name) for info in local.list()]
        return {(str(path), path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}

    store.put_stream(io.BytesIO(data))
    before = files()
    store.put_stream(io.BytesIO(data))
    store.put_bytes(data)
    with store.writer() as writer:
        writer.put_stream(io.BytesIO(data))
    BlobStore(local).put_stream(io.BytesIO(data))
    assert files() == before


def _records(store: BlobStore, file: str) -> list[Record]:
    name = file.rpartition("/")[2]
    return [Record(name, entry) for entry in store.catalogue.records(name)]


def test_a_writer_keeps_many(any_store: BlobStore) -> None:
    """A write session keeps small and large blobs, equal ones once, and all are there at its end."""
    datas = [b"%d" % (number % 20) for number in range(40)] + [pattern(LARGE)] * 2
    with any_store.writer() as writer:
        digests = [writer.put_stream(io.BytesIO(data))[0] for data in datas]
        assert writer.has(digests[0], 1)
        assert digests[0] == writer.put_bytes(b"0")
    assert [any_store.read(digest) for digest in digests] == datas
    assert len(list(any_store.list())) == 21


def test_a_broken_stream_leaves_nothing(store: BlobStore, local: LocalPlace) -> None:
    """When the bytes stop coming by an error, it is told as lin's, and nothing half-written stays."""

    class Breaking(io.BytesIO):
        name = "breaking.csv"

        def readinto(self, buffer: Any) -> int:
            if self.tell() > 2 * PIECE:
                raise OSError(5, "Input/output error")
            return super().readinto(buffer)

    with pytest.raises(BackendError, match=r"cannot read breaking\.csv: Input/output error"):
        store.put_stream(Breaking(pattern(LARGE)))
    assert list(local.list()) == []
    assert local.leftovers(0) == ()


@pytest.mark.parametrize("size", [10, LARGE])
def test_a_full_disk_leaves_nothing(
    store: BlobStore, local: LocalPlace, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When there is no room, the put is refused with the way out, what was there stays, and nothing else does."""
    earlier = store.put_bytes(b"earlier")
    write = os.write

    def full(descriptor: int, data: memoryview) -> int:
        if len(data) < size or size == 10:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageFullError, match="No space left") as caught:
        store.put_stream(io.BytesIO(pattern(size)))
    assert "room" in caught.value.hint
    monkeypatch.undo()
    assert [digest for digest, _ in store.list()] == [earlier]
    assert store.read(earlier) == b"earlier"
    assert local.leftovers(0) == ()


def test_tells_how_far_it_is(store: BlobStore) -> None:
    """Progress starts below the end, never goes back, and ends with everything."""
    told: list[tuple[int, int | None, int, int | None]] = []
    store.put_stream(io.BytesIO(pattern(LARGE)), lambda *numbers: told.append(numbers))
    assert told[-1] == (LARGE, None, 1, 1)
    assert told == sorted(told)
    assert told[0][0] < LARGE


def test_other_files_are_no_blobs(store: BlobStore, local: LocalPlace) -> None:
    """What lies in `objects/` under another kind of name is not listed as a blob."""
    for name in ("objects/README", "objects/aa/short", "objects/AA/" + "0" * 62, "objects/aa/bb/" + "0" * 59):
        local.replace(name, b"x")
    for name in ("objects/packs/short", "objects/packs/" + "A" * 64, "objects/packs/a/" + "0" * 62, "objects/index/x"):
        local.replace(name, b"x")
    assert list(store.list()) == []


def _put_all(root: Path, start: Any) -> None:
    store = BlobStore(LocalPlace(root))
    start.wait()
    for round_ in range(3):
        for size in (0, 100, LARGE):
            store.put_stream(io.BytesIO(pattern(size)))
        with store.writer() as writer:
            for number in range(30):
                writer.put_stream(io.BytesIO(b"%d %d" % (round_, number)))


def test_eight_processes_put_the_same(store: BlobStore, local: LocalPlace) -> None:
    """Eight processes that put the same content at once all succeed, and every blob is there once and right."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(8)
    processes = [context.Process(target=_put_all, args=(local.root, start)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    found = list(store.list())
    assert len(found) == 93
    for digest, _ in found:
        store.verify(digest)
    assert local.leftovers(0) == ()


def test_a_forked_process_can_put(store: BlobStore) -> None:
    """A process forked after large puts can do large puts itself: no thread is waited for that is not there."""
    store.put_stream(io.BytesIO(pattern(LARGE)))
    data = b"x" + pattern(LARGE)
    child = os.fork()
    if not child:
        status = 1
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(60)  # a child that waits for ever fails the test instead
        try:
            store.put_stream(io.BytesIO(data))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert store.read(Digest.of(data)) == data
