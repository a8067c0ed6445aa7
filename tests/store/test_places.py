"""Every place passes the shipped suite: a folder, memory, and buckets of every kind on real servers."""

from __future__ import annotations

import itertools
from typing import ClassVar

import pytest

from lin.store.bucket import BucketPlace
from lin.store.local import LocalPlace
from lin.store.place import Place
from lin.store.places import open_place
from lin.store.remote import FsspecPlace
from lin.store.testing import PlaceSuite

_numbers = itertools.count()


class TestLocal(PlaceSuite):
    @pytest.fixture
    def place(self, local: LocalPlace) -> Place:
        return local


class TestMemory(PlaceSuite):
    @pytest.fixture
    def place(self, memory: FsspecPlace) -> Place:
        return memory


class TestS3(PlaceSuite):
    examples: ClassVar[int] = 3

    @pytest.fixture
    def place(self, s3: BucketPlace) -> Place:
        return s3


class TestFsspecDriverOfABucket(PlaceSuite):
    examples: ClassVar[int] = 3

    @pytest.fixture
    def place(self, s3_url: str) -> Place:
        return FsspecPlace(s3_url)


@pytest.mark.service
class TestRealS3(PlaceSuite):
    examples: ClassVar[int] = 10

    @pytest.fixture
    def place(self, s3_service) -> Place:
        return open_place(f"{s3_service.url}/places/{next(_numbers)}")


@pytest.mark.service
class TestRealAzure(PlaceSuite):
    examples: ClassVar[int] = 5

    @pytest.fixture
    def place(self, azure_service) -> Place:
        return open_place(f"{azure_service.url}/places/{next(_numbers)}")


@pytest.mark.service
class TestRealGoogle(PlaceSuite):
    examples: ClassVar[int] = 5

    @pytest.fixture
    def place(self, google_service) -> Place:
        return open_place(f"{google_service.url}/places/{next(_numbers)}")
