"""What follows from sketches, and what does not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lin.errors import BlobNotFoundError
from lin.lineage.table_id import TableId
from lin.store.digest import Digest
from lin.tables.cached import first_distinct
from lin.tables.known import Known
from lin.tables.sketches import CROWD, SKETCH, SketchIndex, estimate

RANDOM = np.random.default_rng(7)
NAMES = ("a", "b")


def keys(count):
    return np.sort(RANDOM.integers(0, 2**64, count, dtype=np.uint64)).astype("<u8")


def sketch(some):
    return np.unique(some)[:SKETCH]


class Blobs(dict[Digest, bytes]):
    def add(self, number, some, names=NAMES):
        """Make a known table of keys."""
        blobs = {"schema": json.dumps([{"name": n} for n in names]).encode(), "sketch": sketch(some).tobytes()}
        made = {what: Digest.of(data) for what, data in blobs.items()}
        self.update((made[what], data) for what, data in blobs.items())
        return Known(TableId("set", number.to_bytes(32, "big")), len(some), made["schema"], made["sketch"], None)

    def __missing__(self, digest):
        raise BlobNotFoundError(str(digest))


def test_small_tables_are_counted():
    """Where both sketches hold every row, nothing is estimated."""
    one = keys(1_000)
    guess = estimate(sketch(one), sketch(one[250:]))
    assert (guess.whole, guess.share_old, guess.share_new) == (True, 0.75, 1.0)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.9])
def test_shares_are_estimated(part):
    """Of large tables the share of rows comes out to within five standard errors."""
    one = keys(50_000)
    other = np.sort(np.concatenate([one[RANDOM.permutation(50_000)[: int(50_000 * part)]], keys(30_000)]))
    guess = estimate(sketch(one), sketch(other))
    assert not guess.whole
    assert abs(guess.share_old - part) < 5 * np.sqrt(part * (1 - part) / guess.old)


def test_nothing_is_near_nothing():
    """An empty table shares nothing with any."""
    guess = estimate(keys(0), keys(10))
    assert (guess.share_old, guess.share_new) == (0.0, 0.0)


def test_near_tables_are_found(tmp_path):
    """A table that keeps 2 % of another's rows is found by it; one with none is not, nor one with other columns."""
    index, blobs = SketchIndex(tmp_path), Blobs()
    one = keys(20_000)
    tables = [
        blobs.add(1, one),
        blobs.add(2, np.concatenate([one[::50], keys(400)])),
        blobs.add(3, keys(20_000)),
        blobs.add(4, one, ("a", "c")),
    ]
    numbers = index.follow(tables, blobs.__getitem__)
    assert sorted(numbers) == [1, 2, 3, 4]
    assert index.near(NAMES, sketch(one)).keys() == {1, 2}
    assert index.near(("b", "a"), sketch(one)).keys() == {1, 2}
    assert index.pairs() == {(1, 2)}
    assert index.follow(tables, Blobs().__getitem__) == numbers  # nothing is read twice


def test_a_crowd_makes_no_square(tmp_path):
    """A thousand versions of one table are joined by a chain of pairs, not each with each."""
    index, blobs = SketchIndex(tmp_path), Blobs()
    one = keys(300)
    count = 4 * CROWD
    index.follow([blobs.add(n, np.concatenate([one, keys(1)])) for n in range(count)], blobs.__getitem__)
    pairs = index.pairs()
    assert count - 1 <= len(pairs) < 10 * count
    joined = {1}
    for a, b in sorted(pairs):
        joined |= {a, b} if a in joined else set()
    assert len(joined) == count


def test_a_sketch_that_is_not_here_comes_later(tmp_path):
    """A table whose sketch is missing is left out until it is there."""
    index, blobs = SketchIndex(tmp_path), Blobs()
    table = blobs.add(1, keys(10))
    assert index.follow([table], Blobs().__getitem__) == {}
    assert index.follow([table], blobs.__getitem__) == {1: table}


def test_a_damaged_index_is_made_again(tmp_path):
    """What SQLite cannot read is replaced."""
    blobs = Blobs()
    SketchIndex(tmp_path).follow([blobs.add(1, keys(10))], blobs.__getitem__)
    (tmp_path / "sketches-v1.sqlite3").write_bytes(b"no database at all, but long enough to be looked at" * 9)
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"sketches-v1.sqlite3{suffix}").unlink(missing_ok=True)
    assert list(SketchIndex(tmp_path).follow([blobs.add(1, keys(10))], blobs.__getitem__)) == [1]


def test_first_distinct():
    """The least different keys are found behind any number of copies."""
    some = np.sort(
        np.concatenate(
            [np.zeros(100_000, "<u8"), np.arange(1, 50, dtype="<u8"), np.full(9_000, 60, "<u8"), keys(10_000)]
        )
    )
    assert first_distinct(some, 70).tolist() == np.unique(some)[:70].tolist()
    assert first_distinct(some[:5], 70).tolist() == [0]
