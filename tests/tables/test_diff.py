"""How two tables differ, row by row."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lin.errors import InvalidInputError

_ROWS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from("xyz")), max_size=12)


@given(_ROWS, _ROWS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_added_and_removed_are_multisets(repository, tables, one, other):
    """Rows are added and removed as often as one table has them more often than the other."""
    tables.write("one.csv", one, ("a", "b"))
    tables.write("other.csv", other, ("a", "b"))
    found = repository.table_diff("one.csv", "other.csv", key=[], examples=99)
    before, after = Counter(one), Counter(other)
    assert (found.removed, found.added) == ((before - after).total(), (after - before).total())
    assert found.equal == (before & after).total()
    shown: dict[str, Counter[tuple[int, str]]] = {"removed": Counter(), "added": Counter()}
    for row in found.rows:
        shown[row.change][int(row.values["a"] or 0), row.values["b"] or ""] += 1
    assert shown == {"removed": before - after, "added": after - before}
    assert all(one[r.old - 1] == (int(r.values["a"]), r.values["b"]) for r in found.rows if r.old)


def test_changed_by_a_key_that_is_found(repository, tables, make_rows):
    """A column whose cells are all different tells which rows changed, and which cells."""
    rows = make_rows(0, 200)
    tables.put("old.csv", rows)
    edited = [*rows[:50], (50, "other", 0.5), *rows[51:190], (900, "new", 1.5)]
    tables.put("new.parquet", edited[::-1])
    found = repository.table_diff("old.csv", "new.parquet")
    assert (found.key, found.found) == (("id",), True)
    assert (found.equal, found.added, found.removed, found.changed) == (189, 1, 10, 1)
    assert found.cells == {"name": 1, "value": 1}
    changed, first, *_ = found.rows
    assert (changed.old, changed.new, changed.values) == (51, 141, {"id": "50"})
    assert {c.column: (c.old, c.new) for c in changed.cells} == {"name": ("name 1", "other"), "value": ("6.25", "0.5")}
    assert (first.change, first.old, first.new) == ("removed", 191, None)
    assert not found.same
    assert repository.table_diff("old.csv", "new.parquet", key=["id"]).changed == 1
    assert repository.table_diff("old.csv", "new.parquet", key=[]).changed == 0


def test_columns(repository, tables, make_rows):
    """Columns that came, went, or got another name or type are told; rows are compared by the others."""
    rows = make_rows(0, 20)
    tables.write("old.csv", rows)
    tables.write("named.csv", rows, ("id", "title", "value"))
    tables.write("texts.csv", [(f"n{n}", name, value) for n, name, value in rows])
    found = repository.table_diff("old.csv", "named.csv")
    assert (found.removed_columns, found.added_columns, found.renamed) == (("name",), ("title",), (("name", "title"),))
    assert found.equal == 20
    (kinds,) = repository.table_diff("old.csv", "texts.csv").types
    assert (kinds.name, kinds.kinds) == ("id", (("int",), ("text",)))
    (column,) = [c for c in repository.table_diff("old.csv", "texts.csv").columns if c.name == "id"]
    assert (column.old["max"], column.new["max"]) == (19, "n9")


def test_a_key_that_repeats_is_none(repository, tables, make_rows):
    """What several rows share is refused as a key, and so is a column that is not there."""
    tables.write("old.csv", make_rows(0, 20))
    tables.write("new.csv", make_rows(1, 22))
    with pytest.raises(InvalidInputError, match=r"name is no key of old\.csv: 13 rows repeat one"):
        repository.table_diff("old.csv", "new.csv", key=["name"])
    with pytest.raises(InvalidInputError, match="not a column of both"):
        repository.table_diff("old.csv", "new.csv", key=["nope"])


def test_the_same_table(repository, tables, make_rows):
    """Another format and order is no difference."""
    tables.write("old.csv", make_rows(0, 20))
    tables.write("new.parquet", make_rows(0, 20)[::-1])
    found = repository.table_diff("old.csv", "new.parquet")
    assert found.same
    assert (found.equal, found.rows, found.columns) == (20, (), ())


def test_all_rows_that_differ_as_arrow(repository, tables, make_rows):
    """Every row that differs is written, with its number and what became of it."""
    rows = make_rows(0, 300)
    tables.write("old.csv", rows)
    tables.write("new.csv", [*rows[:100], (100, "other", 12.5), *rows[101:], *make_rows(300, 305)])
    found = repository.table_diff("old.csv", "new.csv", examples=1, arrow="changes.arrow")
    table = pa.ipc.open_file(Path("changes.arrow")).read_all()
    assert table.schema.names == ["change", "row", "id", "name", "value"]
    assert [(r["change"], r["row"]) for r in table.to_pylist()] == [
        ("before", 101),
        ("after", 101),
        *(("added", number) for number in range(301, 306)),
    ]
    assert len(found.rows) == 2
