"""Files and folders on their way in: what is kept, what is refused, and what is not read again."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lin.errors import (
    ConflictError,
    InvalidInputError,
    LinError,
    NotFoundError,
    PermissionDeniedError,
    UnsafePathError,
)
from lin.store import folder as folder_module
from lin.store import restore
from lin.store.blobs import BlobStore, BlobWriter
from lin.store.digest import Digest
from lin.store.folder import digest_path, find_entry, get_path, put_path, read_tree, walk_tree
from lin.store.local import LocalPlace
from lin.store.pump import PIECE
from lin.store.scan import scan
from lin.store.testing import pattern
from lin.store.tree import Mode, TreeEntry, encode_tree


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with a bit of everything."""
    root = tmp_path / "data"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "a.csv").write_bytes(b"1,2\n")
    (root / "nothing").write_bytes(b"")
    (root / "sub" / "b.bin").write_bytes(pattern(2 * PIECE + 1))
    (root / "sub" / "deep" / "ünïcode 日本\n.txt").write_bytes(b"x")
    (root / "run.sh").write_bytes(b"#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "sub" / "link").symlink_to("../a.csv")
    (root / "folder-link").symlink_to("sub/deep")
    return root


def listing(root: Path) -> dict[str, Any]:
    """Return all that matters below a folder."""
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            found[name] = "folder"
        else:
            found[name] = (path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


def test_a_folder_comes_back_as_it_was(store: BlobStore, data: Path, tmp_path: Path) -> None:
    """Files, modes, links, empty folders and odd names survive, and the digest says so."""
    stored = put_path(store, data)
    assert (stored.shape, stored.files, stored.size) == ("tree", 5, 4 + 2 * PIECE + 1 + 1 + 10)
    back = get_path(store, stored.digest, stored.shape, tmp_path / "back")
    assert back == tmp_path / "back"
    assert listing(back) == listing(data)
    assert digest_path(back) == stored == digest_path(data) == put_path(store, back)


@pytest.mark.parametrize("size", [0, 1, PIECE, 2 * PIECE + 1])
def test_a_file_comes_back_as_it_was(store: BlobStore, tmp_path: Path, size: int) -> None:
    """A file, also an empty one, is a blob under the digest of its bytes."""
    (tmp_path / "f").write_bytes(pattern(size))
    stored = put_path(store, tmp_path / "f")
    assert (stored.digest, stored.shape, stored.size, stored.files) == (Digest.of(pattern(size)), "blob", size, 1)
    assert digest_path(tmp_path / "f") == stored
    assert get_path(store, stored.digest, "blob", tmp_path / "g").read_bytes() == pattern(size)


def test_an_empty_folder(store: BlobStore, tmp_path: Path) -> None:
    """An empty folder is a tree, and comes back."""
    (tmp_path / "e").mkdir()
    stored = put_path(store, tmp_path / "e")
    assert (stored.digest, stored.shape, stored.size, stored.files) == (Digest.of(b"lin tree 0\n"), "tree", 0, 0)
    assert list(get_path(store, stored.digest, "tree", tmp_path / "f").iterdir()) == []


def test_digesting_keeps_nothing(local: LocalPlace, data: Path) -> None:
    """To know a digest nothing is written."""
    digest_path(data)
    assert not local.root.exists()


def test_equal_folders_are_kept_once(store: BlobStore, tmp_path: Path) -> None:
    """Two sub-folders with equal content are one tree; another order of making them makes no difference."""
    for name, order in (("x", (1, 2, 3)), ("y", (3, 1, 2))):
        (tmp_path / "d" / name).mkdir(parents=True)
        for number in order:
            (tmp_path / "d" / name / f"{number}").write_bytes(b"%d" % number)
    stored = put_path(store, tmp_path / "d")
    x, y = read_tree(store, stored.digest)
    assert (x.name, y.name) == ("x", "y")
    assert x.digest == y.digest
    assert len(list(store.list())) == 5


def test_the_time_and_owner_of_a_file_do_not_count(store: BlobStore, data: Path) -> None:
    """A folder's digest is of names, modes and bytes only."""
    before = digest_path(data)
    os.utime(data / "a.csv", (1, 1))
    (data / "a.csv").chmod(0o600)
    assert digest_path(data) == before
    (data / "a.csv").chmod(0o700)
    assert digest_path(data) != before


def test_a_link_to_what_is_put_is_followed(store: BlobStore, data: Path, tmp_path: Path) -> None:
    """A path that is itself a link stands for what it points to."""
    (tmp_path / "to-folder").symlink_to(data)
    (tmp_path / "to-file").symlink_to(data / "a.csv")
    assert put_path(store, tmp_path / "to-folder") == put_path(store, data)
    assert put_path(store, tmp_path / "to-file") == put_path(store, data / "a.csv")


def test_ignored_paths_are_left_out(store: BlobStore, data: Path) -> None:
    """What the caller ignores is neither read nor looked at, be it a folder, a bad link or a bad name."""
    (data / "bad").symlink_to("nowhere")
    os.mkfifo(data / "sub" / "pipe")
    (data / os.fsdecode(b"\xff")).write_bytes(b"")
    asked: list[tuple[str, bool]] = []

    def ignore(path: str, is_folder: bool) -> bool:
        asked.append((path, is_folder))
        return path not in {"a.csv", "empty"}

    stored = put_path(store, data, ignore=ignore)
    assert [path for path, _ in walk_tree(store, stored.digest)] == ["a.csv", "empty"]
    assert ("sub", True) in asked
    assert ("bad", False) in asked
    assert not any(path.startswith("sub/") for path, _ in asked)


def test_a_repository_inside_is_left_out(store: BlobStore, data: Path) -> None:
    """A folder that holds a repository, such as the one it is put into, is put without it; look-alikes are kept."""
    plain = digest_path(data)
    inner = LocalPlace(data / "sub" / ".lin")
    inner.replace("lin.json", b'{"format": 0, "id": "0", "chunker": null, "log": {}}')
    inner.replace("log/checkpoint", b"x")
    assert put_path(BlobStore(inner), data) == plain == digest_path(data)
    for text in (b"{}", b"[]", b"no JSON"):
        inner.replace("lin.json", text)
        assert digest_path(data).files == plain.files + 2 + len(list(inner.list("objects")))


def make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path may have only about 100 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


BAD: dict[str, tuple[Callable[[Path], object], type[LinError], str]] = {
    "a socket": (make_socket, InvalidInputError, "is a socket"),
    "a named pipe": (os.mkfifo, InvalidInputError, "is a named pipe"),
    "a dangling link": (lambda path: path.symlink_to("nowhere"), InvalidInputError, "dangling link.*nowhere"),
    "a link to itself": (lambda path: path.symlink_to(path.name), InvalidInputError, "dangling link"),
    "a link out": (lambda path: path.symlink_to("../../.."), UnsafePathError, "leads out of the folder"),
    "an absolute link": (lambda path: path.symlink_to(path.parent), UnsafePathError, "leads out of the folder"),
}


@pytest.mark.parametrize(("make", "kind", "words"), BAD.values(), ids=BAD)
def test_refuses_what_cannot_be_kept(
    store: BlobStore, data: Path, make: Callable[[Path], object], kind: type[LinError], words: str
) -> None:
    """Sockets, pipes and links that lead nowhere or out are refused by path, with a way out, and nothing is kept."""
    make(data / "sub" / "bad one")
    asks: tuple[Callable[[], object], ...] = (lambda: put_path(store, data), lambda: digest_path(data))
    for ask in asks:
        with pytest.raises(kind, match=f"bad one {words}|bad one is a {words}|bad one.*{words}") as caught:
            ask()
        assert "out" in caught.value.hint
    assert list(store.list()) == []


@pytest.mark.parametrize("what", ["a socket", "a named pipe", "a dangling link", "a link to itself"])
def test_refuses_to_put_it_by_itself(store: BlobStore, tmp_path: Path, what: str) -> None:
    """The same when it is what is put."""
    make, kind, words = BAD[what]
    make(tmp_path / "bad")
    with pytest.raises(kind, match=words):
        put_path(store, tmp_path / "bad")


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="the system has no /dev/null")
def test_refuses_devices(store: BlobStore) -> None:
    """A device is refused."""
    with pytest.raises(InvalidInputError, match="/dev/null is a character device"):
        put_path(store, "/dev/null")


def test_refuses_what_is_missing(store: BlobStore, tmp_path: Path) -> None:
    """A path where nothing is names itself."""
    for path in (tmp_path / "missing", tmp_path / "missing" / "more"):
        with pytest.raises(NotFoundError, match=f"there is no {path}"):
            put_path(store, path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotFoundError):
        put_path(store, tmp_path / "file" / "below")


@pytest.mark.skipif(os.uname().sysname == "Darwin", reason="the file system refuses such names itself")
def test_refuses_names_that_are_not_utf8(store: BlobStore, data: Path) -> None:
    """A name that is not UTF-8 is refused, and shown with its odd bytes escaped."""
    (data / "sub" / os.fsdecode(b"caf\xe9.csv")).write_bytes(b"")
    with pytest.raises(UnsafePathError, match=r"sub/caf\\xe9.csv is not UTF-8") as caught:
        put_path(store, data)
    str(caught.value).encode()  # it can be printed
    assert list(store.list()) == []


@pytest.mark.parametrize("code", [13, 1])
def test_refuses_what_cannot_be_read(
    store: BlobStore, data: Path, monkeypatch: pytest.MonkeyPatch, code: int, local: LocalPlace
) -> None:
    """A file or folder that may not be read is named."""
    real_open, real_scandir = os.open, os.scandir

    def no_open(path: Any, *args: Any, **options: Any) -> int:
        if str(path).endswith("b.bin"):
            raise PermissionError(code, os.strerror(code), str(path))
        return real_open(path, *args, **options)

    def no_scandir(path: Any) -> Any:
        if str(path).endswith("deep"):
            raise PermissionError(code, os.strerror(code), str(path))
        return real_scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", no_open)
        with pytest.raises(PermissionDeniedError, match=r"b\.bin"):
            put_path(store, data)
    assert local.leftovers(0) == ()
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", no_scandir)
        with pytest.raises(PermissionDeniedError, match="deep"):
            put_path(store, data)


def change_while_reading(
    monkeypatch: pytest.MonkeyPatch, path: Path, change: Callable[[], object], owner: Any = BlobWriter
) -> None:
    """Let a file change after its first bytes have been read."""
    real = owner.put_stream

    def put_stream(self: Any, reader: Any, advance: Any = None, **options: Any) -> Any:
        if Path(reader.name) == path:
            start = reader.read(1)
            change()
            rest = io.BytesIO(start + reader.read())
            return real(self, rest, advance, **options)
        return real(self, reader, advance, **options)

    monkeypatch.setattr(owner, "put_stream", put_stream)
    read = os.read

    def read_then_change(descriptor: int, size: int) -> bytes:
        data = read(descriptor, size)
        if os.fstat(descriptor).st_ino == path.stat().st_ino and data == b"1,2\n":
            change()
        return data

    monkeypatch.setattr(os, "read", read_then_change)


def rewrite_unnoticed(path: Path) -> None:
    path.write_bytes(b"9,9\n")
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"longer than it was"),
        lambda path: path.write_bytes(b""),
        rewrite_unnoticed,
    ],
    ids=["longer", "emptied", "same size, with its time set back"],
)
def test_refuses_a_file_that_changes_while_it_is_read(
    store: BlobStore, data: Path, change: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would be kept is no state that the file ever had, so it is refused and asks to try again."""
    path = data / "a.csv"
    change_while_reading(monkeypatch, path, lambda: change(path))
    change_while_reading(monkeypatch, path, lambda: change(path), folder_module._Nowhere)
    asks: tuple[Callable[[], object], ...] = (
        lambda: put_path(store, path),
        lambda: put_path(store, data),
        lambda: digest_path(data),
    )
    for ask in asks:
        path.write_bytes(b"1,2\n")
        with pytest.raises(ConflictError, match=r"a\.csv changed while it was read") as caught:
            ask()
        assert "again" in caught.value.hint


def test_refuses_a_file_that_vanishes(store: BlobStore, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was found and is gone when it is opened is a conflict, not a missing input."""
    real = scan

    def scan_then_remove(*args: Any) -> Any:
        found = real(*args)
        (data / "a.csv").unlink()
        return found

    monkeypatch.setattr(folder_module, "scan", scan_then_remove)
    with pytest.raises(ConflictError, match=r"a\.csv vanished"):
        put_path(store, data)


@pytest.mark.parametrize("what", ["link", "pipe"])
def test_does_not_follow_a_link_that_takes_a_files_place(
    store: BlobStore, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A file that becomes a link or pipe between being found and being opened is not followed or waited for."""
    (tmp_path / "secret").write_bytes(b"secret")
    real = scan

    def scan_then_swap(*args: Any) -> Any:
        found = real(*args)
        (data / "a.csv").unlink()
        if what == "link":
            (data / "a.csv").symlink_to(tmp_path / "secret")
        else:
            os.mkfifo(data / "a.csv")
        return found

    monkeypatch.setattr(folder_module, "scan", scan_then_swap)
    with pytest.raises(ConflictError, match=r"a\.csv changed"):
        put_path(store, data)
    assert not store.has(Digest.of(b"secret"))


def test_tells_how_far_it_is(store: BlobStore, data: Path, tmp_path: Path) -> None:
    """Progress of put and get has totals, never goes back, and ends with everything."""
    told: list[tuple[int, int | None, int, int | None]] = []
    stored = put_path(store, data, lambda *numbers: told.append(numbers))
    assert told[-1] == (stored.size, stored.size, 5, 5)
    assert told == sorted(told)
    told.clear()
    get_path(store, stored.digest, "tree", tmp_path / "back", progress=lambda *numbers: told.append(numbers))
    assert told[-1] == (stored.size, stored.size, 5, 5)
    assert told == sorted(told)


def test_what_progress_raises_stops_the_put(store: BlobStore, data: Path, local: LocalPlace) -> None:
    """An interruption, as Ctrl-C makes, leaves nothing half-written."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put_path(store, data, interrupt)
    assert list(local.list()) == []
    assert local.leftovers(0) == ()


def test_very_deep_folders(store: BlobStore, tmp_path: Path) -> None:
    """A folder nested far deeper than Python's calls can be comes back."""
    here = Path.cwd()
    root = tmp_path / "d"
    root.mkdir()
    depth = 1200
    os.chdir(root)
    try:
        for _ in range(depth):
            os.mkdir("n")  # noqa: PTH102
            os.chdir("n")
    finally:
        os.chdir(here)
    stored = put_path(store, root)
    assert sum(1 for _ in walk_tree(store, stored.digest)) == depth
    os.chdir(tmp_path)  # the whole path must not be longer than the system's limit
    try:
        get_path(store, stored.digest, "tree", "e")
        assert digest_path("e") == stored
        (Path("e") / "/".join(["n"] * depth) / "f").write_bytes(b"")
        with pytest.raises(ConflictError, match="holds what would be lost"):
            get_path(store, stored.digest, "tree", "e", force=True)
    finally:
        os.chdir(here)
        for name in ("d", "e"):  # pytest's own way of tidying up calls itself once for each level
            restore._remove(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["repository"]


# ---------------------------------------------------------------------------- looking into trees


def test_walk(store: BlobStore, data: Path) -> None:
    """A walk names everything once, each folder before what is in it, in the order of names."""
    stored = put_path(store, data)
    found = list(walk_tree(store, stored.digest))
    assert [path for path, _ in found] == [
        "a.csv", "empty", "folder-link", "nothing", "run.sh", "sub", "sub/b.bin", "sub/deep",
        "sub/deep/ünïcode 日本\n.txt", "sub/link",
    ]  # fmt: skip
    modes = {path: entry.mode for path, entry in found}
    assert modes["run.sh"] is Mode.EXECUTABLE
    assert modes["sub/link"] is Mode.LINK
    assert modes["empty"] is Mode.FOLDER
    assert [path for path, _ in walk_tree(store, stored.digest, recursive=False)] == [
        "a.csv", "empty", "folder-link", "nothing", "run.sh", "sub",
    ]  # fmt: skip


def test_find(store: BlobStore, data: Path) -> None:
    """An entry is found by its path; what is not there says what is."""
    digest = put_path(store, data).digest
    assert find_entry(store, digest, "a.csv").digest == Digest.of(b"1,2\n")
    assert find_entry(store, digest, "sub/deep").mode is Mode.FOLDER
    assert find_entry(store, digest, "sub/deep/") == find_entry(store, digest, "sub/deep")
    assert find_entry(store, digest, "sub/b.bin").size == 2 * PIECE + 1
    with pytest.raises(NotFoundError, match=r"sub/c\.bin") as caught:
        find_entry(store, digest, "sub/c.bin")
    assert "b.bin, deep, link" in caught.value.hint
    with pytest.raises(NotFoundError, match=r"'a\.csv' is no folder"):
        find_entry(store, digest, "a.csv/b")
    for path in ("", "/", "/a.csv", "../a", "sub//deep", "./a.csv", "sub/.."):
        with pytest.raises(InvalidInputError, match="not a path within a tree"):
            find_entry(store, digest, path)


def test_a_file_is_no_tree(store: BlobStore) -> None:
    """To read a file's blob as a tree is refused."""
    with pytest.raises(InvalidInputError, match="not a tree"):
        read_tree(store, store.put_bytes(b"1,2\n"))


def test_a_tree_that_lies_about_sizes(store: BlobStore) -> None:
    """A folder whose stated size is not that of its files is refused on the walk."""
    inner = store.put_bytes(encode_tree([TreeEntry("f", Mode.FILE, Digest.of(b"12"), 2)]))
    outer = store.put_bytes(encode_tree([TreeEntry("d", Mode.FOLDER, inner, 3)]))
    with pytest.raises(InvalidInputError, match="d has 3 bytes, not 2"):
        list(walk_tree(store, outer))


# ---------------------------------------------------------------------------- any folder at all

names = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=8).filter(
    lambda name: name not in {".", ".."}
)
content = st.recursive(
    st.binary(max_size=50), lambda inner: st.dictionaries(names, inner, max_size=4), max_leaves=8
).filter(lambda made: isinstance(made, dict))


def build(path: Path, made: Any) -> None:
    if isinstance(made, bytes):
        path.write_bytes(made)
        return
    path.mkdir()
    for name, inner in made.items():
        build(path / name, inner)


@given(made=content)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_folder_comes_back(tmp_path_factory: pytest.TempPathFactory, made: Any) -> None:
    """Whatever is in it, a folder that is put and got has the same content and digest."""
    base = tmp_path_factory.mktemp("any")
    build(base / "d", made)
    store = BlobStore(LocalPlace(base / "r"))
    stored = put_path(store, base / "d")
    get_path(store, stored.digest, stored.shape, base / "e")
    assert listing(base / "e") == listing(base / "d")
    assert digest_path(base / "e") == stored
