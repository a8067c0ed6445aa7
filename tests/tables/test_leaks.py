"""Test rows that a model learned from, planted by hand; and none where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from lin.errors import InvalidInputError
from lin.lineage.words import ArtifactKind
from lin.recording import Recording
from lin.records import Uncompared
from lin.tables.match import By, Match


def test_rows_leak_through_everything(repository, tables, make_rows):
    """Rows are found through derived data and base models, in other files and orders, and counted once each.

    Of raw data only those count that went into what was derived from it.
    """
    raw = tables.put("raw.csv", make_rows(0, 400))
    tables.write("clean.parquet", make_rows(0, 300)[::-1])
    clean = tables.made("clean.parquet", raw, kind=ArtifactKind.DATASET)
    base = tables.made("base", clean)
    extra = tables.put("extra.csv", make_rows(1_000, 1_100))
    tuned = tables.made("tuned", base, extra)
    test = tables.put("test.csv", [*make_rows(290, 310), *make_rows(5_000, 5_080), *make_rows(1_000, 1_003)])
    tables.tested(tuned, test)
    (leak,) = repository.leaks(rows=True).items
    assert (leak.by, leak.tested, leak.leaked) == ("rows", 103, 13)
    assert {s.artifact.label: s.rows for s in leak.sources} == {
        "clean.parquet@v1": 10,
        "extra.csv@v1": 3,
    }
    assert leak.rows == (*range(1, 11), *range(101, 104))
    assert leak.share == pytest.approx(13 / 103)
    assert repository.leaks("base").items == ()
    assert repository.leaks("tuned", limit=1).items[0].leaked == 13


def test_a_clean_one_gives_none(repository, tables, make_rows):
    """A test set that shares no row is no leak, and nothing was left uncompared."""
    train, test = tables.put("train.csv", make_rows(0, 300)), tables.put("test.csv", make_rows(300, 400))
    tables.tested(tables.made("model", train), test)
    missed: list[Uncompared] = []
    assert repository.leaks(uncompared=missed).items == ()
    assert missed == []


def split(tables, make_rows, *, overlap):
    """Cut raw data into a part to learn from and one to test on, in one run, as the demo does; return both."""
    raw = tables.put("raw.csv", make_rows(0, 400))
    tables.write("part.csv", make_rows(0, 300))
    tables.write("rest.csv", make_rows(300 - overlap, 400))
    with Recording.start(tables.repository, name="split.py", folder=Path.cwd()) as run:
        run.use(raw)
        parts = [run.save(name, kind=ArtifactKind.DATASET) for name in ("part.csv", "rest.csv")]
    for part in parts:
        tables.repository.identify(str(part.id))
    return parts


def test_a_split_of_raw_data_is_no_leak(repository, tables, make_rows):
    """That raw data holds the test rows too is no leak: what the model learned from is a part without them."""
    part, rest = split(tables, make_rows, overlap=0)
    tables.tested(tables.made("model", part), rest)
    missed: list[Uncompared] = []
    assert repository.leaks(uncompared=missed).items == ()
    assert missed == []


def test_a_split_that_overlaps_leaks(repository, tables, make_rows):
    """Rows on both sides of a split are the leak, and no others."""
    part, rest = split(tables, make_rows, overlap=7)
    tables.tested(tables.made("model", part), rest)
    (leak,) = repository.leaks(rows=True).items
    assert ([source.artifact for source in leak.sources], leak.leaked, leak.rows) == ([part], 7, tuple(range(1, 8)))


def test_past_other_columns_the_way_goes_on(repository, tables, make_rows):
    """Features made of the training rows have other columns: what they were made from tells which rows they were."""
    part, rest = split(tables, make_rows, overlap=7)
    tables.write("features.csv", [(n, n * 2) for n in range(300)], ("f1", "f2"))
    features = tables.made("features.csv", part, kind=ArtifactKind.DATASET)
    tables.tested(tables.made("model", features), rest)
    missed: list[Uncompared] = []
    (leak,) = repository.leaks(uncompared=missed).items
    assert (leak.leaked, missed) == (7, [])


def test_the_same_table_leaks_whole(repository, tables, make_rows):
    """Training data saved in another format and order is all of the test set."""
    train, test = tables.put("train.csv", make_rows(0, 50)), tables.put("test.parquet", make_rows(0, 50)[::-1])
    tables.tested(tables.made("model", train), test)
    (leak,) = repository.leaks().items
    assert (leak.by, leak.tested, leak.leaked) == ("table", 50, 50)


def test_equal_bytes_are_one_leak(repository, tables, make_rows):
    """What leaks by its bytes is told once, with its rows."""
    train = tables.put("train.csv", make_rows(0, 50))
    tables.tested(tables.made("model", train), train)
    page = repository.leaks()
    assert [(leak.by, leak.tested, leak.leaked) for leak in page.items] == [("bytes", 50, 50)]
    assert page.total == 1


def test_silence_means_no(repository, tables, make_rows):
    """What could not be compared is named: other columns, and data that nobody has looked at."""
    other = tables.put("train.csv", make_rows(0, 50), ("id", "name", "worth"))
    unseen = repository.put(tables.write("unseen.parquet", make_rows(0, 50))).artifact
    test = tables.put("test.csv", make_rows(0, 50))
    tables.tested(tables.made("model", other, unseen), test)
    missed: list[Uncompared] = []
    assert repository.leaks(uncompared=missed).items == ()
    assert {each.learned.label: each.reason for each in missed} == {
        "train.csv@v1": "the columns differ",
        "unseen.parquet@v1": "nobody has looked yet which table it holds",
    }
    (leak,) = repository.leaks(common_columns=True).items
    assert (leak.leaked, leak.by) == (50, "rows")


def test_pages_of_leaks(repository, tables, make_rows):
    """Pages join to the whole list, in the order of the evaluations."""
    train, test = tables.put("train.csv", make_rows(0, 50)), tables.put("test.csv", make_rows(40, 60))
    for number in range(5):
        tables.tested(tables.made(f"model{number}", train), test if number % 2 else train)
    whole = repository.leaks()
    assert (len(whole.items), whole.total, whole.next) == (5, 5, None)
    found, after = [], None
    while True:
        page = repository.leaks(limit=2, after=after)
        found += page.items
        after = page.next
        if after is None:
            break
    assert [leak.evaluation.id for leak in found] == [leak.evaluation.id for leak in whole.items]


def test_the_metric_without_them(repository, tables, make_rows):
    """Where the run kept predictions, the metric is worked out with and without the rows that leaked."""
    train = tables.put("train.csv", [(n, n % 2) for n in range(100)], ("id", "label"))
    test = tables.put("test.csv", [(n, n % 2) for n in range(80, 120)], ("id", "label"))
    model = tables.made("model", train)
    # Right on all that it has seen, and on half of the rest.
    guesses = [(n, n % 2 if n < 110 else 1 - n % 2) for n in range(80, 120)]
    tables.write("guesses.csv", guesses, ("id", "prediction"))
    tables.tested(model, test, "guesses.csv", accuracy=0.75)
    (leak,) = repository.leaks().items
    (pair,) = leak.metrics
    assert (leak.leaked, pair.name, pair.all, pair.clean) == (20, "accuracy", 0.75, 0.5)


def test_one_evaluation_is_looked_at(repository, tables, make_rows):
    """At the time of an evaluation its dataset is looked at first, though nobody has yet."""
    train = tables.put("train.csv", make_rows(0, 50))
    test = repository.put(tables.write("test.csv", make_rows(45, 65))).artifact
    tables.tested(tables.made("model", train), test)
    (evaluation,) = repository.evaluations()
    leak = repository.leak_of(evaluation)
    assert leak is not None
    assert (leak.leaked, leak.tested) == (5, 20)


# ---------------------------------------------------------------------------- models


def models(repository, ref, text, **more):
    page = repository.models_trained_on(ref, match=Match.parse(text), **more)
    return [(found.model.label, found.direct) for found in page.items]


def test_models_by_bytes_table_and_rows(repository, tables, make_rows):
    """A model is found by its data's bytes, its table in any file, or most of its rows; also for a file never put."""
    exact = tables.made("exact", tables.put("a.csv", make_rows(0, 200)))
    tables.made("shuffled", tables.put("b.parquet", make_rows(0, 200)[::-1]))
    tables.made("most", tables.put("c.csv", make_rows(10, 900)))
    tables.made("tuned", exact)
    tables.write("mine.parquet", make_rows(0, 200))
    assert models(repository, "a.csv", "bytes") == [("exact@v1", True)]
    assert models(repository, "mine.parquet", "bytes") == []
    assert models(repository, "mine.parquet", "table") == [("exact@v1", True), ("shuffled@v1", True)]
    assert models(repository, "mine.parquet", "rows>=0.96") == models(repository, "mine.parquet", "table")
    assert len(models(repository, "mine.parquet", "rows>=90%")) == 3
    assert ("tuned@v1", False) in models(repository, "mine.parquet", "table", transitive=True)
    way = repository.training_path("mine.parquet", "tuned", match=Match(By.TABLE))
    assert way is not None


def test_ways_to_match():
    """Words are read, and others refused with those there are."""
    assert Match.parse("rows>=90%") == Match.parse("rows >= 0.9") == Match(By.ROWS, 0.9)
    assert [str(Match.parse(each)) for each in ("bytes", "table", "rows", "rows>=0.5")] == [
        "bytes",
        "table",
        "rows>=1",
        "rows>=0.5",
    ]
    for wrong in ("", "row", "rows>0.9", "bytes>=1", "rows>=0", "rows>=101%", "rows>=x"):
        with pytest.raises(InvalidInputError):
            Match.parse(wrong)


def test_two_tables_are_compared_once(repository, tables, make_rows, monkeypatch):
    """Many evaluations on one test set, of models that learned from one table, compare the rows of both once."""
    from lin.tables import leaking  # noqa: PLC0415 - what is counted here

    train, test = tables.put("train.csv", make_rows(0, 300)), tables.put("test.csv", make_rows(290, 310))
    for name in ("one", "two", "three"):
        tables.tested(tables.made(name, train), test)
    asked, shared = [], leaking.shared_numbers

    def counting(*arguments, **named):
        asked.append(arguments)
        return shared(*arguments, **named)

    monkeypatch.setattr(leaking, "shared_numbers", counting)
    assert [leak.leaked for leak in repository.leaks().items] == [10, 10, 10]
    assert len(asked) == 1
    monkeypatch.setattr(leaking, "_KEPT", 0)
    assert [leak.leaked for leak in repository.leaks().items] == [10, 10, 10]
