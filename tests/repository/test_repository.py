"""Content: put, get, list and read it again, as a user would."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lin.errors import (
    AmbiguousRefError,
    BlobNotFoundError,
    ConflictError,
    CorruptBlobError,
    CorruptContentError,
    InvalidInputError,
    LinError,
    NotFoundError,
    UnsafePathError,
)
from lin.lineage.words import ArtifactKind, Shape
from lin.repository import Repository
from lin.store.digest import Digest
from lin.store.tree import Mode

Write = Callable[..., Path]

FILES = {
    "read me.txt": b"hello",
    "empty": b"",
    "deep/er/data.bin": bytes(range(256)) * 5,
    "deep/twin": b"hello",
    "ünïcödé/✓": b"\xff\xfe",
}


@pytest.fixture
def tree(write: Write) -> Path:
    for name, content in FILES.items():
        write(f"tree/{name}", content)
    Path("tree/nothing in it").mkdir()
    Path("tree/deep/run.sh").write_bytes(b"#!/bin/sh\n")
    Path("tree/deep/run.sh").chmod(0o755)
    Path("tree/deep/link").symlink_to("er/data.bin")
    return Path("tree")


def contents(root: Path) -> dict[str, object]:
    """Return what lies below a folder: bytes, links' targets, None for folders, and who can be executed."""
    found: dict[str, object] = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_dir():
            found[name] = None
        else:
            found[name] = (path.read_bytes(), os.access(path, os.X_OK) and bool(path.stat().st_mode & 0o100))
    return found


# ---------------------------------------------------------------------------- there and back


@pytest.mark.parametrize("content", [b"", b"x", b"a,b\n1,2\n", os.urandom(3_000_000)], ids=["empty", "1", "8", "3M"])
def test_a_file_comes_back_as_it_was(repository: Repository, write: Write, content: bytes) -> None:
    """What was put is what is got, read in pieces and described."""
    result = repository.put(write("data.csv", content))

    assert (result.added, result.same_bytes) == (True, ())
    artifact = result.artifact
    assert (artifact.label, artifact.kind, artifact.shape) == ("data.csv@v1", ArtifactKind.DATASET, Shape.BLOB)
    assert (artifact.size, artifact.files, artifact.digest) == (len(content), 1, Digest.of(content))
    assert repository.get("data.csv", "copy.csv").read_bytes() == content
    assert b"".join(repository.stream("data.csv")) == content
    assert [(e.path, e.mode, e.size) for e in repository.entries("data.csv")] == [("data.csv", "f", len(content))]
    assert repository.artifact("data.csv") == artifact


def test_a_folder_comes_back_as_it_was(repository: Repository, tree: Path) -> None:
    """Files, empty files and folders, links, executables and any Unicode name survive."""
    artifact = repository.put(tree).artifact

    assert (artifact.shape, artifact.files) == (Shape.TREE, len(FILES) + 1)
    assert artifact.size == sum(map(len, FILES.values())) + len(b"#!/bin/sh\n")
    assert contents(repository.get("tree", "copy")) == contents(tree)
    assert repository.digest_of("copy") == artifact.digest == repository.digest_of(tree)


def test_an_empty_folder_comes_back_empty(repository: Repository) -> None:
    """A folder without anything is content too."""
    Path("nothing").mkdir()
    artifact = repository.put("nothing").artifact

    assert (artifact.size, artifact.files) == (0, 0)
    assert list(repository.get("nothing", "copy").iterdir()) == []
    assert repository.entries("nothing") == ()


def test_a_folder_is_listed_by_its_own_entries_or_all_the_way_down(repository: Repository, tree: Path) -> None:
    """Sizes of folders are sums; recursion gives whole paths."""
    repository.put(tree)
    top = {entry.path: entry for entry in repository.entries("tree")}

    assert set(top) == {"deep", "empty", "nothing in it", "read me.txt", "ünïcödé"}
    assert (top["deep"].mode, top["deep"].size) == (Mode.FOLDER, 1280 + 5 + 10)
    paths = {entry.path: entry.mode for entry in repository.entries("tree", recursive=True)}
    assert paths["deep/er/data.bin"] == Mode.FILE
    assert paths["deep/run.sh"] == Mode.EXECUTABLE
    assert paths["deep/link"] == Mode.LINK
    assert set(paths) == {path.relative_to(tree).as_posix() for path in tree.rglob("*")}


def test_a_file_inside_a_folder_is_read_by_its_path(repository: Repository, tree: Path) -> None:
    """`path` reaches into a folder artifact; what is no file there is an error that says so."""
    digest = repository.put(tree).artifact.digest

    assert b"".join(repository.stream("tree", "deep/er/data.bin")) == FILES["deep/er/data.bin"]
    assert b"".join(repository.stream(str(digest), "deep/twin")) == b"hello"
    with pytest.raises(InvalidInputError, match="deep is a folder"):
        repository.stream("tree", "deep")
    with pytest.raises(NotFoundError, match="nowhere"):
        repository.stream("tree", "nowhere")
    with pytest.raises(InvalidInputError, match="tree is a folder"):
        repository.stream("tree")
    with pytest.raises(InvalidInputError):
        repository.stream("tree", "../tree")


def test_a_path_inside_a_file_is_refused(repository: Repository, write: Write) -> None:
    """A file has nothing in it."""
    repository.put(write("data.csv"))
    with pytest.raises(InvalidInputError, match="is a file"):
        repository.stream("data.csv", "x")


def test_progress_ends_at_the_whole(repository: Repository, tree: Path) -> None:
    """Put and get tell how far they are, and end where they said they would."""
    told: list[tuple[int, int | None, int, int | None]] = []
    repository.put(tree, progress=lambda *now: told.append(now))
    size = sum(map(len, FILES.values())) + 10
    assert told[-1] == (size, size, 6, 6)
    told.clear()
    repository.get("tree", "copy", progress=lambda *now: told.append(now))
    assert told[-1] == (size, size, 6, 6)


# ---------------------------------------------------------------------------- versions and sameness


def test_an_unchanged_file_adds_nothing(repository: Repository, write: Write) -> None:
    """Neither an event nor a version; changed content makes the next version."""
    first = repository.put(write("data.csv", "1")).artifact
    size = len(list(repository.log()))
    again = repository.put("data.csv")
    assert (again.added, again.artifact) == (False, first)
    assert len(list(repository.log())) == size

    second = repository.put(write("data.csv", "2")).artifact
    assert (second.label, repository.artifact("data.csv")) == ("data.csv@v2", second)
    assert repository.artifact("data.csv@v1") == first


def test_content_that_comes_back_is_a_new_version(repository: Repository, write: Write) -> None:
    """Going back to what version 1 held is something that happened, so it is version 3."""
    first = repository.put(write("data.csv", "1")).artifact
    repository.put(write("data.csv", "2"))
    back = repository.put(write("data.csv", "1"))

    assert (back.added, back.artifact.version, back.artifact.digest) == (True, 3, first.digest)
    assert back.same_bytes == (first,)


def test_equal_bytes_under_other_names_are_named(repository: Repository, write: Write) -> None:
    """Other artifacts with the same bytes are told, oldest first, and the blob is kept once."""
    one = repository.put(write("one.csv", "same")).artifact
    two = repository.put(write("two.csv", "same"))
    assert (two.added, two.same_bytes) == (True, (one,))
    three = repository.put(write("three.csv", "same"))
    assert three.same_bytes == (one, two.artifact)
    assert repository.put("three.csv").same_bytes == (one, two.artifact)
    assert [digest for digest, _ in repository.store.list()].count(one.digest) == 1


@pytest.mark.parametrize(
    "told",
    [{"kind": ArtifactKind.MODEL}, {"experiment": "e"}, {"attributes": {"rows": 5}}],
    ids=["kind", "exp", "attr"],
)
def test_the_same_bytes_with_another_meaning_are_a_new_version(
    repository: Repository, write: Write, told: dict[str, object]
) -> None:
    """Kind, experiment and attributes are statements of their own; saying them again adds nothing."""
    repository.put(write("data.csv"))
    other = repository.put("data.csv", **told)  # type: ignore[arg-type]
    assert (other.added, other.artifact.version) == (True, 2)
    assert not repository.put("data.csv", **told).added  # type: ignore[arg-type]


def test_numpy_numbers_are_attributes_too(repository: Repository, write: Write) -> None:
    """They become Python's; larger things are refused before anything is recorded."""
    numpy = pytest.importorskip("numpy")
    made = repository.put(write("a.csv"), attributes={"rows": numpy.int64(5), "share": numpy.float32(0.5)}).artifact
    assert dict(repository.artifact(made.label).attributes) == {"rows": 5, "share": 0.5}
    with pytest.raises(InvalidInputError, match="'rows'"):
        repository.put("a.csv", attributes={"rows": numpy.arange(3)})
    assert repository.artifact("a.csv").version == 1


def test_names_follow_the_path_as_it_is_written(repository: Repository, write: Write, tmp_path: Path) -> None:
    """`.` is the current folder's name, a link is called as itself, `..` is followed, a trailing slash is none."""
    write("data/v7.csv")
    Path("latest.csv").symlink_to("data/v7.csv")
    assert repository.put("latest.csv").artifact.label == "latest.csv@v1"
    assert repository.put("data/").artifact.label == "data@v1"
    assert repository.put("data/../data/v7.csv").artifact.label == "v7.csv@v1"
    assert repository.put(".").artifact.label == "work@v1"


@pytest.mark.parametrize(
    "name", ["", " x", "x ", "a@b", "a:b", "{a}", "a\nb", "a\x7fb", "x" * 201, "\u202ex", ".", "a/..", "a/"]
)
def test_unusable_names_are_refused(repository: Repository, write: Write, name: str) -> None:
    """What refs could not say is refused, and nothing is stored or recorded."""
    with pytest.raises(InvalidInputError, match="not a usable name"):
        repository.put(write("data.csv"), name=name)
    with pytest.raises(InvalidInputError, match="not a usable name"):
        repository.put("data.csv", experiment=name)
    assert list(repository.log()) == []
    assert list(repository.store.list()) == []


def test_a_file_whose_name_cannot_be_one_needs_another(repository: Repository, write: Write) -> None:
    """The error says how to give one."""
    path = write("10:30.csv")
    with pytest.raises(InvalidInputError) as caught:
        repository.put(path)
    assert "--name" in caught.value.hint
    assert repository.put(path, name="half past ten").artifact.name == "half past ten"


def test_what_lin_keeps_within_a_folder_is_no_part_of_it(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the repository itself, which every put changes, nor keys and indexes."""
    for name in ("LIN_CONFIG", "LIN_CACHE"):
        monkeypatch.setenv(name, str(Path(f"own/{name.lower()}").absolute()))
    write("data.csv")
    write("deep/.lin/mine")
    write("own/lin_data.csv")
    with Repository.init(".") as repository:
        artifact = repository.put(".").artifact
        assert {entry.path for entry in repository.entries("work", recursive=True)} == {
            "data.csv", "deep", "deep/.lin", "deep/.lin/mine", "own", "own/lin_data.csv",
        }  # fmt: skip
        assert not repository.put(".").added
        assert repository.digest_of(".") == artifact.digest
        for own in (".lin", "own/lin_config", "own/lin_cache"):
            with pytest.raises(InvalidInputError, match="own and cannot be put"):
                repository.put(own)
        assert contents(repository.get("work", "copy")).keys() == {
            "data.csv", "deep", "deep/.lin", "deep/.lin/mine", "own", "own/lin_data.csv",
        }  # fmt: skip


# ---------------------------------------------------------------------------- what cannot be put


def socket_in(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(folder)  # names of sockets are short
        made.bind("socket")
        os.chdir(here)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda folder: os.mkfifo(folder / "pipe"), InvalidInputError),
        (socket_in, InvalidInputError),
        (lambda folder: (folder / "link").symlink_to("nowhere"), InvalidInputError),
        (lambda folder: (folder / "link").symlink_to("/etc/passwd"), UnsafePathError),
        (lambda folder: Path(os.fsdecode(bytes(folder) + b"/caf\xe9")).touch(), UnsafePathError),
    ],
    ids=["pipe", "socket", "dangling", "outside", "name"],
)
def test_what_cannot_be_kept_is_refused_whole(
    repository: Repository, write: Write, spoil: Callable[[Path], object], error: type[LinError]
) -> None:
    """A folder with one impossible thing in it is not recorded at all, and the log stays sound."""
    write("data/good.csv")
    spoil(Path("data"))
    with pytest.raises(error):
        repository.put("data")
    assert list(repository.log()) == []
    assert repository.verify().ok


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_no_path_is_not_this_folder(repository: Repository, write: Write, path: str) -> None:
    """An unset variable of a shell does not put, find or overwrite the current folder."""
    write("data.csv")
    with pytest.raises(InvalidInputError, match="not a path"):
        repository.put(path)
    with pytest.raises(InvalidInputError, match="not a path"):
        repository.models_trained_on(path)
    repository.put("data.csv")
    with pytest.raises(InvalidInputError, match="not a path"):
        repository.get("data.csv", path)


def test_what_is_not_there_is_not_found(repository: Repository) -> None:
    """A missing file is named; a link in a circle is one."""
    with pytest.raises(NotFoundError, match=r"nowhere\.csv"):
        repository.put("nowhere.csv")
    Path("circle").symlink_to("circle")
    with pytest.raises(LinError, match="circle"):
        repository.put("circle")
    assert list(repository.log()) == []


# ---------------------------------------------------------------------------- by digest


def test_content_is_recorded_by_its_digest(repository: Repository, tree: Path) -> None:
    """What is in the store can get another name; a folder stays one, and what is not there is refused."""
    folder = repository.put(tree).artifact
    named = repository.put_digest(folder.digest, name="release", kind=ArtifactKind.REPORT).artifact
    assert (named.shape, named.size, named.files) == (Shape.TREE, folder.size, folder.files)
    assert contents(repository.get("release", "copy")) == contents(tree)

    loose = repository.store.put_bytes(b"loose")
    assert repository.put_digest(loose, name="loose").artifact.size == 5
    assert not repository.put_digest(loose, name="loose").added
    with pytest.raises(BlobNotFoundError):
        repository.put_digest(Digest.of(b"not here"), name="other")


# ---------------------------------------------------------------------------- get


def test_get_overwrites_only_when_told_to(repository: Repository, write: Write, tree: Path) -> None:
    """What is there stays, byte for byte, until `force`."""
    repository.put(write("data.csv", "old"))
    repository.put(tree)
    write("data.csv", "mine")
    with pytest.raises(ConflictError, match="is there already"):
        repository.get("data.csv")
    assert Path("data.csv").read_text() == "mine"
    assert repository.get("data.csv", force=True).read_text() == "old"

    write("out/mine.txt")
    with pytest.raises(ConflictError):
        repository.get("tree", "out/mine.txt")
    with pytest.raises(ConflictError, match=r"mine\.txt"):
        repository.get("tree", "out", force=True)
    assert Path("out/mine.txt").exists()


def test_get_goes_into_a_folder_that_is_there(repository: Repository, write: Write, tree: Path) -> None:
    """Under the artifact's name; again with `force`; `.` is a folder too."""
    repository.put(write("data.csv", "1"))
    repository.put(tree)
    Path("out").mkdir()
    assert repository.get("data.csv", "out").relative_to(Path.cwd()) == Path("out/data.csv")
    assert repository.get("tree", "out").relative_to(Path.cwd()) == Path("out/tree")
    assert contents(Path("out/tree")) == contents(tree)
    before = contents(tree)
    Path("tree/empty").unlink()
    assert repository.get("tree", ".", force=True) == Path.cwd() / "tree"
    assert contents(tree) == before
    assert repository.get("tree", "out/tree", force=True) == Path.cwd() / "out/tree"
    assert not Path("out/tree/tree").exists()


def test_names_with_slashes_become_plain_files(repository: Repository, write: Write) -> None:
    """A name such as `churn/train.csv` gives the file `train.csv`, never a path."""
    repository.put(write("data.csv", "1"), name="churn/../train.csv")
    assert repository.get("churn/../train.csv") == Path.cwd() / "train.csv"


def test_a_name_too_long_for_a_file_does_not_stop_a_get(repository: Repository, write: Write) -> None:
    """200 letters can be 800 bytes; the digest stands in."""
    artifact = repository.put(write("data.csv", "1"), name="語" * 200).artifact
    assert repository.get("語" * 200).name == artifact.digest.hex
    assert repository.checkout(artifact).read_text() == "1"


def test_get_by_digest_needs_no_name(repository: Repository, write: Write) -> None:
    """Bytes that several artifacts share are still one content."""
    one = repository.put(write("one.csv", "same")).artifact
    repository.put(write("two.csv", "same"))
    assert repository.get(str(one.digest)).name == one.digest.hex
    assert b"".join(repository.stream(str(one.digest)[:12])) == b"same"
    with pytest.raises(AmbiguousRefError) as caught:
        repository.artifact(str(one.digest))
    assert caught.value.candidates == ("one.csv@v1", "two.csv@v1")


def test_damaged_bytes_are_never_handed_out(repository: Repository, write: Write, folder: Path) -> None:
    """A flipped byte is an error for every way to read, and leaves no file."""
    digest = repository.put(write("data.csv", "good data")).artifact.digest
    (record,) = repository.store.catalogue.find(digest.value)
    pack = folder / "objects" / "packs" / record.pack
    pack.write_bytes(pack.read_bytes().replace(b"good data", b"gxod data"))
    with pytest.raises(CorruptBlobError):
        repository.get("data.csv", "copy.csv")
    with pytest.raises(CorruptBlobError):
        list(repository.stream("data.csv"))
    assert [path.name for path in Path.cwd().iterdir()] == ["data.csv"]


# ---------------------------------------------------------------------------- checkouts


def test_a_checkout_is_made_once(repository: Repository, tree: Path) -> None:
    """The second time the same files answer."""
    artifact = repository.put(tree).artifact
    path = repository.checkout(artifact)
    inode = (path / "deep/twin").stat().st_ino
    assert contents(path) == contents(tree)
    assert repository.checkout(artifact) == path
    assert (path / "deep/twin").stat().st_ino == inode


@pytest.mark.parametrize(
    "tamper",
    [
        lambda path: (path / "deep/twin").write_bytes(b"hellO"),
        lambda path: (path / "deep/twin").unlink(),
        lambda path: (path / "__pycache__").mkdir(),
        lambda path: (path / "dangling").symlink_to("nowhere"),
        lambda path: (path / "empty").chmod(0o755),
    ],
    ids=["changed", "deleted", "added", "unputtable", "mode"],
)
def test_a_checkout_that_was_changed_is_made_anew(
    repository: Repository, tree: Path, tamper: Callable[[Path], object]
) -> None:
    """Whatever happened to the local copy, what a run reads is what the artifact holds."""
    artifact = repository.put(tree).artifact
    tamper(repository.checkout(artifact))
    assert contents(repository.checkout(artifact)) == contents(tree)


def test_a_changed_checkout_of_a_file_is_made_anew(repository: Repository, write: Write) -> None:
    """Also one that was replaced by a link or a folder."""
    artifact = repository.put(write("data.csv", "good")).artifact
    path = repository.checkout(artifact)
    path.write_text("evil")
    assert repository.checkout(artifact).read_text() == "good"
    path.unlink()
    path.symlink_to(Path("data.csv").absolute())
    assert not repository.checkout(artifact).is_symlink()
    path.unlink()
    (path / "sub").mkdir(parents=True)
    assert repository.checkout(artifact).read_text() == "good"


# ---------------------------------------------------------------------------- details


def test_details_are_salted_and_may_be_gone(repository: Repository, write: Write) -> None:
    """Equal details have different digests; a missing one is None, a wrong one an error."""
    one, two = repository.put_detail({"user": "ada"}), repository.put_detail({"user": "ada"})
    assert one != two
    detail = repository.detail(one)
    assert detail is not None
    assert detail["user"] == "ada"
    assert repository.detail(None) is None
    assert repository.detail(Digest.of(b"erased")) is None
    for other in (b"\xff", b"[1]", b"{"):
        with pytest.raises(CorruptContentError, match="no detail"):
            repository.detail(repository.store.put_bytes(other))


# ---------------------------------------------------------------------------- lists


def test_lists_are_paged_without_gaps(repository: Repository, write: Write) -> None:
    """Each artifact is on exactly one page, in either direction; the newest versions are listed by name."""
    for number in range(7):
        repository.put(write("data.csv", str(number)), name=f"n{number % 3}")
    everything = [item.label for item in repository.artifacts().items]
    for newest_first in (False, True):
        seen: list[str] = []
        after = None
        while True:
            page = repository.artifacts(after=after, limit=2, newest_first=newest_first)
            seen += [item.label for item in page.items]
            after = page.next
            if after is None:
                break
        assert seen == (everything[::-1] if newest_first else everything)
    assert [item.label for item in repository.newest()] == ["n0@v3", "n1@v2", "n2@v2"]
    assert [item.label for item in repository.artifacts(name="n1").items] == ["n1@v1", "n1@v2"]
    assert {item.label[:2] for item in repository.search("N2").items} == {"n2"}
    with pytest.raises(InvalidInputError, match="no kind 'models'"):
        repository.search("n", kinds=["models"])


def test_the_log_is_read_in_both_directions(repository: Repository, write: Write) -> None:
    """With limits and kinds; unknown kinds and negative limits are refused."""
    for number in range(3):
        repository.put(write("data.csv", str(number)))
    forth = list(repository.log(newest_first=False))
    assert [entry.kind for entry in forth] == ["key", "artifact", "artifact", "artifact"]
    assert [entry.position for entry in forth] == [0, 1, 2, 3]
    assert list(repository.log()) == forth[::-1]
    assert list(repository.log(limit=2, kinds=["artifact"])) == [forth[3], forth[2]]
    assert list(repository.log(limit=0)) == []
    with pytest.raises(InvalidInputError, match=r"run\.started"):
        repository.log(kinds=["runs"])
    with pytest.raises(InvalidInputError):
        repository.log(limit=-1)
