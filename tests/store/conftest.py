"""Places to test on: a folder, memory, a bucket of moto's S3 server, and buckets of real servers, on this machine."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lin.store.blobs import BlobStore
from lin.store.bucket import BucketPlace
from lin.store.digest import Digest
from lin.store.local import LocalPlace
from lin.store.pack import pack_file
from lin.store.places import open_place
from lin.store.remote import FsspecPlace

_numbers = itertools.count()
_bucket: set[str] = set()


@pytest.fixture
def local(tmp_path: Path) -> LocalPlace:
    return LocalPlace(tmp_path / "repository")


@pytest.fixture
def memory() -> Iterator[FsspecPlace]:
    place = open_place(f"memory://lin-{os.getpid()}-{next(_numbers)}")
    assert isinstance(place, FsspecPlace)
    yield place
    for info in list(place.list()):
        place.delete(info.name)


class Harm:
    """Do to a store what disks and people do."""

    def packs(self, store: BlobStore, digest: Digest) -> list[str]:
        """Return the files that a blob lies in."""
        store.packs.refresh()
        reached = store.upkeep.reach([digest])
        found = {record.pack for part, _ in reached for record in store.catalogue.find(part)}
        return [pack_file(name) for name in sorted(found)]

    def flip(self, store: BlobStore, file: str, position: int, bit: int = 0) -> None:
        """Change one bit of a file, by its place from the front or, below zero, the end."""
        data = bytearray(store.place.read(file))
        data[position] ^= 1 << bit
        self.put(store, file, bytes(data))

    def put(self, store: BlobStore, file: str, data: bytes) -> None:
        """Write other bytes where a pack was."""
        store.place.replace(file, data)
        store.packs.close()  # or the old file would stay open

    def spoil(self, store: BlobStore, digest: Digest) -> None:
        """Change the first byte of each record of a blob."""
        store.packs.refresh()
        for part, _ in store.upkeep.reach([digest]):
            for record in store.catalogue.find(part):
                if record.entry.stored:
                    self.flip(store, pack_file(record.pack), record.entry.offset)

    def remove(self, store: BlobStore, digest: Digest) -> None:
        """Delete a blob, and leave all others."""
        for info in list(store.upkeep.packs()):
            if any(entry.digest == digest.value for entry in store.upkeep.table(info).entries):
                store.rewrite([info.name], lambda entry: entry.digest != digest.value)
                store.upkeep.delete(info.name)
        store.packs.refresh()


@pytest.fixture
def harm() -> Harm:
    return Harm()


@pytest.fixture
def store(local: LocalPlace) -> BlobStore:
    return BlobStore(local)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - only for S3: it takes a second

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_url(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415 - only for S3

    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    if "created" not in _bucket:
        boto3.client("s3").create_bucket(Bucket="bucket")
        _bucket.add("created")
    return f"s3://bucket/a/folder{next(_numbers)}"


@pytest.fixture
def s3(s3_url: str) -> BucketPlace:
    place = open_place(s3_url)
    assert isinstance(place, BucketPlace)
    return place
