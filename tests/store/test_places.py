"""Every place passes the shipped suite."""

from __future__ import annotations

from typing import ClassVar

import pytest

from lin.store.local import LocalPlace
from lin.store.place import Place
from lin.store.remote import FsspecPlace
from lin.store.testing import PlaceSuite


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
    def place(self, s3: FsspecPlace) -> Place:
        return s3
