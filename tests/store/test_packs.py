"""Packs: what lies in them is found by everyone, survives upkeep beside writers, and is never taken on trust."""

from __future__ import annotations

import contextlib
import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from lin.errors import BlobNotFoundError, CorruptBlobError, CorruptContentError, UnsupportedFormatError
from lin.store import bundle, lists, zstd
from lin.store.blobs import BlobStore
from lin.store.digest import Digest
from lin.store.local import LocalPlace
from lin.store.pack import ENTRY_SIZE, TRAILER_SIZE, Coding, Entry, Kind, make_table, pack_file
from lin.store.packs import Packs
from lin.store.place import Place
from lin.store.testing import pattern


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(size + seed).randbytes(size)


@pytest.fixture(params=["local", "memory", "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


def put(store: BlobStore, data: bytes) -> Digest:
    return store.put_stream(io.BytesIO(data))[0]


def packs_of(store: BlobStore, digest: Digest) -> set[str]:
    return {record.pack for part, _ in store.upkeep.reach([digest]) for record in store.catalogue.find(part)}


def write_pack(place: Place, records: list[tuple[bytes, int, bytes, Kind, int]], salt: bytes = bytes(16)) -> str:
    """Write a pack of any records: digest, size, stored bytes, kind and coding."""
    entries, offset = [], 0
    for digest, size, stored, kind, coding in records:
        check = Digest.of(stored).value[:8]
        entries.append(Entry(digest, size, check, len(stored), kind, coding, 0, offset))
        offset += len(stored)
    table = make_table(entries, salt)
    place.replace(pack_file(table.name), b"".join(stored for _, _, stored, _, _ in records) + table.tail)
    return table.name


# ---------------------------------------------------------------------------- sharing


def test_versions_of_a_large_blob_share_what_did_not_change(store: BlobStore, local: LocalPlace) -> None:
    """An edit in the middle, bytes put in front and bytes added behind cost a few chunks, not the blob."""
    data = noise(20_000_000)
    put(store, data)
    before = sum(info.size for info in local.list("objects"))
    for changed in (
        data[:9_000_000] + b"edited" + data[9_000_006:],
        b"in front" + data,
        data + b"behind",
        data[:5_000_000] + data[5_100_000:],
    ):
        digest = put(store, changed)
        assert store.read(digest) == changed
    after = sum(info.size for info in local.list("objects"))
    assert after - before < 4 * 3 * 524_288


def test_equal_chunks_within_a_blob_are_kept_once(store: BlobStore, local: LocalPlace) -> None:
    """Zeros, and a blob that holds the same megabytes twice."""
    part = noise(3_000_000)
    digest = put(store, part + part + bytes(5_000_000) + part)
    assert store.size(digest) == 14_000_000
    assert sum(info.size for info in local.list("objects")) < 4_500_000
    assert store.read(digest) == part + part + bytes(5_000_000) + part


def test_a_chunk_becomes_a_blob_only_when_it_is_put(store: BlobStore) -> None:
    """Bytes that are part of another blob are no blob; put by themselves, they are one that costs a list."""
    whole = noise(2_000_000)
    digest = put(store, whole)
    part = next(iter(store.upkeep.reach([digest]) - {(digest.value, True)}))[0]
    chunk = store._fetch.chunk(part)
    assert not store.has(Digest(part))
    assert [found for found, _ in store.list()] == [digest]
    assert put(store, chunk) == Digest(part)
    assert store.has(Digest(part))
    assert store.read(Digest(part)) == chunk
    assert {found for found, _ in store.list()} == {digest, Digest(part)}


# ---------------------------------------------------------------------------- finding


def test_another_reader_sees_what_was_put_since(place: Place) -> None:
    """A store that is open already finds blobs that another one puts, and has no list of its own to go wrong."""
    first, second = BlobStore(place), BlobStore(place)
    assert not first.has(Digest.of(b"later"))
    digest = second.put_bytes(b"later")
    assert first.has(digest)
    assert first.have([digest, Digest.of(b"never")]) == {digest}
    assert first.read(digest) == b"later"


def test_a_catalogue_that_is_gone_or_garbage_is_made_again(local: LocalPlace, tmp_path: Path) -> None:
    """The cache is only a copy: deleted, cut short, or full of other bytes, nothing is lost."""
    cache = tmp_path / "cache"
    store = BlobStore(local, cache)
    digest = put(store, noise(1_000_000))
    store.close()
    (file,) = cache.glob("packs.sqlite")
    for harm in (file.unlink, lambda: file.write_bytes(b"garbage" * 1000), lambda: file.write_bytes(b"")):
        harm()
        again = BlobStore(local, cache)
        assert again.read(digest) == noise(1_000_000)
        again.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_done_without(local: LocalPlace, tmp_path: Path) -> None:
    """A read-only cache folder costs time, not content."""
    (tmp_path / "cache").mkdir(mode=0o500)
    store = BlobStore(local, tmp_path / "cache")
    assert store.read(store.put_bytes(b"x")) == b"x"


def test_a_cache_whose_place_is_taken_is_done_without(local: LocalPlace, tmp_path: Path) -> None:
    """A file where the cache's folder should be costs time, not content."""
    (tmp_path / "cache").write_text("a file")
    store = BlobStore(local, tmp_path / "cache")
    assert store.read(store.put_bytes(b"x")) == b"x"


def test_an_index_file_spares_the_asking(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one, a new reader learns of many packs without asking any; without it, or with a damaged one, it asks."""
    store = BlobStore(place)
    digests = [store.put_bytes(b"%d" % number) for number in range(12)]
    assert store.index(100) == 0
    assert store.index() == 12
    assert store.index() == 0
    asked: list[str] = []
    table = Packs.table

    def count(self: Packs, name: str, size: int) -> object:
        asked.append(name)
        return table(self, name, size)

    monkeypatch.setattr(Packs, "table", count)
    assert BlobStore(place).have(digests) == set(digests)
    assert asked == []
    (info,) = place.list(bundle.FOLDER)
    data = bytearray(place.read(info.name))
    data[100] ^= 1
    place.replace(info.name, bytes(data))
    damaged = BlobStore(place)
    assert damaged.have(digests) == set(digests)
    assert len(asked) == 12
    assert [problem.name for problem in damaged.check()] == [info.name]


def test_many_packs_of_others_are_worth_an_index_file(local: LocalPlace) -> None:
    """Whoever had to ask many packs one by one writes one when it writes next."""
    store = BlobStore(local)
    for number in range(70):
        store.put_bytes(b"%d" % number)
    assert list(local.list(bundle.FOLDER)) == []
    BlobStore(local).put_bytes(b"more")
    assert len(list(local.list(bundle.FOLDER))) == 1
    assert list(store.check()) == []


# ---------------------------------------------------------------------------- upkeep


def test_what_is_not_reached_can_be_left_behind(place: Place) -> None:
    """Packs are written anew without what no blob needs; all else is as it was, for old readers too."""
    store = BlobStore(place)
    keep = [put(store, noise(700_000, 1)), put(store, pattern(3_000_000)), store.put_bytes(b"small")]
    with store.writer() as writer:
        mixed = [writer.put_bytes(b"mixed %d" % number) for number in range(10)]
        gone = writer.put_stream(io.BytesIO(noise(900_000, 2)))[0]
    keep += mixed[:5]
    old = BlobStore(place)
    assert old.has(gone)
    reached = store.upkeep.reach(keep)
    uses = {info.name: store.upkeep.use(store.upkeep.table(info), reached) for info in store.upkeep.packs()}
    wasteful = [name for name, use in uses.items() if use.dead]
    assert len(wasteful) == 1
    assert uses[wasteful[0]].dead > 900_000
    written = store.rewrite(wasteful, lambda entry: (entry.digest, entry.kind != Kind.CHUNK) in reached)
    assert written == uses[wasteful[0]].live
    store.upkeep.doom(wasteful[0])
    assert list(store.upkeep.doomed()) == wasteful
    store.upkeep.delete(wasteful[0])
    assert list(store.upkeep.doomed()) == []
    for each in (store, old, BlobStore(place)):
        for digest in keep:
            each.verify(digest)
        assert not each.has(gone)
    assert {digest for digest, _ in BlobStore(place).list()} == set(keep)
    assert list(store.check()) == []


@pytest.mark.parametrize("size", [10, 700_000])
def test_nobody_counts_on_what_is_about_to_be_deleted(place: Place, size: int) -> None:
    """Content that is only in a doomed pack is written again, under another name, and outlives that pack."""
    store = BlobStore(place)
    digest = put(store, noise(size))
    doomed = packs_of(store, digest)
    for name in doomed:
        store.upkeep.doom(name)
    assert store.read(digest) == noise(size)
    put(store, noise(size))
    for name in doomed:
        store.upkeep.delete(name)
    assert BlobStore(place).read(digest) == noise(size)
    assert store.read(digest) == noise(size)


@pytest.mark.parametrize("size", [10, 700_000])
def test_what_is_doomed_while_it_is_counted_on_is_saved(place: Place, size: int) -> None:
    """A put that found content there, and whose pack is doomed before it ends, keeps that content."""
    store, other = BlobStore(place), BlobStore(place)
    digest = put(store, noise(size))
    doomed = packs_of(store, digest)
    with store.writer() as writer:
        writer.put_stream(io.BytesIO(noise(size)))
        for name in doomed:
            other.upkeep.doom(name)
    for name in doomed:
        other.upkeep.delete(name)
    assert BlobStore(place).read(digest) == noise(size)


def test_a_pack_that_is_written_and_doomed_at_once_is_saved(place: Place) -> None:
    """A put whose own pack was there already, and is doomed before the put ends, keeps its content."""
    store, other = BlobStore(place), BlobStore(place)
    with store.writer() as writer:
        digest = writer.put_bytes(b"both")
        assert other.put_bytes(b"both") == digest
        (name,) = packs_of(other, digest)
        other.upkeep.doom(name)
    other.upkeep.delete(name)
    assert BlobStore(place).read(digest) == b"both"


def test_a_list_without_its_chunks_does_not_count(place: Place) -> None:
    """A blob whose list is there and of whose chunks some are not is written again, not taken for granted."""
    store = BlobStore(place)
    first = noise(1_500_000)
    put(store, first)
    second = first + noise(300_000, 7)
    digest = put(store, second)  # its list, and its last chunks, lie in another pack than the rest
    shared = packs_of(store, digest) - {record.pack for record in store.catalogue.find(digest.value)}
    assert shared
    for name in shared:
        store.upkeep.delete(name)
    fresh = BlobStore(place)
    with pytest.raises(BlobNotFoundError, match="part of the blob"):
        fresh.read(digest)
    put(fresh, second)
    assert BlobStore(place).read(digest) == second


# ---------------------------------------------------------------------------- what is wrong


def test_a_flipped_bit_anywhere_in_any_file_is_found(store: BlobStore, local: LocalPlace, harm) -> None:
    """In packs, their tables and trailers, and index files: found by name, and never returned as data."""
    blobs = {store.put_bytes(b"small"): b"small", store.put_bytes(b""): b""}
    for data in (pattern(300_000), noise(200_000)):
        blobs[put(store, data)] = data
    store.index()
    files = [info.name for info in local.list()]
    assert len(files) == 5
    rng = random.Random(0)
    for file in files:
        size = len(local.read(file))
        edge = {*range(min(size, 4)), *range(max(0, size - TRAILER_SIZE - 2 * ENTRY_SIZE), size, 3)}
        for position in sorted(edge | {rng.randrange(size) for _ in range(20)}):
            bit = rng.randrange(8)
            harm.flip(store, file, position, bit)
            assert [problem.name for problem in store.check()] == [file], (file, position)
            fresh = BlobStore(local)
            for digest, data in blobs.items():
                with contextlib.suppress(CorruptBlobError, BlobNotFoundError, UnsupportedFormatError):
                    assert fresh.read(digest) == data
            harm.flip(store, file, position, bit)
    assert list(store.check()) == []


def test_a_newer_pack_is_refused(place: Place) -> None:
    """A pack of a version that this lin does not know stops it, with the version and the way out."""
    name = write_pack(place, [(Digest.of(b"x").value, 1, b"x", Kind.BLOB, Coding.RAW)])
    data = bytearray(place.read(pack_file(name)))
    data[-12:-8] = (2).to_bytes(4, "little")
    place.delete(pack_file(name))
    place.replace(pack_file(Digest.of(bytes(data[1:])).hex), bytes(data))
    with pytest.raises(UnsupportedFormatError, match="version 2") as caught:
        BlobStore(place).read(Digest.of(b"x"))
    assert "upgrade" in caught.value.hint


def test_an_unknown_coding_is_refused(place: Place) -> None:
    """A record that is coded in a newer way is not guessed at."""
    write_pack(place, [(Digest.of(b"x").value, 1, b"x", Kind.BLOB, 77)])
    with pytest.raises(UnsupportedFormatError, match="77"):
        BlobStore(place).read(Digest.of(b"x"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: (zstd.compress(bytes(200_000_000)), 1000),
        lambda: (zstd.compress(bytes(1000)), 999),
        lambda: (zstd.compress(bytes(1000)), 1001),
        lambda: (zstd.compress(bytes(1000))[:-1], 1000),
        lambda: (zstd.compress(bytes(1000)) + b"x", 1000),
        lambda: (zstd.compress(bytes(1000)) * 2, 2000),
        lambda: (b"no frame at all", 1000),
        lambda: (b"", 1000),
        lambda: (zstd.compress(bytes(1000)), 1 << 62),
    ],
    ids=["bomb", "one more", "one less", "cut short", "added to", "two frames", "garbage", "nothing", "huge"],
)
def test_what_decodes_to_another_size_is_damaged(local: LocalPlace, make: Callable[[], tuple[bytes, int]]) -> None:
    """No more memory is taken than a record's plain bytes need by its table, whatever the frame holds."""
    stored, size = make()
    digest = Digest.of(bytes(min(size, 2000)))
    write_pack(local, [(digest.value, size, stored, Kind.BLOB, Coding.ZSTD)])
    with pytest.raises(CorruptContentError, match=str(digest)):
        BlobStore(local).read(digest)


def test_a_list_that_lies_is_found(local: LocalPlace) -> None:
    """Chunks that are right by themselves and are not the blob's are found by the blob's own digest."""
    a, b = Digest.of(b"a"), Digest.of(b"b")
    whole = Digest.of(b"ab")
    swapped = lists.pack_list([(b.value, 1), (a.value, 1)], 0)
    write_pack(
        local,
        [
            (a.value, 1, b"a", Kind.CHUNK, Coding.RAW),
            (b.value, 1, b"b", Kind.CHUNK, Coding.RAW),
            (whole.value, 2, swapped, Kind.LIST, Coding.RAW),
        ],
    )
    store = BlobStore(local)
    for ask in (store.read, store.verify, store.open):
        with pytest.raises(CorruptContentError, match=str(whole)):
            ask(whole)
