"""What was found out about tables goes where their bytes go, stays as long as they do, and goes when they go."""

from __future__ import annotations

import time

import pytest

from lin.collecting import collect
from lin.repository import Repository
from lin.tables.records import Relation

DAY = 24 * 60 * 60


@pytest.fixture
def other(tmp_path):
    with Repository.init(tmp_path / "other") as made:
        yield made


def derived(record):
    """Return the blobs that say what was found out about a table."""
    return {record.schema, record.summary, record.sketch, record.keys}


@pytest.mark.parametrize("way", ["pull", "push"])
def test_tables_come_along(repository, other, tables, make_rows, monkeypatch, way):  # noqa: PLR0917 - fixtures
    """What is pulled or pushed is known to be a table, and compared by its rows, without anybody looking again."""
    train, test = tables.put("train.csv", make_rows(0, 300)), tables.put("test.parquet", make_rows(290, 320))
    if way == "pull":
        other.pull(repository)
    else:
        repository.push(other)
    monkeypatch.setattr(Repository, "identify", None)
    monkeypatch.setattr("lin.tables.cached.TableCache._identify", None)
    for artifact in (train, test):
        (mine,), (theirs,) = repository.tables_of(artifact.digest), other.tables_of(artifact.digest)
        assert theirs == mine
        assert derived(theirs) == {each for each in derived(theirs) if other.store.has(each)}
    assert other.overlap("test.parquet", "train.csv", files=False).rows_old == 10
    assert other.same("test.parquet", "train.csv", files=False).relation is Relation.OVERLAPPING
    assert list(other.unidentified()) == []


def test_a_part_that_is_pulled_brings_its_tables(repository, other, tables, make_rows):
    """Of two datasets one is pulled by name: its table comes along, and that of the other one does not."""
    train, test = tables.put("train.csv", make_rows(0, 300)), tables.put("test.csv", make_rows(290, 320))
    other.pull(repository, ["train.csv"])
    (found,) = other.tables_of(train.digest)
    assert all(map(other.store.has, derived(found)))
    (left,) = repository.tables_of(test.digest)
    assert not any(map(other.store.has, derived(left) - derived(found)))


def test_collecting_keeps_what_was_found_out(repository, tables, make_rows):
    """Blobs of a living table stay; those of one in the trash go with it, but for what a living one has as well."""
    kept, gone = tables.put("kept.csv", make_rows(0, 300)), tables.put("gone.csv", make_rows(500, 600))
    (living,), (dying,) = repository.tables_of(kept.digest), repository.tables_of(gone.digest)
    repository.remove("gone.csv")
    for days in (2, 5):
        collect(repository, dry=False, now=time.time() + days * DAY, trash=0)
    assert all(map(repository.store.has, derived(living)))
    assert not any(map(repository.store.has, derived(dying) - derived(living)))
    assert repository.overlap("kept.csv", "kept.csv", files=False).rows_old == 300
    assert repository.summary_of(living)["columns"][0]["max"] == 299


def test_erasing_takes_what_was_found_out(repository, tables, make_rows):
    """With bytes that are erased go summary, sketch and row keys, which tell of what was in them."""
    kept, gone = tables.put("kept.csv", make_rows(0, 300)), tables.put("gone.csv", make_rows(500, 600))
    (living,), (erased,) = repository.tables_of(kept.digest), repository.tables_of(gone.digest)
    repository.erase("gone.csv", reason="asked to")
    assert not any(map(repository.store.has, derived(erased) - derived(living)))
    assert all(map(repository.store.has, derived(living)))
    assert list(repository.unidentified()) == []


def test_erasing_leaves_what_other_bytes_need(repository, tables, make_rows):
    """The same table in other bytes keeps its row keys, sketch and summary when one of the two is erased."""
    gone, kept = tables.put("a.csv", make_rows(0, 300)), tables.put("b.parquet", make_rows(0, 300))
    (living,), (erased,) = repository.tables_of(kept.digest), repository.tables_of(gone.digest)
    assert living.keys == erased.keys
    repository.erase("a.csv", reason="asked to")
    for days in (2, 5):
        collect(repository, dry=False, now=time.time() + days * DAY, trash=0)
    assert all(map(repository.store.has, derived(living)))
    assert not repository.store.has(gone.digest)
