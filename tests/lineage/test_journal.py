"""The journal makes commits durable before the log's files are, and brings these in order after a power cut."""

# ruff: noqa: PTH110, PTH112, PTH115, PTH116, PTH118, PTH120 - the calls of `os` are what is watched

from __future__ import annotations

import base64
import errno
import json
import os
import random
import struct
from hashlib import sha256
from pathlib import Path

import pytest

from lin.errors import CorruptLogError, LinError, PermissionDeniedError
from lin.lineage import journal, journaled
from lin.lineage.audit import audit
from lin.lineage.checkpoint import Checkpoint
from lin.lineage.envelope import parse
from lin.lineage.journal import NAME, Journal
from lin.lineage.log import CHECKPOINT, Log
from lin.lineage.log_lock import LogLock
from lin.lineage.log_testing import LOG_KEY, CrashError, ScanningAdmission, ids, introduction, run_started
from lin.lineage.sequencer import Sequencer
from lin.lineage.tiles import edge_of, tiles_of
from lin.store import durable
from lin.store.local import LocalPlace

VECTORS = Path(__file__).parents[2] / "docs" / "formats" / "journal-vectors.json"

pytestmark = pytest.mark.skipif(not journal.boot(), reason="the system does not say when it was started")


@pytest.fixture(autouse=True)
def start_system(tmp_path, monkeypatch):
    """Return what starts the system anew, as far as journals can tell."""
    file = tmp_path / "boot_id"
    monkeypatch.setattr(journal, "_BOOT", file)

    def start(name):
        file.write_text(f"{name}\n")
        journal.boot.cache_clear()

    start("first")
    yield start
    journal.boot.cache_clear()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "repository"


@pytest.fixture
def log(folder):
    log = open_log(folder)
    log.create(LOG_KEY)
    return log


def open_log(folder) -> Log:
    return Log(LocalPlace(folder), LOG_KEY.verifier)


def submit(log, *names):
    events = [run_started(str(name)) for name in names]
    Sequencer(log, lambda: LOG_KEY, lambda: ScanningAdmission(log)).submit(events)
    return [event.id for event in events]


def commit_many(log, count, first=0):
    sequencer = Sequencer(log, lambda: LOG_KEY, lambda: ScanningAdmission(log))
    for number in range(first, first + count):
        sequencer.submit([run_started(str(number))])


def findings(folder):
    return [finding for finding in audit(open_log(folder)).findings if "introduces the key" not in finding.message]


def partial_tiles(folder):
    return {str(path.relative_to(folder / "log")) for path in (folder / "log").rglob("*.p/*")}


# ---------------------------------------------------------------------------- the format


def unpack(data):
    """Read a journal as the specification says, with nothing of lin's."""
    assert data[:8] == b"lin jnl0"
    at, records = 8, []
    while length := struct.unpack(">I", data[at : at + 4].ljust(4, b"\0"))[0]:
        body = data[at + 36 : at + 36 + length]
        if sha256(body).digest() != data[at + 4 : at + 36]:
            break
        entries, place = [], 0
        while place < length:
            size = struct.unpack(">H", body[place : place + 2])[0]
            entries.append(body[place + 2 : place + 2 + size])
            place += 2 + size
        records.append(entries)
        at += 36 + length
    return records


def test_the_vectors(folder, log, start_system):
    """Lin writes the journal of the vectors byte for byte, and it says what they say it does."""
    start_system("00112233-4455-6677-8899-aabbccddeeff")
    submit(log, "one", "two")
    submit(log, "three")
    data = (folder / NAME).read_bytes()
    said = {
        "about": "A journal after two commits to an empty log, without the zeros that follow. docs/formats/log.md.",
        "started": "00112233-4455-6677-8899-aabbccddeeff",
        "records": [[entry.decode() for entry in record] for record in unpack(data)],
        "journal": base64.b64encode(data.rstrip(b"\0")).decode(),
    }
    if os.environ.get("LIN_WRITE_VECTORS"):
        VECTORS.write_text(json.dumps(said, indent=1) + "\n")
    vectors = json.loads(VECTORS.read_text())
    assert said == vectors
    (started, base), first, second = vectors["records"]
    assert started == vectors["started"]
    sizes = [Checkpoint.parse(note.encode(), LOG_KEY.verifier).size for note in (base, first[0], second[0])]
    assert sizes == [0, 2, 3]
    assert [parse(leaf.encode()).id for leaf in (*first[1:], *second[1:])] == ids(log)


def test_what_was_torn_is_no_commit(folder, log):
    """A record that is cut off or changed ends the journal, and the next one takes its place."""
    submit(log, "one")
    whole = Journal(LocalPlace(folder)).read()
    assert whole is not None
    with (folder / NAME).open("r+b") as file:
        file.seek(whole.end)
        file.write(struct.pack(">I", 50) + bytes(20) + b"half a record")
    assert Journal(LocalPlace(folder)).read() == whole
    submit(open_log(folder), "two")
    assert [len(record) for record in unpack((folder / NAME).read_bytes())] == [2, 2, 2]
    assert len(ids(log)) == 2


# ---------------------------------------------------------------------------- what it costs


def test_a_commit_is_one_sync(log, monkeypatch):
    """What waits for the disk in a commit is one sync of the journal."""
    commit_many(log, 3)
    syncs = []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda descriptor, name=name: syncs.append(name))
    commit_many(log, 5, first=3)
    assert syncs == ["fdatasync"] * 5


def test_a_full_journal_is_followed_by_a_larger_one(folder, log, monkeypatch):
    """When the journal is full, the log's files are synced, another is begun, and little is left beside them."""
    monkeypatch.setattr(journaled, "SMALLEST", 4096)
    monkeypatch.setattr(journaled, "LARGEST", 16384)
    sizes = []
    for number in range(60):
        submit(log, number)
        sizes.append((folder / NAME).stat().st_size)
    assert sizes == sorted(sizes)
    assert sizes[-1] == 16384
    contents = Journal(log.place).read()
    assert contents is not None
    base = log.verified(contents.base).size
    kept = {tile.name for size in (base, 59, 60) for tile in edge_of(size)}
    assert 40 < base < 60
    assert partial_tiles(folder) <= kept
    assert not findings(folder)


def test_a_large_commit_goes_by_the_journal(folder, log):
    """What would fill a journal is written and synced once, not twice."""
    submit(log, "small")
    submit(log, *range(900))
    assert len(unpack((folder / NAME).read_bytes())) == 1
    submit(log, "after")
    assert len(unpack((folder / NAME).read_bytes())) == 2
    assert len(ids(open_log(folder))) == 902
    assert not findings(folder)


# ---------------------------------------------------------------------------- killed processes


class Counter:
    """Let the system calls that change files break at the n-th one."""

    NAMES = ("replace", "unlink", "pwrite", "fdatasync", "fsync", "link", "write", "mkdir")

    def __init__(self, monkeypatch, broken_at=None, *, after=False):
        self.count = 0
        for name in self.NAMES:
            monkeypatch.setattr(os, name, self.around(getattr(os, name), broken_at, after))

    def around(self, real, broken_at, after):
        def call(*given, **named):
            breaks = self.count == broken_at
            self.count += 1
            if breaks and not after:
                raise CrashError
            result = real(*given, **named)
            if breaks:
                raise CrashError
            return result

        return call


@pytest.mark.parametrize(
    ("commits", "largest"),
    [(0, 1 << 20), (3, 1 << 20), (12, 1 << 20), (3, 4096)],
    ids=["new", "young", "full", "large"],
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_step(  # noqa: PLR0917 - pytest gives them by name
    tmp_path, monkeypatch, start_system, commits, largest, after
):
    """A writer that dies at any call leaves the old log or the new one, whole, and others go on from there."""
    monkeypatch.setattr(journaled, "SMALLEST", 8192)
    broken_at = 0
    while True:
        folder = tmp_path / f"{broken_at}"
        log = open_log(folder)
        log.create(LOG_KEY)
        commit_many(log, commits)
        before = ids(log)
        with monkeypatch.context() as patch:
            patch.setattr(journaled, "LARGEST", largest)
            counter = Counter(patch, broken_at, after=after)
            try:
                submit(log, "a", "b")
            except CrashError:
                died = True
            else:
                died = False
        new = [run_started(name).id for name in "ab"]
        seen = ids(open_log(folder))
        assert seen in (before, before + new)
        assert died or seen == before + new
        other = open_log(folder)
        submit(other, "a", "b")
        submit(other, "c")
        assert ids(open_log(folder)) == [*before, *new, run_started("c").id]
        start_system(f"start {broken_at}")  # and it can be recovered
        submit(open_log(folder), "d")
        assert len(ids(open_log(folder))) == commits + 4
        assert not findings(folder)
        if counter.count <= broken_at:
            break
        broken_at += 1
    assert broken_at > 8


# ---------------------------------------------------------------------------- power cuts


class Disk:
    """Know what of a folder is on the disk for sure, and make what a power cut may leave of it.

    A file's bytes are there once it was synced, its name once its folder was. What was not is there, or not, or
    in part, each file by itself: more than any file system does.
    """

    def __init__(self, root, monkeypatch):
        self.root = str(root)
        self.synced: set[int] = set()
        self.names: dict[str, tuple[int, bytes | None]] = {}
        self.folders: set[str] = {self.root}
        self.real = {name: getattr(os, name) for name in ("replace", "unlink", "pwrite", "fsync")}
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self.sync)
        monkeypatch.setattr(os, "replace", self.replace)
        monkeypatch.setattr(os, "unlink", self.unlink)
        monkeypatch.setattr(os, "pwrite", self.pwrite)
        monkeypatch.setattr(durable, "_sync_file_system", self.sync_all)

    def forget(self, path):
        if os.path.lexists(path):
            self.synced.discard(os.stat(path).st_ino)

    def replace(self, source, target):
        self.forget(target)
        self.real["replace"](source, target)

    def unlink(self, path):
        self.forget(path)
        self.real["unlink"](path)

    def pwrite(self, descriptor, data, at):
        self.synced.discard(os.fstat(descriptor).st_ino)
        return self.real["pwrite"](descriptor, data, at)

    def sync(self, descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if os.path.isdir(path):
            self.sync_folder(path)
            return
        number = os.fstat(descriptor).st_ino
        self.synced.add(number)
        if self.names.get(path, (0, None))[0] == number:
            self.names[path] = (number, Path(path).read_bytes())

    def sync_folder(self, folder):
        for path in [path for path in self.names if os.path.dirname(path) == folder and not os.path.exists(path)]:
            del self.names[path]
        for entry in os.scandir(folder):
            if entry.is_dir():
                self.folders.add(entry.path)
            else:
                number = entry.stat().st_ino
                self.names[entry.path] = (number, Path(entry.path).read_bytes() if number in self.synced else None)

    def sync_all(self, _path):
        for folder, _, files in os.walk(self.root):
            self.synced |= {os.stat(os.path.join(folder, name)).st_ino for name in files}
        for folder, _, _ in os.walk(self.root):
            self.sync_folder(folder)
        return True

    def cut(self, target, source):
        """Write one state that may be left into another folder."""
        there = {os.path.join(folder, name) for folder, _, files in os.walk(self.root) for name in files}
        for path in sorted(there | self.names.keys()):
            name = os.path.relpath(path, self.root)
            if name.startswith("tmp"):
                continue
            known = self.names.get(path)
            now = Path(path).read_bytes() if path in there else None
            folders = [str(parent) for parent in Path(path).parents if str(parent).startswith(self.root)]
            for_sure = known is not None and self.folders.issuperset(folders)
            if for_sure and known is not None and known[1] == now and now is not None:
                left = now
            else:
                whole = now is None or os.stat(path).st_ino in self.synced
                torn = [] if whole or now is None else [now[: len(now) // 2], bytes(len(now)), b""]
                old = [known[1] if known is not None and known[1] is not None else None]
                if known is not None and known[1] is not None and for_sure and name == NAME and now is not None:
                    # Written in place: a mixture of before and after, in pieces of a disk's own size.
                    pieces = [source.choice([now, known[1]])[at : at + 512] for at in range(0, len(now), 512)]
                    torn, old = [b"".join(pieces)], [known[1]]
                left = source.choice([now, *old, *torn])
            if left is not None:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                (target / name).write_bytes(left)


@pytest.mark.parametrize("seed", range(16))
def test_power_cuts(tmp_path, monkeypatch, start_system, seed):
    """Whatever a power cut leaves of files that were not synced, the log is sound and has all that was acknowledged."""
    source = random.Random(seed)
    monkeypatch.setattr(journaled, "SMALLEST", source.choice([4096, 8192]))
    monkeypatch.setattr(journaled, "LARGEST", source.choice([8192, 32768]))
    folder, acknowledged = tmp_path / "0", []
    folder.mkdir()
    with monkeypatch.context() as patch:
        disk = Disk(folder, patch)
        open_log(folder).create(LOG_KEY)
        disk.sync_all(folder)
    for turn in range(1, 5):
        with monkeypatch.context() as patch:
            disk = Disk(folder, patch)
            disk.sync_all(folder)  # as the system starts, all there is has come from the disk
            counter = Counter(patch, source.randrange(3, 250), after=source.random() < 0.5)
            log = open_log(folder)
            try:
                if turn == 1:
                    acknowledged += [introduction().id] if submit_introduction(log) else []
                for number in range(40):
                    many = source.choice([1, 1, 2, 9, 60])
                    acknowledged += submit(log, *(f"{turn}.{number}.{n}" for n in range(many)))
            except CrashError:
                pass
            assert counter.count > 3
        following = tmp_path / f"{turn}"
        disk.cut(following, source)
        folder = following
        start_system(f"start {turn}")
        present = ids(open_log(folder))
        assert present[: len(acknowledged)] == acknowledged
        acknowledged = present  # what was on its way may be in, and stays then
        assert not findings(folder)


def submit_introduction(log):
    Sequencer(log, lambda: LOG_KEY, lambda: ScanningAdmission(log)).submit([introduction()])
    return True


def test_a_reader_brings_the_log_in_order(folder, log, start_system):
    """After a power cut the first to read sees all that was acknowledged, without writing anything itself."""
    submit(log, "one")
    submit(log, "two", "three")
    for tile in tiles_of(3):
        (folder / "log" / tile.name).write_bytes(b"")
    (folder / CHECKPOINT).write_bytes(b"")
    start_system("second")
    assert len(ids(open_log(folder))) == 3
    assert not findings(folder)
    contents = Journal(log.place).read()
    assert contents is not None
    assert (contents.boot, contents.commits) == ("second", ())


def test_a_checkpoint_that_is_gone_comes_back(folder, log):
    """Also while the system runs, a writer that finds the log's edge damaged restores it from the journal."""
    submit(log, "one")
    (folder / CHECKPOINT).write_bytes(b"")
    submit(open_log(folder), "two")
    assert len(ids(open_log(folder))) == 2


def test_who_may_not_write_reads_what_is_there(folder, log, start_system, monkeypatch):
    """A reader that cannot take the lock reads the files as they are."""
    submit(log, "one")
    start_system("second")

    def refuse(_):
        raise PermissionDeniedError("not yours")

    monkeypatch.setattr(LogLock, "wait", refuse)
    assert len(ids(open_log(folder))) == 1


def test_a_damaged_journal_is_said(folder, log):
    """Nothing is written over a journal that cannot be read; readers do not need it."""
    submit(log, "one")
    (folder / NAME).write_bytes(b"something else")
    with pytest.raises(CorruptLogError, match="journal") as caught:
        submit(open_log(folder), "two")
    assert "lin verify" in caught.value.hint
    assert len(ids(open_log(folder))) == 1


def test_a_journal_of_another_log_is_refused(folder, log, tmp_path, start_system):
    """What the log's key did not sign is never written into the log."""
    submit(log, "one")
    contents = Journal(log.place).read()
    assert contents is not None
    Journal(log.place).begin(contents.base.replace(b"\n0\n", b"\n5\n"))
    start_system("second")
    with pytest.raises(CorruptLogError):
        submit(open_log(folder), "two")
    assert len(ids(open_log(folder))) == 1


def test_a_log_written_without_a_journal_goes_on_with_one(folder, log, start_system):
    """A log whose files were synced one by one, also by a lin that knows no journal, is continued."""
    log.extend([run_started("old").leaf], LOG_KEY)
    submit(log, "new")
    log.extend([run_started("by an older lin").leaf], LOG_KEY)
    submit(open_log(folder), "newer")
    start_system("second")
    assert len(ids(open_log(folder))) == 4
    assert not findings(folder)


def test_files_that_cannot_be_written_are_made_up_for(folder, log, monkeypatch):
    """Where the journal could be written and the log's files could not, the next commit finishes that one first."""
    sequencer = Sequencer(log, lambda: LOG_KEY, lambda: ScanningAdmission(log))
    sequencer.submit([run_started("one")])

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(LinError):
            sequencer.submit([run_started("two")])
    sequencer.submit([run_started("three")])
    sequencer.submit([run_started("two")])
    assert ids(open_log(folder)) == [run_started(name).id for name in ("one", "two", "three")]
    assert not findings(folder)


def test_a_full_disk_is_no_commit(folder, log, monkeypatch):
    """Where the journal cannot be written, nothing is acknowledged, and the log stays as it was."""
    submit(log, "one")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(Exception, match="room") as caught:
            submit(log, "two")
    assert getattr(caught.value, "kind", "") == "storage_full"
    assert len(ids(open_log(folder))) == 1
    submit(log, "two")
    assert len(ids(open_log(folder))) == 2
