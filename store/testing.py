"""The suite that every place passes: subclass `PlaceSuite` and provide a `place` fixture.

::

    class TestLocalPlace(PlaceSuite):
        @pytest.fixture
        def place(self, tmp_path: Path) -> Place:
            return LocalPlace(tmp_path / "repository")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, Event
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from lin.errors import BackendError, ConflictError, NotFoundError, UnsafePathError

from .place import Place

INTERESTING_SIZES: Mapping[int, str] = {
    0: "nothing at all",
    1: "the least there can be",
    1023: "just below one BLAKE3 chunk",
    1024: "exactly one BLAKE3 chunk",
    1025: "just above one BLAKE3 chunk",
    65_536: "one pipe buffer",
    1_048_575: "just below one piece: the largest small blob",
    1_048_576: "exactly one piece: the smallest large blob",
    1_048_577: "one byte into the second piece",
    8_388_608: "the last size a spool keeps in memory",
    8_388_609: "the first size a spool writes to disk",
}
"""Sizes in bytes at which something changes, and what."""

BAD_NAMES = (
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "../a",
    "a/.",
    "a\\b",
    "a\0b",
    "a\nb",
    "\ud800",
    "x" * 1025,
)
"""Names that no place takes."""


def pattern(size: int) -> bytes:
    """Return bytes that differ at every scale, so that a swapped or lost piece shows."""
    word = b"".join(index.to_bytes(4, "little") for index in range(min(size, 65_536) // 4 + 1))
    return b"".join(bytes([part % 251]) + word[:65_535] for part in range(size // 65_536 + 1))[:size]


class Broken(Exception):  # noqa: N818 - what a test raises on purpose
    """Raised by a test in the middle of a block."""


class PlaceSuite:
    """Say what every place does; a subclass provides `place`, empty and of its own for each test."""

    examples: ClassVar[int] = 25
    """How many random histories are tried; fewer where each call is a request."""

    @pytest.fixture
    def place(self) -> Place:
        """Return the place under test."""
        raise NotImplementedError

    # ------------------------------------------------------------------------ files

    def test_gives_back_what_was_uploaded(self, place: Place) -> None:
        """Bytes of every interesting size come back as they were, by each way of reading."""
        for size in INTERESTING_SIZES:
            data = pattern(size)
            name = f"objects/aa/{size}"
            with place.upload() as upload:
                for start in range(0, size, 1_000_003):
                    upload.write(memoryview(data)[start : start + 1_000_003])
                upload.commit(name)
            assert place.read(name) == data
            assert place.size(name) == size
            with place.open(name) as file:
                assert file.read() == data
                assert file.seek(size // 2) == size // 2
                assert file.read() == data[size // 2 :]

    def test_reads_ranges(self, place: Place) -> None:
        """Any range of a file comes back exactly, cut off only where the file ends."""
        data = pattern(300_000)
        place.replace("objects/f", data)
        place.replace("objects/empty", b"")
        for start, length in ((0, 1), (0, 300_000), (7, 0), (65_535, 65_537), (299_999, 1), (299_999, 9), (0, 300_001)):
            assert place.read_range("objects/f", start, length) == data[start : start + length]
        for start, length in ((300_000, 1), (400_000, 10), (300_000, 0), (0, 0)):
            assert place.read_range("objects/f", start, length) == b""
            assert place.read_range("objects/empty", start, length) == b""
        with pytest.raises(NotFoundError):
            place.read_range("objects/g", 0, 1)
        with pytest.raises(NotFoundError):
            place.read_range("objects", 0, 1)
        for start, length in ((-1, 1), (0, -1)):
            with pytest.raises(ValueError, match="range"):
                place.read_range("objects/f", start, length)

    def test_tells_ages(self, place: Place) -> None:
        """A listing says when each file was written, by one clock: the later one is not the older one."""
        place.replace("a", b"1")
        place.replace("b", b"2")
        times = {info.name: info.modified for info in place.list()}
        assert times["a"] is not None
        assert times["b"] is not None
        assert times["a"] <= times["b"]
        assert abs(times["a"] - time.time()) < 3600

    def test_absent_files(self, place: Place) -> None:
        """What is not there is a `NotFoundError` to readers, None to `size`, and nothing to `delete`."""
        for name in ("a", "a/b"):
            with pytest.raises(NotFoundError, match="a"):
                place.read(name)
            with pytest.raises(NotFoundError), place.open(name) as file:
                file.read()
            assert place.size(name) is None
            assert place.confirm(name) is None
            place.delete(name)
        assert list(place.list()) == []
        assert list(place.list("a")) == []

    def test_a_folder_is_no_file(self, place: Place) -> None:
        """A name that only leads to files has no size and cannot be read."""
        place.replace("a/b", b"x")
        assert place.size("a") is None
        with pytest.raises(NotFoundError):
            place.read("a")

    def test_replace(self, place: Place) -> None:
        """A replaced file has the new bytes, be they more or fewer."""
        for data in (b"first", b"the second", b"", b"4"):
            place.replace("log/checkpoint", data)
            assert place.read("log/checkpoint") == data
            assert place.confirm("log/checkpoint") == len(data)

    def test_delete(self, place: Place) -> None:
        """A deleted file is gone, its neighbours are not, and its name can be used again."""
        place.replace("a/b", b"1")
        place.replace("a/c", b"2")
        place.delete("a/b")
        place.delete("a/b")
        assert place.size("a/b") is None
        assert place.read("a/c") == b"2"
        place.create("a/b", b"3")
        assert place.read("a/b") == b"3"

    def test_list(self, place: Place) -> None:
        """A listing has every file below the folder with its size, and none of a folder beside it."""
        files = {"a": b"1", "b/c": b"22", "b/d/e": b"333", "bb/c": b"", "c/b/c": b"1"}
        for name, data in files.items():
            place.replace(name, data)
        assert {info.name: info.size for info in place.list()} == {name: len(data) for name, data in files.items()}
        assert {info.name for info in place.list("b")} == {"b/c", "b/d/e"}
        assert {info.name for info in place.list("b/d")} == {"b/d/e"}
        assert list(place.list("d")) == []

    def test_refuses_names_that_leave_it(self, place: Place) -> None:
        """A name that is absolute, climbs, or cannot be held everywhere is refused by every method."""
        calls: tuple[Callable[[str], object], ...] = (
            place.read,
            place.open,
            lambda name: place.read_range(name, 0, 1),
            place.size,
            place.confirm,
            place.delete,
            lambda name: place.create(name, b"x"),
            lambda name: place.replace(name, b"x"),
        )
        for name in BAD_NAMES:
            for call in calls:
                with pytest.raises(UnsafePathError):
                    call(name)
            with place.upload() as upload, pytest.raises(UnsafePathError):
                upload.commit(name)
        assert list(place.list()) == []

    def test_takes_unusual_names(self, place: Place) -> None:
        """Names that only look special are names like others."""
        for name in ("a b", "ä/日本", "-x", "a:b", "%41", "a?b=c", "#", "~", "x" * 200):
            place.replace(name, b"1")
            assert place.read(name) == b"1"
            assert [info.name for info in place.list()] == [name]
            place.delete(name)
            assert place.size(name) is None

    def test_url_tells_no_secret(self, place: Place) -> None:
        """The address can be shown: it holds no user and no password."""
        assert place.url
        assert "@" not in place.url

    # ------------------------------------------------------------------------ exclusion

    def test_create_refuses_what_is_there(self, place: Place) -> None:
        """A second create is a `ConflictError` that names the file, and leaves it as it is."""
        place.create("log/commit/1", b"mine")
        with pytest.raises(ConflictError, match="log/commit/1"):
            place.create("log/commit/1", b"yours")
        assert place.read("log/commit/1") == b"mine"

    def test_of_several_creators_one_wins(self, place: Place) -> None:
        """Of eight creators at once exactly one succeeds, and the file is its."""
        for number in range(5):
            barrier = Barrier(8)

            def create(who: int, name: str = f"n/{number}", barrier: Barrier = barrier) -> bool:
                barrier.wait()
                try:
                    place.create(name, b"%d" % who)
                except ConflictError:
                    return False
                return True

            with ThreadPoolExecutor(8) as pool:
                won = list(pool.map(create, range(8)))
            assert won.count(True) == 1
            assert place.read(f"n/{number}") == b"%d" % won.index(True)

    def test_readers_never_see_a_mix(self, place: Place) -> None:
        """While a file is replaced, readers see one of the versions, whole."""
        versions = [bytes([number]) * (1000 + number * 5000) for number in range(6)]
        place.replace("f", versions[0])
        done = Event()

        def watch() -> int:
            count = 0
            while not done.is_set() or not count:
                assert place.read("f") in versions
                with suppress(BackendError), place.open("f") as file:
                    assert file.read() in versions
                count += 1
            return count

        with ThreadPoolExecutor(2) as pool:
            watchers = [pool.submit(watch) for _ in range(2)]
            try:
                for data in versions * 3:
                    place.replace("f", data)
            finally:
                done.set()
            assert all(watcher.result() for watcher in watchers)

    def test_two_readers_do_not_disturb_each_other(self, place: Place) -> None:
        """Two open files of one name have positions of their own."""
        place.replace("f", b"abcdef")
        with place.open("f") as one, place.open("f") as two:
            assert one.read(3) == b"abc"
            assert two.read(2) == b"ab"
            assert one.read() == b"def"

    # ------------------------------------------------------------------------ uploads and batches

    def test_an_upload_is_invisible_until_its_commit(self, place: Place) -> None:
        """What is being written is neither listed nor readable, and is there after the commit."""
        with place.upload() as upload:
            upload.write(b"x" * 100)
            assert list(place.list()) == []
            upload.commit("a/b")
            assert place.read("a/b") == b"x" * 100
        assert [info.name for info in place.list()] == ["a/b"]

    def test_a_dropped_upload_leaves_nothing(self, place: Place) -> None:
        """Leaving the block without a commit, or by an exception, drops the bytes."""
        with place.upload() as upload:
            upload.write(b"x")
        with suppress(Broken), place.upload() as upload:
            upload.write(b"x")
            raise Broken
        assert list(place.list()) == []

    def test_an_upload_keeps_what_is_there(self, place: Place) -> None:
        """A commit to a name that is taken keeps the old bytes, unless it is to replace them."""
        place.replace("a", b"old")
        with place.upload() as upload:
            upload.write(b"new")
            upload.commit("a")
        assert place.read("a") == b"old"
        with place.upload() as upload:
            upload.write(b"new")
            upload.commit("a", replace=True)
        assert place.read("a") == b"new"

    def test_a_batch_is_there_at_its_end(self, place: Place) -> None:
        """After a batch every file of it is visible, few or many, new or replaced."""
        place.replace("r", b"old")
        for count in (1, 30):
            with place.batch() as batch:
                for number in range(count):
                    with batch.upload() as upload:
                        upload.write(b"%d" % number)
                        upload.commit(f"b{count}/{number % 7}/{number}")
                batch.replace("r", b"new %d" % count)
                batch.replace("s", b"1")
                batch.replace("s", b"2")
            found = {info.name: place.read(info.name) for info in place.list(f"b{count}")}
            assert found == {f"b{count}/{number % 7}/{number}": b"%d" % number for number in range(count)}
            assert place.read("r") == b"new %d" % count
            assert place.read("s") == b"2"

    def test_a_batch_keeps_what_is_there(self, place: Place) -> None:
        """In a batch too a commit to a name that is taken keeps the old bytes."""
        place.replace("a", b"old")
        with place.batch() as batch:
            assert batch.confirm("a") == 3
            assert batch.confirm("b") is None
            for name in ("a", "b", "b"):
                with batch.upload() as upload:
                    upload.write(b"new")
                    upload.commit(name)
        assert place.read("a") == b"old"
        assert place.read("b") == b"new"

    def test_a_broken_batch_leaves_whole_files(self, place: Place) -> None:
        """When a batch is left by an exception, each of its files is there whole or not at all."""
        with suppress(Broken), place.batch() as batch:
            for number in range(20):
                with batch.upload() as upload:
                    upload.write(b"whole")
                    upload.commit(f"b/{number}")
            with batch.upload() as upload:
                upload.write(b"half")
                raise Broken
        assert all(place.read(info.name) == b"whole" for info in place.list())

    def test_a_batch_takes_files_from_several_threads(self, place: Place) -> None:
        """Several threads may fill one batch, also with the same names."""
        with place.batch() as batch:

            def fill(who: int) -> None:
                for number in range(20):
                    with batch.upload() as upload:
                        upload.write(b"%d" % number)
                        upload.commit(f"b/{number}")
                    batch.replace(f"own/{who}", b"x")

            with ThreadPoolExecutor(4) as pool:
                list(pool.map(fill, range(4)))
        assert {info.name: place.read(info.name) for info in place.list("b")} == {
            f"b/{number}": b"%d" % number for number in range(20)
        }
        assert len(list(place.list("own"))) == 4

    def test_is_like_a_dictionary(self, place: Place) -> None:
        """Whatever is done in whatever order, a place answers as a dictionary of names and bytes would."""
        numbers = iter(range(1_000_000))

        class Machine(_Against):
            def __init__(self) -> None:
                super().__init__(place, f"run{next(numbers)}")

        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=self.examples,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType] - an enum with a metaclass
            ),
        )


_NAMES = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/f", "dd"])
_DATA = st.binary(max_size=20)


class _Against(RuleBasedStateMachine):
    """Do the same to a place and to a dictionary."""

    def __init__(self, place: Place, folder: str) -> None:
        super().__init__()
        self.place = place
        self.folder = folder
        self.model: dict[str, bytes] = {}

    def _at(self, name: str) -> str:
        return f"{self.folder}/{name}"

    @rule(name=_NAMES, data=_DATA)
    def create(self, name: str, data: bytes) -> None:
        if name in self.model:
            with pytest.raises(ConflictError):
                self.place.create(self._at(name), data)
        else:
            self.place.create(self._at(name), data)
            self.model[name] = data

    @rule(name=_NAMES, data=_DATA)
    def replace(self, name: str, data: bytes) -> None:
        self.place.replace(self._at(name), data)
        self.model[name] = data

    @rule(name=_NAMES)
    def delete(self, name: str) -> None:
        self.place.delete(self._at(name))
        self.model.pop(name, None)

    @rule(name=_NAMES, data=_DATA, replace=st.booleans(), commit=st.booleans())
    def upload(self, name: str, data: bytes, replace: bool, commit: bool) -> None:
        with self.place.upload() as upload:
            upload.write(data)
            if commit:
                upload.commit(self._at(name), replace=replace)
        if commit and (replace or name not in self.model):
            self.model[name] = data

    @rule(files=st.lists(st.tuples(_NAMES, _DATA, st.booleans()), max_size=12), fail=st.booleans())
    def batch(self, files: list[tuple[str, bytes, bool]], fail: bool) -> None:
        with suppress(Broken), self.place.batch() as batch:
            for name, data, replace in files:
                with batch.upload() as upload:
                    upload.write(data)
                    upload.commit(self._at(name), replace=replace)
            if fail:
                raise Broken
        wanted = dict(self.model)
        for name, data, replace in files:
            if replace or name not in wanted:
                wanted[name] = data
        if not fail:
            self.model = wanted
            return
        # Any subset may have been kept: learn which, and that each is one of the versions that were written.
        for name in {name for name, _, _ in files}:
            versions = {data for other, data, _ in files if other == name} | {self.model.get(name)}
            size = self.place.size(self._at(name))
            found = None if size is None else self.place.read(self._at(name))
            assert found in versions
            if found is not None:
                self.model[name] = found

    @invariant()
    def same(self) -> None:
        listed = {info.name.removeprefix(f"{self.folder}/"): info.size for info in self.place.list(self.folder)}
        assert listed == {name: len(data) for name, data in self.model.items()}
        for name, data in self.model.items():
            assert self.place.read(self._at(name)) == data
            assert self.place.size(self._at(name)) == len(data)
