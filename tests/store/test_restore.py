"""Getting: whole or not at all, never over something, never out of the destination."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lin.errors import (
    BlobNotFoundError,
    ConflictError,
    CorruptBlobError,
    InvalidInputError,
    LinError,
    StorageFullError,
    UnsafePathError,
)
from lin.store.blobs import BlobStore
from lin.store.digest import Digest
from lin.store.folder import Stored, digest_path, get_path, put_path
from lin.store.local import LocalPlace
from lin.store.pump import PIECE
from lin.store.remote import FsspecPlace
from lin.store.testing import pattern
from lin.store.tree import Mode, TreeEntry, encode_tree


@pytest.fixture
def tree(store: BlobStore, tmp_path: Path) -> Stored:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "a").write_bytes(b"a")
    (source / "sub" / "b").write_bytes(pattern(2 * PIECE))
    (source / "sub" / "l").symlink_to("b")
    return put_path(store, source)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_makes_the_folders_above(store: BlobStore, tree: Stored, out: Path) -> None:
    """The folder that holds the destination is made, and taken away again if nothing comes into it."""
    get_path(store, tree.digest, "tree", out / "x" / "y" / "z")
    assert digest_path(out / "x" / "y" / "z") == tree
    with pytest.raises(BlobNotFoundError):
        get_path(store, Digest.of(b"absent"), "blob", out / "p" / "q" / "r")
    assert [path.name for path in out.iterdir()] == ["x"]


def test_modes(store: BlobStore, out: Path) -> None:
    """Files get the usual permissions; executables can be executed."""
    digest = store.put_bytes(b"#!/bin/sh\n")
    umask = os.umask(0o022)
    try:
        assert get_path(store, digest, "blob", out / "f").stat().st_mode & 0o777 == 0o644
        assert get_path(store, digest, "blob", out / "x", executable=True).stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(umask)
    assert sorted(path.name for path in out.iterdir()) == ["f", "x"]


def test_from_every_place(memory: FsspecPlace, s3: FsspecPlace, tmp_path: Path, out: Path) -> None:
    """Folders go into memory and buckets, with several threads, and come back."""
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    for number in range(30):
        (source / "sub" / f"{number}").write_bytes(b"%d" % number)
    (source / "large").write_bytes(pattern(9 * PIECE))
    for name, place in (("memory", memory), ("s3", s3)):
        store = BlobStore(place)
        stored = put_path(store, source)
        get_path(store, stored.digest, stored.shape, out / name)
        assert digest_path(out / name) == stored == put_path(store, out / name)


# ---------------------------------------------------------------------------- what is there already


def file(path: Path) -> None:
    path.write_bytes(b"precious")


def full_folder(path: Path) -> None:
    path.mkdir()
    (path / "precious").write_bytes(b"precious")


def link_to_file(path: Path) -> None:
    (path.parent / "precious").write_bytes(b"precious")
    path.symlink_to("precious")


def link_to_folder(path: Path) -> None:
    full_folder(path.parent / "elsewhere")
    path.symlink_to("elsewhere")


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


THERE = [file, full_folder, link_to_file, link_to_folder, dangling]


@pytest.mark.parametrize("shape", ["blob", "tree"])
@pytest.mark.parametrize("there", THERE, ids=lambda make: make.__name__)
def test_never_overwrites(store: BlobStore, tree: Stored, out: Path, there: Callable[[Path], None], shape: str) -> None:
    """Whatever is at the destination stays as it is, and the error names it."""
    there(out / "dest")
    before = sorted(path.name for path in out.iterdir())
    digest = tree.digest if shape == "tree" else store.put_bytes(b"new")
    with pytest.raises(ConflictError, match="dest"):
        get_path(store, digest, shape, out / "dest")
    assert sorted(path.name for path in out.iterdir()) == before
    assert all(path.read_bytes() == b"precious" for path in out.rglob("precious"))


def test_force_replaces_a_file(store: BlobStore, tree: Stored, out: Path) -> None:
    """With force a file gives way to a file or folder."""
    for digest, shape in ((store.put_bytes(b"new"), "blob"), (tree.digest, "tree")):
        file(out / shape)
        get_path(store, digest, shape, out / shape, force=True)
        assert digest_path(out / shape).digest == digest
    assert sorted(path.name for path in out.iterdir()) == ["blob", "tree"]


@pytest.mark.parametrize("there", [link_to_file, link_to_folder, dangling], ids=lambda make: make.__name__)
@pytest.mark.parametrize("shape", ["blob", "tree"])
def test_force_replaces_a_link_and_not_its_target(
    store: BlobStore, tree: Stored, out: Path, there: Callable[[Path], None], shape: str
) -> None:
    """With force a link is replaced by what is got; nothing is written through it."""
    there(out / "dest")
    digest = tree.digest if shape == "tree" else store.put_bytes(b"new")
    get_path(store, digest, shape, out / "dest", force=True)
    assert not (out / "dest").is_symlink()
    assert digest_path(out / "dest").digest == digest
    assert all(path.read_bytes() == b"precious" for path in out.rglob("precious"))
    assert not (out / "nowhere").exists()


def test_force_replaces_an_older_folder(store: BlobStore, tree: Stored, out: Path) -> None:
    """With force a folder whose paths the tree has too is replaced, whole."""
    get_path(store, tree.digest, "tree", out / "d")
    (out / "d" / "a").write_bytes(b"changed")
    (out / "d" / "sub" / "l").unlink()
    get_path(store, tree.digest, "tree", out / "d", force=True)
    assert digest_path(out / "d") == tree
    assert [path.name for path in out.iterdir()] == ["d"]


def test_force_loses_no_other_file(store: BlobStore, tree: Stored, out: Path) -> None:
    """With force too, a folder that holds what the tree does not have is refused, and stays as it is."""
    get_path(store, tree.digest, "tree", out / "d")
    (out / "d" / "sub" / "notes.txt").write_bytes(b"precious")
    with pytest.raises(ConflictError, match=r"sub/notes\.txt"):
        get_path(store, tree.digest, "tree", out / "d", force=True)
    assert (out / "d" / "sub" / "notes.txt").read_bytes() == b"precious"
    assert [path.name for path in out.iterdir()] == ["d"]


def test_force_replaces_no_folder_by_a_file(store: BlobStore, out: Path) -> None:
    """A file never takes the place of a folder, also with force."""
    full_folder(out / "d")
    with pytest.raises(ConflictError, match="is a folder"):
        get_path(store, store.put_bytes(b"x"), "blob", out / "d", force=True)


def test_force_spares_where_one_stands(
    store: BlobStore, local: LocalPlace, tree: Stored, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The current folder, and one that holds the repository, are not replaced even if nothing would be lost."""
    get_path(store, tree.digest, "tree", out / "d")
    (out / "d" / "a").write_bytes(b"changed")
    monkeypatch.chdir(out / "d" / "sub")
    with pytest.raises(ConflictError, match="in use"):
        get_path(store, tree.digest, "tree", out / "d", force=True)
    monkeypatch.chdir(out)
    with pytest.raises(ConflictError, match="in use"):
        get_path(store, tree.digest, "tree", local.root.parent, force=True)
    with pytest.raises(ConflictError, match="another destination"):
        get_path(store, tree.digest, "tree", "/", force=True)


def test_an_empty_folder_is_filled(store: BlobStore, tree: Stored, out: Path) -> None:
    """A tree goes into an empty folder without force: nothing is lost."""
    (out / "d").mkdir()
    get_path(store, tree.digest, "tree", out / "d")
    assert digest_path(out / "d") == tree


def test_what_comes_meanwhile_is_not_overwritten(
    store: BlobStore, tree: Stored, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something that appears at the destination while the bytes are on their way stays."""
    digest = store.put_bytes(b"new")
    for shape, name, wanted in (("blob", "f", digest), ("tree", "d", tree.digest)):
        with pytest.raises(ConflictError, match=name):
            get_path(store, wanted, shape, out / name, progress=lambda *_, name=name: file(out / name))
        assert (out / name).read_bytes() == b"precious"
    assert sorted(path.name for path in out.iterdir()) == ["d", "f"]


# ---------------------------------------------------------------------------- what is wrong with it


def test_a_damaged_blob_leaves_nothing(store: BlobStore, tree: Stored, out: Path, harm) -> None:
    """A wrong byte anywhere in a tree, and nothing is at the destination, nor beside it."""
    harm.spoil(store, Digest.of(pattern(2 * PIECE)))
    for digest, shape in ((tree.digest, "tree"), (Digest.of(pattern(2 * PIECE)), "blob")):
        with pytest.raises(CorruptBlobError):
            get_path(store, digest, shape, out / "dest")
    assert list(out.iterdir()) == []


def test_force_keeps_what_is_there_when_the_new_is_damaged(store: BlobStore, out: Path, harm) -> None:
    """With force too, what is there stays until the new is complete."""
    digest = store.put_bytes(b"new")
    harm.spoil(store, digest)
    file(out / "f")
    with pytest.raises(CorruptBlobError):
        get_path(store, digest, "blob", out / "f", force=True)
    assert (out / "f").read_bytes() == b"precious"
    assert [path.name for path in out.iterdir()] == ["f"]


@pytest.mark.parametrize("missing", [b"a", None], ids=["a file", "a tree"])
def test_a_missing_blob_leaves_nothing(store: BlobStore, tree: Stored, out: Path, missing: bytes | None, harm) -> None:
    """A blob of a tree that is not in the store is named, and nothing half-written stays."""
    digest = Digest.of(missing) if missing is not None else tree.digest
    harm.remove(store, digest)
    with pytest.raises(BlobNotFoundError, match=str(digest)):
        get_path(store, tree.digest, "tree", out / "dest")
    assert list(out.iterdir()) == []


def test_a_full_disk_leaves_nothing(store: BlobStore, tree: Stored, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is no room for all of it, there is nothing of it."""

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageFullError, match="No space left"):
        get_path(store, tree.digest, "tree", out / "dest")
    assert list(out.iterdir()) == []


def test_an_interruption_leaves_nothing(store: BlobStore, tree: Stored, out: Path) -> None:
    """Ctrl-C leaves nothing half-written."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get_path(store, tree.digest, "tree", out / "dest", progress=interrupt)
    assert list(out.iterdir()) == []


def test_an_unknown_shape(store: BlobStore, tree: Stored, out: Path) -> None:
    """A shape is `blob` or `tree`."""
    with pytest.raises(InvalidInputError, match="'model'"):
        get_path(store, tree.digest, "model", out / "dest")


def made(store: BlobStore, *entries: tuple[str, Mode, bytes]) -> Digest:
    listed = [TreeEntry(name, mode, store.put_bytes(data), len(data)) for name, mode, data in entries]
    return store.put_bytes(encode_tree(listed))


@pytest.mark.parametrize(
    "target",
    [b"/etc/passwd", b"..", b"../x", b"sub/../../x", b"sub/..", b"", b"\xff", b"a\0b", b"a/" * 3000],
    ids=["absolute", "above", "beside", "down and out", "down and up", "empty", "not UTF-8", "NUL", "too long"],
)
def test_links_that_lead_out_are_refused(store: BlobStore, out: Path, target: bytes) -> None:
    """A tree with a link that points out of the destination is not written at all."""
    digest = made(store, ("a", Mode.FILE, b"1"), ("l", Mode.LINK, target))
    with pytest.raises(UnsafePathError, match="l"):
        get_path(store, digest, "tree", out / "dest")
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("name", [b"..", b".", b"a/b", b"/etc", b"\xff"])
def test_names_that_lead_out_are_refused(store: BlobStore, out: Path, name: bytes) -> None:
    """A tree that was forged with a name that is no name is not written at all."""
    digest = store.put_bytes(b"1")
    forged = store.put_bytes(b"lin tree 0\nf %s 1 %s\0" % (digest.hex.encode(), name))
    with pytest.raises(InvalidInputError, match="not a"):
        get_path(store, forged, "tree", out / "dest")
    assert list(out.iterdir()) == []


def test_sizes_that_lie_are_refused(store: BlobStore, out: Path) -> None:
    """A tree that states another size than a file has is not written."""
    digest = store.put_bytes(b"12")
    forged = store.put_bytes(encode_tree([TreeEntry("f", Mode.FILE, digest, 3)]))
    with pytest.raises(CorruptBlobError, match="2 bytes"):
        get_path(store, forged, "tree", out / "dest")
    assert list(out.iterdir()) == []


def test_nothing_is_written_through_a_link_of_the_tree(
    store: BlobStore, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two names of a tree are one to the file system, it is refused before anything leaves the tree."""
    # Let this file system seem to ignore case, as macOS's does: 'A' and 'a' meet.
    real_open, real_symlink = os.open, os.symlink

    def lower(path: object) -> str:
        text = os.fsdecode(path)  # type: ignore[arg-type]
        return text[: text.rindex("/")] + text[text.rindex("/") :].lower() if "lin-get" in text else text

    monkeypatch.setattr(os, "open", lambda path, *rest, **options: real_open(lower(path), *rest, **options))
    monkeypatch.setattr(os, "symlink", lambda target, path: real_symlink(target, lower(path)))
    (out / "victim").write_bytes(b"precious")
    for entries in (
        (("A", Mode.LINK, b"b"), ("a", Mode.FILE, b"evil")),
        (("A", Mode.FILE, b"one"), ("a", Mode.FILE, b"two")),
    ):
        with pytest.raises(LinError, match="one on this file system"):
            get_path(store, made(store, *entries), "tree", out / "dest")
    assert [path.name for path in out.iterdir()] == ["victim"]


def test_a_destination_without_permission(
    store: BlobStore, tree: Stored, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the move into place fails, what was there before is there again."""
    get_path(store, tree.digest, "tree", out / "d")
    (out / "d" / "a").write_bytes(b"changed")
    rename = Path.rename
    calls = 0

    def failing(self: Path, target: Path) -> Path:
        nonlocal calls
        if self.name.startswith(".lin-get-"):
            calls += 1
            if calls == 2:
                raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(LinError, match="Input/output error"):
        get_path(store, tree.digest, "tree", out / "d", force=True)
    assert (out / "d" / "a").read_bytes() == b"changed"
    assert [path.name for path in out.iterdir()] == ["d"]
    shutil.rmtree(out)
