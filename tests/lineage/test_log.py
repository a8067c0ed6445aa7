"""The log in its files."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from lin.errors import (
    BackendError,
    ConflictError,
    CorruptLogError,
    InvalidInputError,
    LinError,
    NotFoundError,
    ReadOnlyError,
)
from lin.lineage.commits import commit_name, encode_commit
from lin.lineage.keys import LogKey
from lin.lineage.log import CHECKPOINT, Log
from lin.lineage.log_testing import LOG_KEY, ORIGIN, BreakingPlace, CrashError
from lin.lineage.merkle import Frontier, check_consistency, check_inclusion, leaf_digest
from lin.lineage.tiles import tiles_of
from lin.store.local import LocalPlace
from lin.store.places import open_place


def leaves(start: int, stop: int, *, prefix: str = "leaf") -> list[bytes]:
    return [f"{prefix} {number}".encode() for number in range(start, stop)]


def data_of(log, *span) -> list[bytes]:
    return [leaf.data for leaf in log.read(*span)]


@pytest.fixture(params=["local", "memory"])
def log(request, tmp_path):
    """An empty log, in a folder and in memory."""
    place = LocalPlace(tmp_path) if request.param == "local" else open_place(f"memory://{tmp_path.name}-{id(request)}")
    log = Log(place, LOG_KEY.verifier)
    log.create(LOG_KEY)
    return log


def test_an_empty_log_has_a_signed_checkpoint(log):
    """Of size 0, with the root of nothing."""
    at = log.checkpoint()
    assert (at.origin, at.size, at.root) == (ORIGIN, 0, Frontier().root)
    assert at.note.startswith(f"{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— {ORIGIN} ".encode())
    assert data_of(log) == []


def test_a_log_is_started_once(log):
    """Starting it again is a conflict and leaves the log as it is."""
    log.extend(leaves(0, 3), LOG_KEY)
    with pytest.raises(ConflictError):
        log.create(LOG_KEY)
    assert log.checkpoint().size == 3


def test_what_was_appended_is_read(log):
    """In any portions, around the sizes at which bundles and tiles fill up."""
    sizes = [1, 2, 255, 256, 257, 300, 511, 512, 513, 1100]
    for before, after in zip([0, *sizes], sizes, strict=False):
        new = log.extend(leaves(before, after), LOG_KEY)
        assert new == log.checkpoint()
        assert new.root == Frontier().extend(leaf_digest(leaf) for leaf in leaves(0, after)).root
        assert log.frontier(new).root == new.root
        assert data_of(log) == leaves(0, after)
    for span in ((0, 0), (1100, 1100), (255, 257), (256, 512), (3, 4), (1099, 1100)):
        assert data_of(log, *span) == leaves(*span)
    assert [leaf.position for leaf in log.read(254, 258)] == [254, 255, 256, 257]


def test_every_implied_file_is_there_and_little_else(log):
    """After any commit: what the checkpoint implies, and at most the partial tiles of the checkpoint before.

    On the upper levels, whose partial tiles are small and seldom replaced, one more may stay for a while.
    """
    last = 0
    for size in (1, 3, 250, 255, 256, 300, 301, 302, 700, 701):
        log.extend(leaves(last, size), LOG_KEY)
        found = {info.name.removeprefix("log/") for info in log.place.list("log/tile")}
        now, before = ({tile.name for tile in tiles_of(count)} for count in (size, last))
        assert now <= found
        old = found - now - before
        assert all(name.startswith("tile/1/") for name in old)
        assert len(old) <= 1
        last = size


def test_nothing_to_append_changes_nothing(log):
    """No leaves, no commit."""
    before = log.extend(leaves(0, 3), LOG_KEY)
    assert log.extend([], LOG_KEY) == before == log.checkpoint()


def test_large_logs_are_extended_by_their_edge(tmp_path):
    """Around 65,536 leaves, where a third level begins, one commit reads a handful of files and writes as many."""
    log = Log(LocalPlace(tmp_path), LOG_KEY.verifier)
    log.create(LOG_KEY)
    log.extend(leaves(0, 65_535), LOG_KEY)
    frontier = Frontier().extend(leaf_digest(leaf) for leaf in leaves(0, 65_535))
    counting = CountingPlace(log.place)
    edge = Log(counting, LOG_KEY.verifier)
    for size in range(65_535, 65_539):
        frontier = frontier.extend([leaf_digest(b"more")])
        counting.reads = 0
        writes = counting.writes
        assert edge.extend([b"more"], LOG_KEY).root == frontier.root
        assert counting.reads <= 6
        assert counting.writes - writes <= 12, size
    at = log.checkpoint()
    for position in (0, 255, 256, 65_535, 65_536, 65_538):
        (leaf,) = log.read(position, position + 1)
        check_inclusion(leaf_digest(leaf.data), position, at.size, log.inclusion_proof(position), at.root)
    for old in (1, 255, 65_535, 65_536):
        root = Frontier().extend(leaf_digest(leaf.data) for leaf in log.read(0, old)).root
        check_consistency(old, root, at.size, at.root, log.consistency_proof(old))


class CountingPlace(BreakingPlace):
    """Count reads too."""

    reads = 0

    def read(self, name):
        self.reads += 1
        return self.inner.read(name)


def test_ranges_beyond_the_log_are_refused(log):
    """Positions and sizes that the log does not have are errors of the caller."""
    log.extend(leaves(0, 5), LOG_KEY)
    for span in ((-1, 2), (3, 2), (0, 6), (6, 6)):
        with pytest.raises(InvalidInputError):
            log.read(*span)
    with pytest.raises(InvalidInputError):
        log.inclusion_proof(5)
    with pytest.raises(InvalidInputError):
        log.consistency_proof(6)


def test_only_the_logs_own_key_writes(log):
    """Another key of the same name is refused before anything is written."""
    stranger = LogKey.from_seed(ORIGIN, bytes(32))
    files = {info.name for info in log.place.list()}
    with pytest.raises(ReadOnlyError):
        log.extend(leaves(0, 1), stranger)
    assert {info.name for info in log.place.list()} == files


def test_another_logs_checkpoint_is_refused(log):
    """A checkpoint of another origin, or signed by another key, is none."""
    for key in (LogKey.from_seed(ORIGIN, bytes(32)), LogKey.from_seed("lin/ffff", bytes(32))):
        with pytest.raises(CorruptLogError):
            Log(log.place, key.verifier).checkpoint()


@pytest.mark.parametrize(
    "text",
    [
        "lin/ffff\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        f"{ORIGIN}\n00\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        f"{ORIGIN}\n-1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        f"{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\n",
        f"{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\n",
        f"{ORIGIN}\n0\n{base64.b64encode(bytes(32)).decode()}\n",
        f"{ORIGIN}\n5\n{base64.b64encode(bytes(31)).decode()}\n",
        f"{ORIGIN}\n5\né\n",
        f"{ORIGIN}\n5\n",
        f"{ORIGIN}\n5\n\n{base64.b64encode(bytes(32)).decode()}\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(log, text):
    """The signature alone does not make a checkpoint."""
    from lin.lineage.note import sign  # noqa: PLC0415 - only here

    log.place.replace(CHECKPOINT, sign(text, [LOG_KEY]))
    with pytest.raises(CorruptLogError):
        log.checkpoint()


def test_extension_lines_are_allowed(log):
    """As the specification says, they are ignored."""
    from lin.lineage.note import sign  # noqa: PLC0415 - only here

    root = base64.b64encode(bytes(32)).decode()
    log.place.replace(CHECKPOINT, sign(f"{ORIGIN}\n5\n{root}\nmore\n", [LOG_KEY]))
    assert log.checkpoint().size == 5


def test_a_missing_checkpoint_is_damage(log):
    """Not an empty log: the file is there from the first moment on."""
    log.place.delete(CHECKPOINT)
    with pytest.raises(CorruptLogError, match="no checkpoint"):
        log.checkpoint()


@pytest.mark.parametrize("name", ["tile/entries/001.p/44", "tile/0/001.p/44", "tile/1/000.p/1"])
@pytest.mark.parametrize("damage", ["missing", "short", "changed"])
def test_a_damaged_edge_is_found_before_it_is_built_upon(log, name, damage):
    """A missing, cut or changed right-most file stops the writer, which names it and writes nothing."""
    log.extend(leaves(0, 300), LOG_KEY)
    path = f"log/{name}"
    data = log.place.read(path)
    if damage == "missing":
        log.place.delete(path)
    elif damage == "short":
        log.place.replace(path, data[:-1])
    else:
        log.place.replace(path, bytes([data[0], data[1], data[2] ^ 1]) + data[3:])
    before = log.checkpoint()
    if damage == "changed" and "entries" in name:
        # What a leaf says is checked by whoever reads all of the log, and by `lin verify`.
        assert Frontier().extend(leaf_digest(leaf) for leaf in data_of(log)).root != before.root
        return
    with pytest.raises(CorruptLogError, match="tile") as caught:
        log.extend(leaves(300, 301), LOG_KEY)
    assert damage == "changed" or name in caught.value.message
    assert log.checkpoint() == before


def test_a_reader_follows_a_writer(log):
    """Who holds an old checkpoint still reads its leaves and proofs, from wider and full tiles."""
    old = log.extend(leaves(0, 3), LOG_KEY)
    for size in (3, 10, 40, 200, 255, 300, 600):
        stop = size + 4
        log.extend(leaves(log.checkpoint().size, stop), LOG_KEY)
        assert [leaf.data for leaf in log.read(at=old)] == leaves(0, 3)
        assert log.frontier(old).root == old.root
        check_inclusion(leaf_digest(b"leaf 2"), 2, 3, log.inclusion_proof(2, at=old), old.root)


def test_a_reader_who_looks_while_files_are_replaced_finds_the_next_ones(log):
    """If a partial bundle goes away between looking at the checkpoint and reading, a wider one is read."""
    old = log.extend(leaves(0, 3), LOG_KEY)

    class Racing(BreakingPlace):
        """Let the log grow just before the first read."""

        def read(self, name):
            if name.startswith("log/tile/entries") and log.checkpoint().size < 9:
                log.extend(leaves(log.checkpoint().size, log.checkpoint().size + 2), LOG_KEY)
                log.extend(leaves(log.checkpoint().size, log.checkpoint().size + 2), LOG_KEY)
            return self.inner.read(name)

    racing = Log(Racing(log.place), LOG_KEY.verifier)
    assert [leaf.data for leaf in racing.read(at=old)] == leaves(0, 3)


def test_a_reader_does_not_follow_for_ever(log):
    """Looking for ever wider tiles ends when not even the full one is there."""
    log.extend(leaves(0, 3), LOG_KEY)

    class Running(BreakingPlace):
        """Show a log that has grown at each look, and never a tile."""

        shown = 3

        def read(self, name):
            if name == CHECKPOINT:
                Running.shown += 1
                root = Frontier().extend([bytes(32)] * self.shown).root
                return log_checkpoint(self.shown, root)
            raise NotFoundError(name)

    from lin.lineage.checkpoint import Checkpoint  # noqa: PLC0415 - only here

    def log_checkpoint(size, root):
        return Checkpoint.signed(size, root, LOG_KEY).note

    with pytest.raises(CorruptLogError, match="tile/entries/000 is missing"):
        list(Log(Running(log.place), LOG_KEY.verifier).read())


def test_a_crash_at_any_write_leaves_the_old_log_or_the_new_one(tmp_path):
    """Whatever write fails, before or after it took place: the log is sound, and trying again succeeds."""
    for after in (False, True):
        broken_at = 0
        while True:
            place = LocalPlace(tmp_path / f"{after}{broken_at}")
            log = Log(place, LOG_KEY.verifier)
            log.create(LOG_KEY)
            log.extend(leaves(0, 250), LOG_KEY)
            log.extend(leaves(250, 254), LOG_KEY)
            breaking = BreakingPlace(place, broken_at, after=after)
            try:
                Log(breaking, LOG_KEY.verifier).extend(leaves(254, 520, prefix="other"), LOG_KEY)
            except CrashError:
                crashed = True
            else:
                crashed = False
            at = log.checkpoint()
            assert at.size in ((254, 520) if crashed else (520,))
            data = data_of(log)
            assert Frontier().extend(leaf_digest(leaf) for leaf in data).root == at.root
            # Another writer goes on with other leaves, over whatever the crash left behind.
            log.extend(leaves(at.size, at.size + 4), LOG_KEY)
            assert data_of(log) == data + leaves(at.size, at.size + 4)
            if not crashed:
                assert broken_at > 6
                break
            broken_at += 1


def test_a_place_that_fails_is_not_damage(tmp_path):
    """A failing disk leads to its own error, and the log goes on afterwards."""
    place = LocalPlace(tmp_path)
    log = Log(place, LOG_KEY.verifier)
    log.create(LOG_KEY)
    breaking = BreakingPlace(place, 1, error=lambda: BackendError("the disk failed"))
    with pytest.raises(BackendError, match="the disk failed"):
        Log(breaking, LOG_KEY.verifier).extend(leaves(0, 3), LOG_KEY)
    assert log.extend(leaves(0, 3), LOG_KEY).size == 3


def test_failing_to_tidy_up_is_no_failure(tmp_path):
    """The commit stands if an old partial tile can't be deleted."""
    log = Log(LocalPlace(tmp_path), LOG_KEY.verifier)
    log.create(LOG_KEY)
    log.extend(leaves(0, 3), LOG_KEY)
    log.extend(leaves(3, 5), LOG_KEY)

    class Sticky(BreakingPlace):
        def delete(self, name):
            raise LinError(f"{name} sticks")

    assert Log(Sticky(log.place), LOG_KEY.verifier).extend(leaves(5, 6), LOG_KEY).size == 6
    assert data_of(log) == leaves(0, 6)
    assert Path(tmp_path, "log/tile/0/000.p/3").exists()
    log.extend(leaves(6, 7), LOG_KEY)
    assert not Path(tmp_path, "log/tile/0/000.p/3").exists()


def test_a_log_that_only_grew_follows(log):
    """Every earlier state is how the log began."""
    seen = [log.checkpoint(), *(log.extend(leaves(n, n + 40), LOG_KEY) for n in range(0, 400, 40))]
    for old in seen:
        log.check_follows(old.size, old.root, at=seen[-1])


def test_a_rollback_is_found(log):
    """A checkpoint older than what was seen, with its valid signature, is damage."""
    old = log.extend(leaves(0, 3), LOG_KEY)
    new = log.extend(leaves(3, 6), LOG_KEY)
    log.place.replace(CHECKPOINT, old.note)
    with pytest.raises(CorruptLogError, match="rolled back"):
        log.check_follows(new.size, new.root, at=log.checkpoint())


def test_a_lagging_checkpoint_is_no_rollback(log):
    """If signed commits lead from the checkpoint to what was seen, the log is all there."""
    old = log.extend(leaves(0, 3), LOG_KEY)
    new = log.extend(leaves(3, 6), LOG_KEY)
    log.place.create(commit_name(3), encode_commit(new, leaves(3, 6)))
    log.place.replace(CHECKPOINT, old.note)
    log.check_follows(new.size, new.root, at=old)
    with pytest.raises(CorruptLogError, match="does not begin"):
        log.check_follows(new.size, bytes(32), at=old)
    with pytest.raises(CorruptLogError, match="rolled back"):
        log.check_follows(7, bytes(32), at=old)


def test_a_rewritten_log_is_found(log, tmp_path):
    """A longer log with another beginning does not follow."""
    old = log.extend(leaves(0, 3), LOG_KEY)
    other = Log(LocalPlace(tmp_path / "other"), LOG_KEY.verifier)
    other.create(LOG_KEY)
    at = other.extend(leaves(0, 10, prefix="other"), LOG_KEY)
    with pytest.raises(CorruptLogError, match="does not begin"):
        other.check_follows(old.size, old.root, at=at)
