"""Wherever a repository lies, the whole way is the same: put, run, trace, get, verify."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from lin.commands import Input, Output, run_command
from lin.errors import ConflictError, ReadOnlyError, StorageFullError
from lin.lineage.words import ArtifactKind, Role, RunStatus
from lin.recording import Recording
from lin.repository import Repository
from lin.store.local_writes import LocalUpload

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - only for S3: it takes a second

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "memory":
        return f"memory://{tmp_path.name}"
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415 - only for S3

    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": request.getfixturevalue("s3_endpoint"),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="bucket")
    return f"s3://bucket/{tmp_path.name}"


def test_the_whole_way_through_a_bucket(url: str, write: Write, git: object) -> None:
    """Several writers, too; a second machine that has the keys sees it all."""
    with Repository.init(url) as repository:
        assert repository.url == url
        with pytest.raises(ConflictError, match="already"):
            Repository.init(url)
        repository.put(write("train.csv", "1" * 100_000))
        write("fit.py", "fit()")
        result = run_command(
            repository,
            ["sh", "-c", 'cp train.csv model.bin; echo "{\\"auc\\": 0.5}"'],
            inputs=[Input("train.csv", Role.TRAIN)],
            outputs=[Output("model.bin", ArtifactKind.MODEL)],
        )
        assert (result.run.status, result.run.metrics, result.warnings) == (RunStatus.SUCCEEDED, {"auc": 0.5}, ())
        assert {use.role for use in result.used} == {Role.TRAIN, Role.CODE, Role.ENVIRONMENT}
        repository.tag("model.bin", "prod")
        labels = {node.label for node in repository.trace("model.bin@prod").nodes}
        assert {"model.bin@v1", "train.csv@v1", "work/code@v1", "environment@v1"} <= labels
        assert repository.get("model.bin@prod", "copy.bin").read_text() == "1" * 100_000
        with Recording.start(repository, name="x") as run:
            assert run.use("model.bin@prod", role="base-model").read_text() == "1" * 100_000
        assert repository.verify().ok

        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                with Repository.open(url) as mine:
                    mine.put(write(f"{number}", str(number)), name="shared")
            except BaseException as error:  # noqa: BLE001 - told below
                failures.append(error)

        threads = [Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failures == []
        assert sorted(item.version for item in repository.artifacts(name="shared").items) == [1, 2, 3]
        assert repository.verify().ok
        assert {line.level for line in repository.doctor()} == {"ok"}


def test_a_full_disk_loses_nothing_that_was_acknowledged(
    repository: Repository, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever write it hits, the put says so, and everything from before is sound; with room it goes through."""
    import errno  # noqa: PLC0415 - only here

    repository.put(write("data.csv", "0"))
    real = LocalUpload.write
    for broken in range(4):
        count = iter(range(100))

        def full(
            self: LocalUpload, data: bytes | memoryview, broken: int = broken, count: Iterator[int] = count
        ) -> None:
            if next(count) == broken:
                raise StorageFullError("no room", hint="Make room.") from OSError(errno.ENOSPC, "No space left")
            real(self, data)

        with monkeypatch.context() as patch:
            patch.setattr(LocalUpload, "write", full)
            with pytest.raises(StorageFullError):
                repository.put(write("data.csv", f"{broken + 1}"))
        # What was not acknowledged may all the same be in the log's journal, and is then there once there is room.
        assert repository.artifact("data.csv").version in {broken + 1, broken + 2}
        assert repository.verify().ok
        assert repository.put("data.csv").artifact.version == broken + 2
    assert repository.artifact("data.csv").version == 5


def test_a_run_whose_outputs_find_no_room_is_recorded(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    """It succeeded; what could not be kept is a warning."""
    real = Repository.store_path

    def full(self: Repository, path: str | Path, **options: object) -> object:
        if Path(path).name == "out":
            raise StorageFullError("no room for out")
        return real(self, path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Repository, "store_path", full)
    result = run_command(repository, ["sh", "-c", "echo x > out; echo y > other"], code=False,
                         outputs=[Output("out"), Output("other")])  # fmt: skip
    assert result.run.status == RunStatus.SUCCEEDED
    assert [artifact.name for artifact in result.generated] == ["other"]
    assert result.warnings == ("output out: no room for out",)


def test_a_file_system_mounted_read_only_says_so(
    repository: Repository, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its error tells; reads go on."""
    import errno  # noqa: PLC0415 - only here

    repository.put(write("data.csv", "1"))
    real = os.open

    def refuse(path: object, flags: int, *rest: object, **more: object) -> int:
        if flags & os.O_CREAT and str(path).startswith(repository.url):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return real(path, flags, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ReadOnlyError, match="Read-only file system") as caught:
        repository.put(write("new.csv", "2"))
    assert "another repository" in caught.value.hint
    with pytest.raises(ReadOnlyError):
        repository.tag("data.csv", "prod")
    assert b"".join(repository.stream("data.csv")) == b"1"
    assert repository.verify().ok
