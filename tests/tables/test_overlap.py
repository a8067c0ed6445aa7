"""Rows that are in both of two tables: exact, whatever the sizes, by keys and by columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lin.errors import InvalidInputError
from lin.lineage import tables as kernel
from lin.tables import overlapping, rowfile


@given(st.lists(st.integers(0, 12), max_size=40), st.lists(st.integers(0, 12), max_size=40), st.booleans())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_as_counted_by_hand(tmp_path_factory, one, other, alike):
    """Copies count, and digests that only begin alike are no match."""

    def file(name, values):
        head = [0 if alike else value for value in values]
        digests = [[h] * 8 + [v] * 24 for h, v in zip(head, values, strict=True)]
        return rowfile.write(folder / name, [np.array(digests, np.uint8).reshape(-1, 32)], run=9)

    folder = tmp_path_factory.mktemp("rows")
    found = overlapping.common(file("a", one), file("b", other))
    both = set(one) & set(other)
    assert len(found.old) == len(found.new) == len(both)
    assert found.rows_old == sum(value in both for value in one)
    assert found.rows_new == sum(value in both for value in other)


@pytest.mark.parametrize("recorded", [True, False])
def test_rows_in_both(repository, tables, make_rows, recorded):
    """Rows are found across formats with their numbers and cells, each copy counted."""
    make = tables.put if recorded else tables.write
    make("train.parquet", [*make_rows(0, 500), *make_rows(0, 10)])
    make("test.csv", [*make_rows(900, 950), *make_rows(5, 25)])
    found = repository.overlap("test.csv", "train.parquet", examples=2)
    assert (found.rows_old, found.rows_new, found.distinct) == (20, 25, 20)
    assert [(each.old, each.new) for each in found.examples] == [(51, 6), (52, 7)]
    assert found.examples[0].values == {"id": "5", "name": "name 5", "value": "0.625"}
    back = repository.overlap("train.parquet", "test.csv", examples=0)
    assert (back.rows_old, back.rows_new, back.examples) == (25, 20, ())


def test_none_in_both(repository, tables, make_rows):
    """Tables without a common row share none, and neither do those whose columns have other names."""
    tables.put("a.csv", make_rows(0, 50))
    tables.put("b.csv", make_rows(60, 90))
    tables.put("c.csv", make_rows(0, 50), ("id", "name", "worth"))
    assert repository.overlap("a.csv", "b.csv").distinct == 0
    assert repository.overlap("a.csv", "c.csv").distinct == 0
    assert repository.overlap("a.csv", "c.csv", columns=["id", "name"]).rows_old == 50


def test_by_key(repository, tables, make_rows):
    """By a key, rows that changed elsewhere are found, and those that did not are counted."""
    tables.put("old.csv", make_rows(0, 100))
    tables.put("new.csv", [*make_rows(0, 60), *make_rows(60, 120, shift=1)])
    found = repository.overlap("old.csv", "new.csv", key=["id"])
    assert (found.rows_old, found.rows_new, found.equal) == (100, 100, 60)
    with pytest.raises(InvalidInputError, match="has no column 'nope'"):
        repository.overlap("old.csv", "new.csv", key=["nope"])


def test_a_forged_key_is_no_match(repository, tables, make_rows, monkeypatch):
    """Rows whose digests only share their first 8 bytes are not told to be in both."""
    genuine = kernel.row_digests

    def forged(batch, texts=None):
        digests = genuine(batch, texts).copy()
        digests[:, :8] = 1
        return digests

    tables.write("a.csv", make_rows(0, 30))
    tables.write("b.csv", make_rows(20, 60))
    monkeypatch.setattr("lin.tables.cached.TableCache.keys", lambda *_: np.full(30, 0x0101010101010101, "<u8"))
    monkeypatch.setattr(kernel, "row_digests", forged)
    assert repository.overlap("a.csv", "b.csv").rows_old == 10
