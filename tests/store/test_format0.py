"""Repositories of format 0, one file a blob: read as they are, and written to in format 1."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from lin.errors import BlobNotFoundError, CorruptBlobError
from lin.store.blobs import BlobStore
from lin.store.digest import Digest
from lin.store.folder import get_path, put_path
from lin.store.packs import loose_file
from lin.store.place import Place
from lin.store.testing import pattern

SIZES = (0, 10, 70_000, 2_000_000)


@pytest.fixture(params=["local", "memory", "s3"])
def old(request: pytest.FixtureRequest) -> Place:
    """A place as version 0 left it."""
    place: Place = request.getfixturevalue(request.param)
    for size in SIZES:
        place.create(loose_file(Digest.of(pattern(size)).value), pattern(size))
    return place


def test_its_blobs_are_there(old: Place) -> None:
    """Each is found, listed with its size, read in every way and verified."""
    store = BlobStore(old)
    assert dict(store.list()) == {Digest.of(pattern(size)): size for size in SIZES}
    for size in SIZES:
        digest = Digest.of(pattern(size))
        assert store.has(digest)
        assert store.size(digest) == size
        assert store.have([digest, Digest.of(b"absent")]) == {digest}
        assert store.read(digest) == pattern(size)
        with store.open_at(digest) as file:
            file.seek(size // 2)
            assert file.read() == pattern(size)[size // 2 :]
        store.verify(digest)
    with pytest.raises(BlobNotFoundError):
        store.read(Digest.of(b"absent"))


def test_a_wrong_byte_is_found(old: Place) -> None:
    """Reading verifies blobs of version 0 as all others, and a check of all files names the file."""
    digest = Digest.of(pattern(10))
    file = loose_file(digest.value)
    old.replace(file, b"0123456789")
    store = BlobStore(old)
    for ask in (store.read, store.open, store.open_at, store.verify):
        with pytest.raises(CorruptBlobError, match=str(digest)):
            ask(digest)
    assert [problem.name for problem in store.check()] == [file]


def test_what_is_there_is_not_written_again(old: Place) -> None:
    """A put of content that version 0 kept writes nothing; new content goes into a pack beside it."""
    store = BlobStore(old)
    before = {info.name for info in old.list()}
    for size in SIZES[:3]:
        store.put_stream(io.BytesIO(pattern(size)))
    assert {info.name for info in old.list() if not info.name.startswith("objects/packs/")} == before
    digest = store.put_bytes(b"new")
    assert BlobStore(old).read(digest) == b"new"
    assert len(list(BlobStore(old).list())) == len(SIZES) + 1


def test_a_folder_of_both(old: Place, tmp_path: Path) -> None:
    """A folder of which some was there comes back whole."""
    (tmp_path / "source").mkdir()
    for size in SIZES:
        (tmp_path / "source" / str(size)).write_bytes(pattern(size))
    (tmp_path / "source" / "new").write_bytes(b"new")
    store = BlobStore(old)
    stored = put_path(store, tmp_path / "source")
    get_path(BlobStore(old), stored.digest, stored.shape, tmp_path / "back")
    assert {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "source").iterdir()
    }
