"""Same, dup, overlap, leaks by rows, models by table, diff, blame and contaminated, from the command line."""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pytest


def loads(answer):
    return json.loads(answer.out)


def rows(start, stop):
    return "id,x\n" + "".join(f"{n},{n / 8}\n" for n in range(start, stop))


@pytest.fixture
def world(inside, tmp_path, monkeypatch):
    """Tables that share rows, and a model trained on one of them and tested on another."""
    monkeypatch.setenv("LIN_TABLES", "off")
    for name, text in {
        "train.csv": rows(0, 100),
        "turned.csv": "id,x\n" + "\n".join(rows(0, 100).splitlines()[:0:-1]) + "\n",
        "test.csv": rows(90, 110),
        "clean.csv": rows(200, 210),
    }.items():
        Path(name).write_text(text)
    inside("put", "--wait", "train.csv", "turned.csv", "test.csv", "clean.csv")
    made = "open('model', 'w').write('m')"
    inside(
        *("run", "--no-code", "--experiment", "e", "--input", "train=train.csv"),
        *("--output", "model=model", "--", sys.executable, "-c", made),
    )
    return inside


def measure(world, dataset, *options, status=0):
    command = ("--on", dataset, "--", sys.executable, "-c", "print('{\"auc\": 1}')")
    return world("eval", "model", "--no-code", *options, *command, status=status)


def test_same(world):
    """The relation is said first, and makes the exit status."""
    assert world("same", "train.csv", "turned.csv").out.startswith("same rows, in another order\n  - train.csv  set:")
    assert world("same", "train.csv", "test.csv", status=1).out.splitlines()[0] == "different tables that share rows"
    document = loads(world("same", "train.csv@v1", "turned.csv", "--json"))
    assert (document["type"], document["relation"], document["same"]) == ("sameness", "rows", True)
    world("same", "train.csv", "nowhere", status=3)


def test_the_same_table_is_said_after_a_put(world):
    """Who put the rows before is named when a table is known."""
    Path("again.csv").write_text(rows(0, 100).replace("\n", "\r\n"))
    out = world("put", "--wait", "again.csv").out
    assert "same table as turned.csv@v1, put on 20" in out
    assert out.rstrip().endswith("and 1 more")


def test_dup(world):
    """Duplicates are told by what they share, of everything and of one dataset; none is a no."""
    out = world("dup").out
    assert "same rows, in another order  100 rows" in out
    assert loads(world("dup", "--json"))["groups"][0]["relation"] == "rows"
    out = world("dup", "test.csv", "--at-least", "10%").out
    assert out.splitlines()[1].split()[:2] == ["test.csv@v1", "train.csv@v1"]
    assert "50.0 %" in out
    assert "nothing else holds the data of clean.csv" in world("dup", "clean.csv", status=1).out
    world("dup", "--at-least", "2", status=2)


def test_overlap(world):
    """Shared rows are counted both ways and shown; columns can be chosen; none is a no."""
    out = world("overlap", "test.csv", "train.csv", "-n", "1").out.splitlines()
    assert out[0] == "10 rows of 20 in test.csv (50.0 %) are in train.csv"
    assert out[-1].split() == ["1", "91", "90", "11.25"]
    assert loads(world("overlap", "test.csv", "train.csv", "--json"))["rows_old"] == 10
    assert world("overlap", "test.csv", "clean.csv", status=1).out == "no row is in both\n"
    Path("named.csv").write_text(rows(0, 9).replace("x", "y"))
    assert "compare by these: --columns 'id'" in world("overlap", "named.csv", "train.csv", status=1).out
    assert "by id" in world("overlap", "named.csv", "train.csv", "--key", "id").out
    world("overlap", "test.csv", "train.csv", "--key", "id", "--columns", "x", status=2)
    world("overlap", "test.csv", "train.csv", "--key", "nope", status=2)


def test_leaks_by_rows(world):
    """Leaked rows are counted and listed; an evaluation warns at once, and fails where that is asked for."""
    assert "warning" not in measure(world, "clean.csv").err
    assert "no leak" in world("leaks").out
    err = measure(world, "test.csv").err
    assert "warning: leak: model@v1 learned 10 of 20 rows of it before, from train.csv@v1" in err
    measure(world, "test.csv", "--fail-on-leak", status=1)
    out = world("leaks", "--rows", status=1).out
    assert "10 of 20" in out
    assert "test.csv@v1: rows 1-10" in out
    (first, _) = loads(world("leaks", "model", "--json", status=1))["items"]
    assert (first["by"], first["tested"], first["leaked"]) == ("rows", 20, 10)
    world("leaks", "model", "--all", status=2)


def test_what_could_not_be_compared_is_named(world):
    """Silence means no: data that nobody has looked at is said not to have been compared."""
    Path("unseen.csv").write_text(rows(500, 509))
    world("put", "unseen.csv")
    made = ("--output", "model=blind", "--", sys.executable, "-c", "open('blind', 'w')")
    world("run", "--no-code", "--input", "train=unseen.csv", *made)
    command = ("--on", "test.csv", "--", sys.executable, "-c", "print('{\"auc\": 1}')")
    world("eval", "blind", "--no-code", *command)
    out = world("leaks", "blind").out
    assert "not compared: test.csv@v1 with unseen.csv@v1: nobody has looked yet which table it holds" in out


def test_models_by_table(world):
    """A file that was never put finds the models trained on its rows."""
    Path("mine.csv").write_text(rows(0, 100).replace("\n", "\r\n"))
    assert "--match table" in world("models", "--trained-on", "mine.csv", status=1).out
    for match in ("table", "rows>=0.9"):
        assert "model@v1" in world("models", "--trained-on", "mine.csv", "--match", match).out
    assert "used as train" in world("models", "--trained-on", "mine.csv", "--match", "table", "--explain").out
    assert "model@v1" in world("models", "--trained-on", "test.csv", "--match", "rows>=50%").out
    world("models", "--trained-on", "mine.csv", "--match", "nearly", status=2)


def test_diff_of_tables(world):
    """Datasets, and files on disk, are compared row by row; runs and models as before."""
    Path("edited.csv").write_text(rows(0, 99).replace("\n5,", "\n5,1"))
    out = world("diff", "train.csv", "edited.csv").out
    assert "rows: 98 equal, 0 added, 1 removed, 1 changed by id (found)" in out
    assert "id=5: x 0.625 → 10.625" in out
    document = loads(world("diff", "train.csv@v1", "turned.csv@v1", "--json"))
    assert (document["type"], document["table"]["same"]) == ("diff", True)
    world("diff", "./train.csv", "./edited.csv", "--arrow", "changes.arrow")
    assert pa.ipc.open_file("changes.arrow").read_all()["change"].to_pylist() == ["before", "removed", "after"]
    assert "table:" not in world("diff", "model", "model").out
    world("diff", "train.csv", "nowhere", status=3)


def test_blame_and_contaminated(world):
    """Rows are told where from, and everything that holds them is found."""
    Path("train.csv").write_text(rows(50, 120))
    world("put", "--wait", "train.csv")
    lines = world("blame", "train.csv").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["50", "20"]
    assert "train.csv@v1" in lines[1]
    lines = world("blame", "train.csv", "--row", "1", "--row", "70").out.splitlines()
    assert lines[1].split() == ["1", "train.csv@v1", "51"]
    world("blame", "train.csv", "--row", "71", status=2)
    Path("bad.csv").write_text(rows(3, 5))
    out = world("contaminated", "bad.csv", status=1).out
    assert "turned.csv@v1" in out
    assert "model@v1" in out
    assert loads(world("contaminated", "bad.csv", "--json", status=1))["holders"][0]["rows"] == 2
    Path("none.csv").write_text(rows(7000, 7005))
    assert "nothing known holds any of 5 rows" in world("contaminated", "none.csv").out
