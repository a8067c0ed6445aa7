"""What is held more than once."""

from __future__ import annotations

import pytest

from lin.tables.records import Relation


def named(group):
    return [artifact.label for artifact in group]


def test_bytes_tables_and_rows(repository, tables, make_rows):
    """Equal bytes, equal tables and shared rows are told, each once."""
    some = make_rows(0, 400)
    tables.put("a.csv", some)
    tables.put("b.parquet", some)
    tables.put("c.csv", some[::-1])
    tables.put("copy.csv", some)
    tables.put("near.csv", some[40:])
    tables.put("far.csv", [*some[:20], *make_rows(900, 1300)])
    tables.put("alone.csv", make_rows(2000, 2100))
    found = repository.duplicates(at_least=0.5)
    groups = {group.relation: named(group.artifacts) for group in found.groups}
    assert groups == {
        Relation.BYTES: ["a.csv@v1", "copy.csv@v1"],
        Relation.ROWS: ["a.csv@v1", "b.parquet@v1", "c.csv@v1", "copy.csv@v1"],
    }
    ((near),) = found.near
    assert (named(near.old)[0], named(near.new), near.share_old, near.share_new) == (
        "a.csv@v1",
        ["near.csv@v1"],
        0.9,
        1.0,
    )
    assert near.exact
    assert found.tables == 4
    assert len(repository.duplicates(at_least=0.02).near) == 2


def test_of_one_dataset(repository, tables, make_rows):
    """A file that was never put is compared with everything, and a recorded one with everything else."""
    some = make_rows(0, 400)
    tables.put("a.csv", some)
    tables.put("most.csv", some[100:])
    tables.write("new.parquet", some)
    found = repository.duplicates("new.parquet")
    assert [(group.relation, named(group.artifacts)) for group in found.groups] == [(Relation.ORDERED, ["a.csv@v1"])]
    assert [(named(near.new), near.share_old) for near in found.near] == [(["most.csv@v1"], 0.75)]
    assert repository.duplicates("a.csv").groups == ()
    assert not repository.duplicates("most.csv", at_least=1.0).near[0].share_old < 1


def test_a_small_table_in_a_large_one(repository, tables, make_rows):
    """A few rows are found in a table that is a thousand times as large, where no sketch tells."""
    tables.put("large.csv", make_rows(0, 60_000))
    tables.put("small.csv", make_rows(30_000, 30_040))
    ((near),) = repository.duplicates("small.csv").near
    assert (named(near.new), near.share_old, near.exact) == (["large.csv@v1"], 1.0, True)


def test_versions_of_one_name_are_expected(repository, tables, make_rows):
    """What only versions of one name share is left out, unless it is asked for."""
    tables.put("a.csv", make_rows(0, 100))
    tables.put("a.csv", make_rows(1, 100))
    assert not repository.duplicates().found
    assert repository.duplicates(versions=True).near[0].share_old == pytest.approx(0.99)


def test_what_is_no_table_is_compared_by_bytes(repository, home):
    """Bytes that are no table are found by their digest."""
    for name in ("a.bin", "b.bin"):
        (home / name).write_bytes(b"\0\1\2")
        repository.put(name)
    (group,) = repository.duplicates("a.bin").groups
    assert (group.relation, named(group.artifacts)) == (Relation.BYTES, ["a.bin@v1", "b.bin@v1"])
    assert repository.duplicates().unidentified == 1


def test_the_same_table_after_a_put(repository, tables, make_rows):
    """Who put the same rows before is known when a table is."""
    first = tables.put("a.csv", make_rows(0, 9))
    second = tables.put("b.parquet", make_rows(0, 9))
    assert repository.same_table(second) == [first]
    assert repository.same_table(tables.put("c.csv", make_rows(1, 9))) == []
