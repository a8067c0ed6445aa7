"""Places behind URLs: no secrets shown, clear errors, nothing stale, exclusion where the driver has it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]

from lin.errors import (
    BackendError,
    ConflictError,
    InvalidInputError,
    LinError,
    NotFoundError,
    PermissionDeniedError,
    ReadOnlyError,
    RepositoryNotFoundError,
    StorageFullError,
)
from lin.store._bucket_settings import Patience
from lin.store.bucket import BucketPlace
from lin.store.local import LocalPlace
from lin.store.places import open_place
from lin.store.remote import FsspecPlace, without_credentials
from lin.store.testing import pattern


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("s3://bucket/a", "s3://bucket/a"),
        ("s3://id:secret@bucket/a/", "s3://bucket/a"),
        ("ftp://user:p%40ss@host:21/a?token=x#y", "ftp://host:21/a"),
        ("memory://", "memory://"),
        ("abfs://container@account.dfs.core.windows.net/a", "abfs://container@account.dfs.core.windows.net/a"),
        ("abfs://container:secret@account/a", "abfs://account/a"),
    ],
)
def test_an_address_is_shown_without_credentials(given: str, shown: str) -> None:
    """User, password, query and fragment of a URL are never shown."""
    assert without_credentials(given) == shown


def test_refuses_credentials_in_a_bucket_url() -> None:
    """A bucket's URL has no place for a secret: it is refused, says where it belongs, and is not repeated."""
    with pytest.raises(InvalidInputError, match="s3://bucket/x") as caught:
        open_place("s3://id:secret@bucket/x")
    assert "environment" in caught.value.hint
    assert "secret" not in str(caught.value)


def test_errors_show_no_credentials() -> None:
    """An error of a place that was opened with a secret in its URL does not tell it."""
    place = FsspecPlace("memory://id:secret@x")
    with pytest.raises(NotFoundError) as caught:
        place.read("nothing")
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(place)


@pytest.mark.parametrize("where", ["repo", "./repo", Path("repo"), "a/b", "file.lin", "c:repo"])
def test_a_path_is_a_local_place(where: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no scheme is a folder, from the current one on."""
    monkeypatch.chdir(tmp_path)
    place = open_place(where)
    assert isinstance(place, LocalPlace)
    assert place.url == str(tmp_path / where)
    monkeypatch.chdir("/")
    place.replace("a", b"1")
    assert (tmp_path / where / "a").read_bytes() == b"1"


def test_a_file_url_is_a_local_place(tmp_path: Path) -> None:
    """`file://` means a folder of this machine, with `%20` for a space; another machine's is refused."""
    place = open_place(f"file://{tmp_path}/a%20b")
    assert isinstance(place, LocalPlace)
    assert place.root == tmp_path / "a b"
    assert open_place(f"FILE://localhost{tmp_path}").url == str(tmp_path)
    with pytest.raises(InvalidInputError, match="another machine"):
        open_place("file://host/a")


def test_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`~` is the user's home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_place("~/x").url == str(tmp_path / "x")


@pytest.mark.parametrize(
    "where",
    ["", "a\0b", "http://host/x", "https://host/x", "nothing://x", "s3://", "simplecache::s3://b/x", "zip://a::s3://b"],
)
def test_refuses_what_is_no_place(where: str) -> None:
    """Nothing, unknown protocols, web addresses and chains of protocols are refused with a way out."""
    with pytest.raises(InvalidInputError) as caught:
        open_place(where)
    assert caught.value.hint


@pytest.mark.parametrize(("url", "package"), [("sftp://host/x", "paramiko"), ("oss://bucket/x", "ossfs")])
def test_a_missing_driver_says_what_to_install(url: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the driver the error holds the command that installs it."""

    def without(*_: object, **__: object) -> None:
        raise ImportError("Install the driver to access this")

    monkeypatch.setattr("fsspec.core.url_to_fs", without)
    with pytest.raises(InvalidInputError, match="not installed") as caught:
        open_place(url)
    assert f"pip install '{package}'" in caught.value.hint


def test_a_bucket_that_is_not_there(s3_url: str) -> None:
    """A bucket that does not exist is told from a repository that does not."""
    place = open_place("s3://no-such-bucket/x")
    calls = (place.read, place.open, lambda name: place.replace(name, b"x"), lambda name: place.create(name, b"x"))
    for call in (*calls, lambda _: list(place.list()), lambda name: place.read_range(name, 0, 1)):
        with pytest.raises(RepositoryNotFoundError, match="there is no bucket 'no-such-bucket'") as caught:
            call("a")
        assert "name" in caught.value.hint


def test_a_server_that_is_not_there(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing listens, that is a `BackendError`, which may be retried."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    place = BucketPlace("s3://bucket/x", Patience(retries=1))
    with pytest.raises(BackendError, match=r"x/a: the server at http://127\.0\.0\.1:9 does not answer") as caught:
        place.read("a")
    assert caught.value.__cause__ is not None


def test_no_credentials(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials the error says that access is what is missing."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    with pytest.raises(PermissionDeniedError, match="no credentials were found for s3://bucket/x") as caught:
        open_place("s3://bucket/x").replace("a", b"x")
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


def test_sees_what_others_write(s3_url: str) -> None:
    """No answer is remembered: what another machine changed is seen at once."""
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415 - only for S3

    client = boto3.client("s3")
    bucket, _, folder = s3_url.removeprefix("s3://").partition("/")
    place = open_place(s3_url)
    for number in range(3):
        client.put_object(Bucket=bucket, Key=f"{folder}/a/{number}", Body=b"1" * number)
        assert sorted(info.name for info in place.list()) == [f"a/{n}" for n in range(number + 1)]
        assert [place.size(f"a/{n}") for n in range(3)] == [*range(number + 1), *[None] * (2 - number)]
    client.put_object(Bucket=bucket, Key=f"{folder}/a/0", Body=b"22")
    assert place.size("a/0") == 2
    assert place.read("a/0") == b"22"
    client.delete_object(Bucket=bucket, Key=f"{folder}/a/0")
    assert place.size("a/0") is None


def test_markers_of_folders_are_no_files(s3: BucketPlace) -> None:
    """The empty objects that consoles make for folders are not listed; an empty file is."""
    import boto3  # noqa: PLC0415 - only for S3

    s3.replace("a/b", b"1")
    s3.replace("a/empty", b"")
    boto3.client("s3").put_object(Bucket="bucket", Key=f"{s3.url.removeprefix('s3://bucket/')}/c/", Body=b"")
    assert sorted(info.name for info in s3.list()) == ["a/b", "a/empty"]


def test_a_large_upload_is_whole(s3: BucketPlace) -> None:
    """A file of many parts is seen only as a whole, and read back as it was, from front to back and by range."""
    data = pattern(60 * 1024 * 1024)
    with s3.upload() as upload:
        for start in range(0, len(data), 7_000_000):
            upload.write(memoryview(data)[start : start + 7_000_000])
        assert list(s3.list()) == []
        upload.commit("objects/large")
    assert s3.size("objects/large") == len(data)
    with s3.open("objects/large") as file:
        assert file.read() == data
        file.seek(50_000_001)
        assert file.read(9) == data[50_000_001:50_000_010]
    assert s3.read_range("objects/large", 33_000_000, 20_000_000) == data[33_000_000:53_000_000]


class Failing:
    """Stand in for a driver whose every call fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object, **__: object) -> None:
            raise self._error

        return fail


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("bucket"), NotFoundError),
        (PermissionError("no"), PermissionDeniedError),
        (OSError(28, "full"), StorageFullError),
        (OSError(5, "odd"), BackendError),
        (TimeoutError("slow"), BackendError),
        (RuntimeError("driver"), BackendError),
        (NotImplementedError("read-only"), ReadOnlyError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_each_failure_of_a_driver_is_told_as_what_it_is(
    memory: FsspecPlace, error: Exception, kind: type[LinError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a driver raises becomes an error of lin that names the address and chains the cause."""
    monkeypatch.setattr(memory, "_driver", Failing(error))
    with pytest.raises(kind, match="memory://") as caught:
        memory.read("a")
    assert caught.value.__cause__ is error
    with pytest.raises(kind):
        memory.replace("a", b"x")
    monkeypatch.undo()


def test_refuses_to_create_where_it_cannot_exclude(tmp_path: Path) -> None:
    """A driver that looks first and then writes is no base for exclusion, and is refused for it."""
    place = FsspecPlace("memory://x")
    place._driver = AbstractFileSystem(skip_instance_cache=True)
    with pytest.raises(InvalidInputError, match="exclusively"):
        place.create("a", b"x")


def test_elsewhere_files_are_moved_into_place(tmp_path: Path) -> None:
    """A protocol that shows files while they are written gets them under `tmp/` first, then by a move."""
    place = FsspecPlace(f"local://{tmp_path}")
    moved: list[tuple[str, str]] = []
    driver, move = place._driver, place._driver.mv

    def spy(source: str, target: str) -> None:
        moved.append((source, target))
        move(source, target)

    driver.mv = spy
    place.replace("a/b", b"1")
    place.replace("a/b", pattern(9_000_000))
    assert place.read("a/b") == pattern(9_000_000)
    assert [target for _, target in moved] == [f"{tmp_path}/a/b"] * 2
    assert all(source.startswith(f"{tmp_path}/tmp/part-") for source, _ in moved)
    assert [info.name for info in place.list()] == ["a/b"]


def test_a_busy_bucket_is_asked_again(memory: FsspecPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """When two conditional writes meet, the bucket says so, and the loser asks again before it gives up."""

    class MetError(OSError):
        response = {"Error": {"Code": "ConditionalRequestConflict"}}  # noqa: RUF012

    class TakenError(OSError):
        response = {"Error": {"Code": "PreconditionFailed"}}  # noqa: RUF012

    answers = [MetError(), MetError(), TakenError()]
    monkeypatch.setattr("time.sleep", lambda _: None)

    def pipe_file(*_: object, **__: object) -> None:
        raise answers.pop(0)

    monkeypatch.setattr(memory._driver, "pipe_file", pipe_file)
    with pytest.raises(ConflictError):
        memory.create("a", b"x")
    assert answers == []


def test_survives_a_fork(s3: BucketPlace) -> None:
    """A forked process reads and writes, with a place of its parent's or its own, as its parent does."""
    s3.replace("a", b"1")
    child = os.fork()
    if not child:
        status = 1
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(60)  # a child that waits for ever fails the test instead
        try:
            data = pattern(9_000_000)
            with s3.upload() as upload:
                upload.write(data)
                upload.commit("large")
            same = s3.read("a") == b"1" and BucketPlace(s3.url).read("large") == data
            status = 0 if same and s3.size("none") is None and len(list(s3.list())) == 2 else 2
            try:
                s3.create("a", b"2")
            except ConflictError:
                pass
            else:
                status = 3
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
