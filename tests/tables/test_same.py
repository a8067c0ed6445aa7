"""What two datasets have in common, of files and of what is recorded."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lin.errors import InvalidInputError, NotFoundError
from lin.tables.records import Relation

COLUMNS = ("id", "name", "value")


@pytest.mark.parametrize("recorded", [True, False])
def test_every_relation(repository, tables, make_rows, recorded):
    """Bytes, order, rows, names and overlap are told apart, of refs as of files that were never put."""
    make = tables.put if recorded else tables.write
    some = make_rows(0, 300)
    for name, content, columns in (
        ("a.csv", some, COLUMNS),
        ("copy.csv", some, COLUMNS),
        ("a.parquet", some, COLUMNS),
        ("turned.csv", some[::-1], COLUMNS),
        ("named.csv", some, ("key", "name", "value")),
        ("edited.csv", [*some[:-1], (299, "other", 0.125)], COLUMNS),
        ("more.csv", [*some, *make_rows(300, 301)], COLUMNS),
        ("other.csv", make_rows(900, 950), COLUMNS),
    ):
        make(name, content, columns)
    found = {
        name: repository.same("a.csv", name).relation
        for name in ("copy.csv", "a.parquet", "turned.csv", "named.csv", "edited.csv", "more.csv", "other.csv")
    }
    assert found == {
        "copy.csv": Relation.BYTES,
        "a.parquet": Relation.ORDERED,
        "turned.csv": Relation.ROWS,
        "named.csv": Relation.RENAMED,
        "edited.csv": Relation.OVERLAPPING,
        "more.csv": Relation.OVERLAPPING,
        "other.csv": Relation.DIFFERENT,
    }
    assert repository.same("a.csv", "named.csv").renamed == (("id", "key"),)
    edited = repository.same("a.csv", "edited.csv")
    assert ([each.name for each in edited.changed], edited.shared) == (["name", "value"], 299)
    assert not edited.same
    assert repository.same("a.csv", "other.csv").shared == 0


def test_types_that_differ_are_named(repository):
    """The same values of other types are the same rows, and it is said which types."""
    pq.write_table(pa.table({"id": pa.array([1, 2], pa.int32()), "x": ["a", "b"]}), "narrow.parquet")
    pq.write_table(pa.table({"id": pa.array([1, 2], pa.int64()), "x": ["a", "b"]}), "wide.parquet")
    Path("text.parquet").write_bytes(b"")
    pq.write_table(pa.table({"id": pa.array(["x1", "x2"]), "x": ["a", "b"]}), "text.parquet")
    found = repository.same("narrow.parquet", "wide.parquet")
    assert found.same
    assert [(each.name, each.old, each.new) for each in found.types] == [("id", "int32", "int64")]
    (changed,) = repository.same("narrow.parquet", "text.parquet").changed
    assert (changed.name, changed.kinds) == ("id", (("int",), ("text",)))


def test_what_is_no_table_has_bytes(repository):
    """Bytes that are no table are the same bytes or not, with the reason."""
    for name, data in (("a.bin", b"\0\1\2"), ("b.bin", b"\0\1\2"), ("c.bin", b"\0\1\3")):
        Path(name).write_bytes(data)
    found = repository.same("a.bin", "b.bin")
    assert found.relation is Relation.BYTES
    assert found.old.reason
    assert repository.same("a.bin", "c.bin").relation is Relation.DIFFERENT


def test_a_ref_wins_and_nothing_is_an_error(repository, tables, make_rows):
    """A name in the repository is meant before a file of that name; what is neither is not found."""
    tables.put("a.csv", make_rows(0, 3))
    tables.write("a.csv", make_rows(5, 9))
    assert repository.same("a.csv", Path("a.csv")).relation is Relation.DIFFERENT
    for wrong in ("nowhere.csv", "nowhere@v1"):
        with pytest.raises(NotFoundError):
            repository.same("a.csv", wrong)
    with pytest.raises(NotFoundError):
        repository.same("a.csv", "./a.csv", files=False)


def test_one_of_several_tables_is_chosen(repository, tables, make_rows):
    """`#` and a name choose a table of a database; without it the choice is asked for."""
    with sqlite3.connect("two.db") as db:
        db.execute("CREATE TABLE one (id INTEGER)")
        db.execute("CREATE TABLE two (id INTEGER)")
        db.executemany("INSERT INTO two VALUES (?)", [(1,), (2,)])
    db.close()
    tables.write("two.csv", [(1,), (2,)], ("id",))
    assert repository.same("two.db#two", "two.csv").same
    artifact = repository.put("two.db").artifact
    repository.identify(str(artifact.id))
    assert repository.same("two.db@v1#two", "two.csv").same
    with pytest.raises(InvalidInputError, match="holds 2 tables"):
        repository.same("two.db@v1", "two.csv")


@pytest.mark.parametrize("recorded", [True, False])
def test_other_names_in_another_order(repository, tables, make_rows, recorded):
    """Columns with other names are found when the rows are in another order, too; one cell more, and they are not."""
    make = tables.put if recorded else tables.write
    some = make_rows(0, 300)
    make("a.csv", some)
    make("b.parquet", [(n, v, s) for n, s, v in some[::-1]], ("key", "price", "who"))
    found = repository.same("a.csv", "b.parquet")
    assert (found.relation, found.reordered) == (Relation.RENAMED, True)
    assert dict(found.renamed) == {"id": "key", "value": "price", "name": "who"}
    make("c.csv", [*some[:100], (100, "name 3", 12.5), *some[101:]][::-1], ("key", "name", "value"))
    assert repository.same("a.csv", "c.csv").relation is Relation.DIFFERENT


def test_names_that_were_swapped(repository, tables):
    """Columns that hold the same cells, in other rows, are told apart by the rows: here two names were swapped."""
    some = [(n, (n * 7) % 100, n % 3) for n in range(100)]
    tables.write("a.csv", some, ("x", "y", "z"))
    tables.write("b.csv", some[::-1], ("y", "x", "z"))
    found = repository.same("a.csv", "b.csv")
    assert (found.relation, found.reordered) == (Relation.RENAMED, True)
    assert sorted(found.renamed) == [("x", "y"), ("y", "x")]
    tables.write("c.csv", [(b, (a * 3) % 100, c) for a, b, c in some[::-1]], ("x", "y", "z"))
    assert repository.same("a.csv", "c.csv").relation is not Relation.RENAMED
