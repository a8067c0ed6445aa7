"""Opening: which repository is meant, how one is made, and what is none."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lin.errors import (
    ConflictError,
    CorruptContentError,
    InvalidInputError,
    LinError,
    NotFoundError,
    ReadOnlyError,
    RepositoryNotFoundError,
    UnsupportedFormatError,
)
from lin.repository import Repository

Write = Callable[..., Path]
Python = Callable[..., "subprocess.Popen[bytes]"]


# ---------------------------------------------------------------------------- making one


def test_init_makes_a_repository_inside_a_folder(tmp_path: Path) -> None:
    """Under `.lin`, which git leaves alone; the folder is made if need be."""
    with Repository.init(tmp_path / "new" / "project") as made:
        assert made.url == str(tmp_path / "new/project/.lin")
        assert made.format == 1
        assert (tmp_path / "new/project/.lin/.gitignore").read_text() == "*\n"
        assert made.verify().ok
    with Repository.open(tmp_path / "new" / "project") as opened:
        assert opened.id == made.id
    with Repository.open(tmp_path / "new" / "project" / ".lin") as opened:
        assert opened.id == made.id


def test_the_description_says_what_others_need(repository: Repository, folder: Path) -> None:
    """Format, id, and the log's origin and key, in JSON."""
    document = json.loads((folder / "lin.json").read_bytes())
    assert document == {
        "format": 1,
        "id": repository.id,
        "chunker": {"algorithm": "fastcdc", "min": 65536, "normal": 131072, "max": 524288, "level": 2},
        "log": {"origin": f"lin/{repository.id}", "key": repository.log_key()},
    }
    assert repository.checkpoint().startswith(f"lin/{repository.id}\n0\n")


def test_keys_are_the_users_alone(repository: Repository, write: Write, home: Path) -> None:
    """In the settings' folder, with mode 0600; none lies in the repository."""
    repository.put(write("data.csv"))
    keys = [path for path in (home / "lin-config").rglob("*") if path.is_file()]
    assert {path.name for path in keys} == {"actor.key", f"{repository.id}.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    secrets = [path.read_bytes() for path in keys]
    for path in Path(repository.url).rglob("*"):
        assert not path.is_file() or path.read_bytes() not in secrets


def test_a_second_init_changes_nothing(repository: Repository, write: Write, tmp_path: Path, folder: Path) -> None:
    """It is a conflict, and what is there stays."""
    repository.put(write("data.csv"))
    before = (folder / "lin.json").read_bytes()
    with pytest.raises(ConflictError, match="already"):
        Repository.init(tmp_path / "store")
    assert (folder / "lin.json").read_bytes() == before
    assert repository.verify().ok


def test_a_repository_cannot_be_made_in_a_file(write: Write) -> None:
    """The error names the file."""
    with pytest.raises(LinError, match=r"plain\.txt"):
        Repository.init(write("plain.txt"))


def test_one_that_was_half_made_is_completed(tmp_path: Path, folder: Path, write: Write) -> None:
    """A process that died between the log and the description leaves nothing that has to be cleared away."""
    with Repository.init(tmp_path / "store") as made:
        identity = made.id
    (folder / "lin.json").unlink()
    (folder / ".gitignore").unlink()
    with pytest.raises(RepositoryNotFoundError):
        Repository.open(tmp_path / "store")
    with Repository.init(tmp_path / "store") as made:
        assert made.id == identity
        made.put(write("data.csv"))
        assert made.verify().ok


def test_a_log_without_its_description_is_not_taken_over(
    repository: Repository, write: Write, tmp_path: Path, folder: Path, home: Path
) -> None:
    """Neither one that holds events, nor another's: `lin.json` has to come back from a copy."""
    repository.put(write("data.csv"))
    (folder / "lin.json").unlink()
    with pytest.raises(ConflictError, match="holds a log") as caught:
        Repository.init(tmp_path / "store")
    assert "copy" in caught.value.hint
    with Repository.init(tmp_path / "other"):
        pass
    (tmp_path / "other/.lin/lin.json").unlink()
    shutil.rmtree(home / "lin-config/logs")
    with pytest.raises(ConflictError, match="holds a log"):
        Repository.init(tmp_path / "other")


FIRST = """
import sys
sys.stdin.readline()
import lin
try:
    result = lin.put(sys.argv[1], name="first")
except BaseException as error:
    print(repr(error))
else:
    print(result.artifact.label)
"""


def test_the_users_own_repository_is_made_by_whoever_comes_first(python: Python, write: Write) -> None:
    """Of several processes at once one makes it, with one set of keys, and all use it."""
    processes = [python(FIRST, write(f"{number}", str(number)).absolute()) for number in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    answers = sorted(process.communicate(timeout=120)[0].decode().strip() for process in processes)
    assert answers == ["first@v1", "first@v2", "first@v3", "first@v4"]
    with Repository.open() as repository:
        assert repository.verify().ok
        assert len({entry.actor for entry in repository.log()}) == 1


# ---------------------------------------------------------------------------- which one


def test_without_a_name_the_nearest_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """In this folder or above, else the user's own, which the first use makes."""
    with Repository.init(tmp_path) as outer, Repository.init("near") as near:
        assert Repository.open().id == outer.id
        Path("near/deep").mkdir()
        monkeypatch.chdir("near/deep")
        assert Repository.open().id == near.id
        monkeypatch.chdir(tmp_path / "work/near/.lin")
        assert Repository.open().id == near.id
    shutil.rmtree(tmp_path / ".lin")
    monkeypatch.chdir(home)
    with Repository.open() as own:
        assert own.url == str(home / "data/lin/repository")
    with Repository.open() as again:
        assert again.id == own.id


def test_an_empty_variable_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`LIN_REPO=` means what it would mean unset; one that names nothing is an error."""
    with Repository.init(".") as here:
        for variable in ("", None):
            monkeypatch.setenv("LIN_REPO", variable) if variable is not None else monkeypatch.delenv("LIN_REPO")
            assert Repository.open().id == here.id
            assert Repository.open("").id == here.id
        monkeypatch.setenv("LIN_REPO", str(tmp_path / "nowhere"))
        with pytest.raises(RepositoryNotFoundError, match="nowhere") as caught:
            Repository.open()
        assert "lin init" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["nowhere", "work", "file.txt", "~/nothing", "file:///nowhere", "memory://nothing-here"]
)
def test_what_is_no_repository_is_not_found(write: Write, tmp_path: Path, name: str) -> None:
    """A folder that is not there, one that holds none, a file, an empty bucket; nothing is made."""
    write("file.txt")
    with pytest.raises(RepositoryNotFoundError):
        Repository.open(name if "://" in name or "~" in name else tmp_path / name)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("url", ["http://localhost:4321", "https://lin.example.org/x", "nonsense://x"])
def test_addresses_that_cannot_hold_one_are_refused(url: str) -> None:
    """With the way out."""
    for use in (Repository.open, Repository.init):
        with pytest.raises(InvalidInputError) as caught:
            use(url)
        assert caught.value.hint


def test_a_folder_that_is_gone_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder can be deleted under a shell."""
    Path("gone").mkdir()
    monkeypatch.chdir("gone")
    Path("../gone").rmdir()
    with pytest.raises(NotFoundError, match="current folder"):
        Repository.open()


def test_a_folder_of_any_name_can_hold_one(write: Write) -> None:
    """Spaces, Unicode, and bytes that are not UTF-8."""
    for name in ("with space", "ünïcödé", "a#b?c%20", os.fsdecode(b"caf\xe9"), ":memory:"):
        with Repository.init(Path(name)) as made:
            made.put(write("data.csv"))
            assert made.artifact("data.csv").version == 1
            assert made.verify().ok


def test_two_ways_to_one_repository_show_the_same(repository: Repository, write: Write, tmp_path: Path) -> None:
    """Through a link it has a cache of its own, and the same content."""
    (tmp_path / "link").symlink_to(tmp_path / "store")
    with Repository.open(tmp_path / "link") as other:
        repository.put(write("data.csv", "1"))
        other.put(write("data.csv", "2"))
        assert repository.artifact("data.csv") == other.artifact("data.csv")
        assert other.artifact("data.csv").version == 2


# ---------------------------------------------------------------------------- what is wrong with one


def test_a_newer_format_says_what_to_do(repository: Repository, tmp_path: Path, folder: Path) -> None:
    """Nothing is read or written by an older lin."""
    text = (folder / "lin.json").read_text()
    (folder / "lin.json").write_text(text.replace('"format": 1', '"format": 7, "new": {}'))
    with pytest.raises(UnsupportedFormatError, match="format 7") as caught:
        Repository.open(tmp_path / "store")
    assert "pip install --upgrade" in caught.value.hint


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: "{",
        lambda text: "[]",
        lambda text: "[" * 5000 + "]" * 5000,
        lambda text: text.replace('"format": 1', '"format": "0"'),
        lambda text: text.replace('"format": 1', '"format": -1'),
        lambda text: text.replace('"format": 1', '"format": true'),
        lambda text: text.replace('"id"', '"ID"'),
        lambda text: text.replace('"id": "', '"id": "0'),
        lambda text: text.replace('"origin": "lin/', '"origin": "lin/0'),
        lambda text: text.replace('"key": "lin/', '"key": "lin/0'),
        lambda text: text.replace('"log"', '"Log"'),
    ],
)
def test_a_damaged_description_is_named(
    repository: Repository, tmp_path: Path, folder: Path, change: Callable[[str], str]
) -> None:
    """Whatever is wrong in it, the error says which file and how to mend it."""
    text = (folder / "lin.json").read_text()
    changed = change(text)
    assert changed != text
    (folder / "lin.json").write_text(changed)
    with pytest.raises(CorruptContentError, match=r"lin\.json") as caught:
        Repository.open(tmp_path / "store")
    assert "copy" in caught.value.hint


def test_a_description_with_the_key_of_another_log_is_damaged(
    repository: Repository, tmp_path: Path, folder: Path
) -> None:
    """Whoever swaps it cannot make another log pass for this one."""
    with Repository.init(tmp_path / "other") as other:
        text = (folder / "lin.json").read_text().replace(repository.log_key(), other.log_key())
    (folder / "lin.json").write_text(text)
    with pytest.raises(CorruptContentError, match="key"):
        Repository.open(tmp_path / "store")


def test_without_the_logs_key_one_can_read(
    repository: Repository, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user sees everything and writes nothing; the error says what is missing."""
    repository.put(write("data.csv", "1"))
    monkeypatch.setenv("LIN_CONFIG", str(tmp_path / "another"))
    monkeypatch.setenv("LIN_CACHE", str(tmp_path / "another-cache"))
    with Repository.open(tmp_path / "store") as other:
        assert other.get("data.csv", "copy.csv").read_text() == "1"
        assert other.trace("data.csv").total == 1
        assert other.verify().ok
        size = len(list(other.log()))
        with pytest.raises(ReadOnlyError, match="no private key") as caught:
            other.put(write("new.csv", "2"))
        assert "lin serve" in caught.value.hint
        with pytest.raises(ReadOnlyError):
            other.tag("data.csv", "prod")
        assert not other.put("data.csv").added
        assert len(list(other.log())) == size


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that every user of this machine can reach."""
    made = Path(tempfile.mkdtemp(prefix="lin-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


READER = """
import os, sys
from lin.errors import LinError
from lin.repository import Repository

def use(place, new):
    with Repository.open(place) as repository:
        yield b"".join(repository.stream("data.csv")), repository.verify().ok, len(list(repository.log()))
        try:
            repository.put(new)
        except LinError as error:
            yield type(error).__name__, error.message, error.hint
        yield not repository.put_digest(repository.artifact("data.csv").digest, name="data.csv").added
        yield [advice.subject for advice in repository.doctor() if advice.level == "error"]

if os.getuid() == 0:  # who may read everything; from now on nobody, who may not even read the superuser's Python
    list(use(sys.argv[2], sys.argv[3]))
    os.setgid(65534)
    os.setuid(65534)
for answer in use(sys.argv[1], sys.argv[3]):
    print(*answer) if isinstance(answer, tuple) else print(answer)
"""


def test_a_folder_that_may_not_be_written_to_can_be_read(open_to_all: Path, home: Path) -> None:
    """By somebody who has the key, too: reads go on, writes say why they cannot."""
    with Repository.init(open_to_all / "store") as made:
        (open_to_all / "data.csv").write_text("1")
        made.put(open_to_all / "data.csv")
    (open_to_all / "new.csv").write_text("2")
    shutil.copytree(open_to_all / "store", open_to_all / "other")
    settings = open_to_all / "settings"
    shutil.copytree(home / "lin-config", settings)
    (open_to_all / "cache").mkdir()
    environment = {**os.environ, "LIN_CONFIG": str(settings), "LIN_CACHE": str(open_to_all / "cache")}
    environment["HOME"] = str(open_to_all)
    if os.getuid() == 0:
        for path in (settings, *settings.rglob("*"), open_to_all / "cache"):
            os.chown(path, 65534, 65534)
    else:
        for path in ((open_to_all / "store"), *(open_to_all / "store").rglob("*")):
            path.chmod(path.stat().st_mode & ~0o222)
    done = subprocess.run(
        [sys.executable, "-c", READER, open_to_all / "store", open_to_all / "other", open_to_all / "new.csv"],
        env=environment, cwd=open_to_all, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if os.getuid() != 0:
        for path in ((open_to_all / "store"), *(open_to_all / "store").rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0] == "b'1' True 2"
    assert lines[1].startswith("PermissionDeniedError cannot ")
    assert "Ask the owner" in lines[1]
    assert lines[2:] == ["True", "[]"]


def test_a_repository_of_format_0_is_read_and_upgraded_by_the_first_write(
    repository: Repository, write: Write, tmp_path: Path, folder: Path
) -> None:
    """Reading changes nothing; the first put makes it format 1, which an older lin refuses; nothing is lost."""
    old = repository.put(write("old.csv", "old")).artifact
    repository.close()
    for pack in (folder / "objects" / "packs").iterdir():
        pack.unlink()
    name = old.digest.hex
    (folder / "objects" / name[:2]).mkdir()
    (folder / "objects" / name[:2] / name[2:]).write_text("old")
    document = json.loads((folder / "lin.json").read_bytes())
    given = (json.dumps({**document, "format": 0, "chunker": None}, indent=2) + "\n").encode()
    (folder / "lin.json").write_bytes(given)

    with Repository.open(tmp_path / "store") as opened:
        assert opened.format == 0
        assert b"".join(opened.stream("old.csv")) == b"old"
        assert opened.verify().ok
        assert (folder / "lin.json").read_bytes() == given
        opened.put(write("new.csv", "new"))
        assert opened.format == 1
    assert json.loads((folder / "lin.json").read_bytes()) == document
    with Repository.open(tmp_path / "store") as opened:
        assert opened.verify().ok
        assert [b"".join(opened.stream(name)) for name in ("old.csv", "new.csv")] == [b"old", b"new"]


def test_another_way_of_cutting_is_refused(repository: Repository, tmp_path: Path, folder: Path) -> None:
    """Chunks that were cut in another way would share nothing with those that are there."""
    text = (folder / "lin.json").read_text()
    (folder / "lin.json").write_text(text.replace('"max": 524288', '"max": 1048576'))
    with pytest.raises(UnsupportedFormatError, match="1048576"):
        Repository.open(tmp_path / "store")
