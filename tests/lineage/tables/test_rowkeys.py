"""Sorted row keys: their file, and the rows that two tables share."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lin.errors import CorruptContentError, UnsupportedFormatError
from lin.lineage.tables import Digester, row_digests, rowkeys
from lin.lineage.tables.spill import keys_of

pytestmark = pytest.mark.usefixtures("each_engine")

KEYS = st.one_of(st.integers(0, 20), st.integers(0, 2**64 - 1), st.sampled_from([0, 2**63, 2**64 - 1]))


def array(keys: list[int]) -> np.ndarray:
    return np.array(sorted(keys), np.uint64)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(KEYS, max_size=60), st.lists(KEYS, max_size=60))
def test_shared(left: list[int], right: list[int]):
    """Shared keys, and how often each table has them, are what counting by hand finds."""
    found = rowkeys.shared(array(left), array(right))
    both = sorted(set(left) & set(right))
    assert found.keys.tolist() == both
    assert found.left.tolist() == [Counter(left)[key] for key in both]
    assert found.right.tolist() == [Counter(right)[key] for key in both]
    assert rowkeys.counts(array(left), array(both)).tolist() == found.left.tolist()
    assert rowkeys.shared_rows(array(left), array(right)) == sum(key in right for key in left)
    assert rowkeys.distinct(array(left)) == len(set(left))


def test_far_apart():
    """A few keys are found in many, wherever they lie."""
    many = np.sort(np.random.default_rng(0).integers(0, 2**64, 100_000, dtype=np.uint64))
    for wanted in (many[[0, 1, 2, 50_000, 99_998, 99_999]], many[::1000], many):
        assert np.array_equal(rowkeys.shared(wanted, many).keys, wanted)
        assert np.array_equal(rowkeys.shared(many, wanted).keys, wanted)


def written(path: Path, table: pa.Table) -> bytes:
    with Digester(table.schema) as digester, path.open("wb") as target:
        for batch in table.to_batches():
            digester.update(batch)
        identity = digester.finish()
        digester.write_row_keys(target)
    return identity.set


def test_file(tmp_path: Path):
    """A file of row keys is mapped, knows its table, and finds the rows of a part in the whole."""
    train = pa.table({"x": list(range(1000)), "y": ["a", "b"] * 500})
    test = pa.table({"x": [5, 6, 5, 2000], "y": ["b", "a", "b", "a"]})
    table = written(tmp_path / "train", train)
    written(tmp_path / "test", test)
    one, two = rowkeys.open_row_keys(tmp_path / "train"), rowkeys.open_row_keys(tmp_path / "test")
    assert one.set == table
    assert isinstance(one.keys, np.memmap)
    assert np.array_equal(rowkeys.read_row_keys((tmp_path / "train").read_bytes()).keys, one.keys)
    found = rowkeys.shared(two.keys, one.keys)
    assert sorted(found.left.tolist()) == [1, 2]
    assert np.isin(keys_of(row_digests(test.to_batches()[0])), found.keys).tolist() == [True, True, True, False]


def test_empty_file(tmp_path: Path):
    """A table without rows has a file of row keys, and shares nothing."""
    written(tmp_path / "keys", pa.table({"x": pa.array([], pa.int8())}))
    keys = rowkeys.open_row_keys(tmp_path / "keys").keys
    assert len(keys) == 0
    assert len(rowkeys.shared(keys, array([1])).keys) == 0
    assert (rowkeys.distinct(keys), rowkeys.shared_rows(array([1]), keys)) == (0, 0)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda content: content[:-1], CorruptContentError),
        (lambda content: content[:10], CorruptContentError),
        (lambda content: b"", CorruptContentError),
        (lambda content: b"something" + content[9:], CorruptContentError),
        (lambda content: content[:7] + b"2" + content[8:], UnsupportedFormatError),
    ],
)
def test_damaged_file(tmp_path: Path, change, error):
    """A file that is cut short, of something else, or of a newer version is refused."""
    path = tmp_path / "keys"
    written(path, pa.table({"x": [1, 2, 3]}))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(error):
        rowkeys.open_row_keys(path)
    with pytest.raises(error):
        rowkeys.read_row_keys(path.read_bytes())
