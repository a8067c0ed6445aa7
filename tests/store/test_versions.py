"""New versions of files and folders, kept as what changed since the previous one."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from lin.store.blobs import BlobStore
from lin.store.digest import Digest
from lin.store.folder import get_path, put_path
from lin.store.local import LocalPlace
from lin.store.pack import Coding


def table(rows: int, edited: int = 0) -> bytes:
    source = random.Random(1)
    lines = [b"%d,%d,N%d\n" % (number, source.randrange(9999), source.randrange(99999)) for number in range(rows)]
    for number in random.Random(edited).sample(range(rows), rows // 100) if edited else ():
        lines[number] = b"%d,%d,edited\n" % (number, number * 7)
    return b"".join(lines)


def taken(store: BlobStore) -> int:
    """Bytes of all packs."""
    return sum(store.packs.listed().values())


def codings(store: BlobStore) -> set[int]:
    return {entry.coding for pack in store.packs.listed() for entry in store.catalogue.records(pack)}


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(LocalPlace(tmp_path / "repository"))


def put(store: BlobStore, data: bytes, like: Digest | None = None) -> Digest:
    with store.writer() as writer:
        return writer.put_stream(io.BytesIO(data), like=like)[0]


@pytest.mark.parametrize("rows", [1000, 5000, 200_000], ids=["a small blob", "one chunk", "many chunks"])
def test_a_version_takes_what_changed(store, rows):
    """A version with a row in a hundred edited adds little, and comes back from a store that is opened anew."""
    first, second = table(rows), table(rows, edited=1)
    old = put(store, first)
    before = taken(store)
    new = put(store, second, like=old)
    assert taken(store) - before < 0.1 * before
    again = BlobStore(store.place)
    assert again.read(new) == second
    assert again.read(old) == first
    assert list(again.check()) == []


def test_a_folder_takes_what_changed(store, tmp_path):
    """Files of a folder are kept against those at the same paths, and its trees against the trees."""
    folder = tmp_path / "data"
    for number in range(120):
        path = folder / f"part {number % 3}" / f"{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(table(300 + number))
    old = put_path(store, folder)
    before = taken(store)
    for number in range(0, 120, 10):
        (folder / f"part {number % 3}" / f"{number}.csv").write_bytes(table(300 + number, edited=1))
    new = put_path(store, folder, like=old.digest)
    assert taken(store) - before < 0.03 * before
    for stored in (old, new):
        out = get_path(store, stored.digest, "tree", tmp_path / stored.digest.hex)
        assert put_path(store, out).digest == stored.digest


@pytest.mark.parametrize("like", [Digest.of(b"nowhere"), Digest.of(b"no tree")], ids=["missing", "no tree"])
def test_a_previous_version_that_is_of_no_use_is_no_error(store, tmp_path, like):
    """What cannot be read, or is a file where a folder is put, is passed over."""
    store.put_bytes(b"no tree")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_bytes(table(100))
    stored = put_path(store, tmp_path / "data", like=like)
    assert stored.files == 1


def test_a_damaged_previous_version_is_no_error(store):
    """New content is kept whole where the bytes that it resembles cannot be read."""
    old = put(store, table(50_000))
    for pack in store.packs.listed():
        path = Path(store.place.url) / "objects" / "packs" / pack
        data = bytearray(path.read_bytes())
        data[100:5000] = bytes(4900)
        path.write_bytes(data)
    fresh = BlobStore(store.place)
    new = put(fresh, table(50_000, edited=1), like=old)
    assert BlobStore(store.place).read(new) == table(50_000, edited=1)


def test_rewriting_makes_no_difference_of_anything(store):
    """What is written again to mend a store stands by itself: the copy that it would lean on may be the damaged one."""
    old = put(store, table(50_000))
    new = put(store, table(50_000, edited=1), like=old)
    assert Coding.DELTA in codings(store)
    other = BlobStore(store.place)
    packs = set(other.packs.listed())
    other.put_stream(io.BytesIO(table(50_000, edited=1)), rewrite=True)
    added = set(other.packs.listed()) - packs
    assert {entry.coding for pack in added for entry in other.catalogue.records(pack)} <= {Coding.RAW, Coding.ZSTD}
    assert other.read(new) == table(50_000, edited=1)


def test_a_base_leads_no_further_than_its_own_are_counted_on(store):
    """A chunk whose own base is about to be deleted is no base: it would go away with it."""
    old = put(store, table(5000))
    first = set(store.packs.listed())
    middle = put(store, table(5000, edited=1), like=old)
    with store._writing(doomed=first) as writer:
        assert writer.packer.base(middle.value) is None
        digest = writer.put_stream(io.BytesIO(table(5000, edited=2)), like=middle)[0]
    newest = [entry for pack in store.packs.listed() for entry in store.catalogue.records(pack)]
    assert next(entry for entry in newest if entry.digest == digest.value).coding == Coding.ZSTD


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9])
def test_a_previous_version_of_a_few_bytes_is_no_base(store: BlobStore, size: int) -> None:
    """Zstandard takes no dictionary of fewer than 8 bytes; the next version is kept all the same."""
    first = store.put_bytes(b"x" * size)
    data = b"x" * 5_000 + bytes(range(256)) * 20
    with store.writer() as writer:
        second = writer.put_bytes(data, like=first)
    assert store.read(second) == data
