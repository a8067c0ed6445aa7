"""`lin tables`, and what `lin put` says of tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lin import identifying
from lin.lineage.events import TableIdentified
from lin.lineage.table_id import TableId
from lin.repository import Repository

CSV = "id,x,s\n1,0.5,a\n2,,b\n3,2,a\n"


@pytest.fixture
def data(inside):
    Path("a.csv").write_text(CSV)
    Path("b.tsv").write_text(CSV.replace(",", "\t"))
    Path("odd.csv").write_text("a,b\n1,2\n3\n")
    Path("note.txt").write_text("hello\n")
    return inside


def test_put_waits_where_it_is_asked_to(data):
    """With --wait the table is told; what is none is put all the same, and says why."""
    answer = data("put", "--wait", "a.csv", "b.tsv", "odd.csv")
    lines = answer.out.splitlines()
    assert lines[1].strip().startswith("table set:")
    assert lines[1].endswith("3 rows × 3 columns")
    assert lines[3] == lines[1]
    assert "kept as bytes: odd.csv: row 3 has 1 cell, and 2 columns are named" in answer.out
    Path("a.csv").write_text(CSV + "4,4,d\n")
    assert "table" not in data("put", "a.csv").out


def test_json_holds_tables_and_reasons(data):
    """Each put's object has its tables, or why there is none."""
    first, second = json.loads(data("put", "--wait", "--json", "a.csv", "odd.csv").out)
    assert first["tables"][0]["set"].startswith("lin-fp1:set:")
    assert first["reason"] is None
    assert (second["tables"], "row 3" in second["reason"]) == ([], True)


def test_how_a_file_is_read_can_be_said(data):
    """The options reach the reader; one that cannot be is a usage error that names it."""
    Path("c.txt").write_bytes("a|b\n1|\u00e9\n".encode("latin-1"))
    said = ["--format", "csv", "--delimiter", "|", "--encoding", "latin-1", "--type", "a=text", "--null", "-"]
    assert "1 row × 2 columns" in data("put", "--wait", "c.txt", *said).out
    assert "klingon" in data("put", "--wait", "c.txt", "--encoding", "klingon", status=2).err
    assert "colour" in data("put", "c.txt", "--type", "a=colour", status=2).err
    assert "one ASCII character" in data("put", "c.txt", "--delimiter", "ab", status=2).err


def test_tables_lists_what_is_known_and_what_is_not(data):
    """Before anyone has looked, after, and where there is no table; also as JSON."""
    assert data("tables").out == ""
    data("put", "a.csv", "b.tsv", "odd.csv")
    assert data("tables").out.count("not looked at yet") == 3
    identified = data("tables", "identify").out
    assert identified.count("3 rows × 3 columns") == 2
    assert "odd.csv@v1  kept as bytes: odd.csv: row 3" in identified
    listed = data("tables").out.splitlines()
    assert [line.split()[0] for line in listed[1:]] == ["a.csv@v1", "b.tsv@v1", "odd.csv@v1"]
    assert "bytes: odd.csv: row 3" in listed[3]
    assert data("tables", "identify").out == ""
    found = json.loads(data("tables", "--json").out)
    assert [len(each["tables"]) for each in found] == [1, 1, 0]
    assert found[2]["reason"]


def test_tables_show_sums_up_columns(data):
    """Names, types, nulls, different values, bounds and medians; without a table, the reason and the way on."""
    data("put", "--wait", "a.csv", "odd.csv", "note.txt")
    out = data("tables", "show", "a.csv").out
    assert "lin-fp1:set:" in out
    (x,) = (line.split() for line in out.splitlines() if line.startswith("x "))
    assert x == ["x", "text", "(float)", "1", "2", "0.5", "2", "2"]
    (found,) = json.loads(data("tables", "show", "a.csv", "--json").out)
    assert [column["name"] for column in found["columns"]] == ["id", "x", "s"]
    assert "row 3" in data("tables", "show", "odd.csv", status=2).err
    assert "--format csv" in data("tables", "show", "note.txt", status=2).err


def test_identify_says_no_with_its_exit_status(data):
    """Something named that is no table is a negative answer; options without something to read are wrong usage."""
    data("put", "a.csv", "odd.csv")
    assert "3 rows" in data("tables", "identify", "a.csv").out
    assert "kept as bytes" in data("tables", "identify", "a.csv", "odd.csv", status=1).out
    data("tables", "identify", "--delimiter", ";", status=2)
    (first,) = json.loads(data("tables", "identify", "a.csv", "--json").out)
    assert first["name"] == "a.csv@v1"


def test_identify_can_be_left_to_another_process(data, monkeypatch):
    """With --no-wait it says how many are left to it, and that process finds their notes."""
    started: list[object] = []
    monkeypatch.setattr(identifying, "_detached", started.append)
    data("put", "a.csv", "b.tsv")
    assert data("tables", "identify", "--no-wait").out == "2 datasets to be looked at\n"
    assert started
    assert data("tables", "identify").out.count("3 rows × 3 columns") == 2
    assert all(each["tables"] for each in json.loads(data("tables", "--json").out))


def test_a_table_that_is_known_is_told_at_once(data):
    """Bytes that were looked at before need no waiting: their table is said, and where else it is."""
    data("put", "--wait", "a.csv", "b.tsv")
    answer = data("put", "a.csv", "--name", "again")
    assert "3 rows × 3 columns" in answer.out
    assert "same table as b.tsv@v1, put on" in answer.out
    (found,) = json.loads(data("put", "--json", "a.csv", "--name", "third").out)
    assert found["tables"][0]["rows"] == 3


def test_tables_tells_of_the_same_table(data):
    """What the process that looks at a put has found is in `lin tables`: also that other bytes held it before."""
    data("put", "a.csv")
    data("put", "b.tsv")
    data("tables", "identify")
    (line,) = [line for line in data("tables").out.splitlines() if "b.tsv" in line]
    assert line.rstrip().endswith("same table as a.csv@v1")
    assert "same table as a.csv@v1, put on" in data("tables", "show", "b.tsv").out
    assert "same table" not in next(line for line in data("tables").out.splitlines() if line.startswith("a.csv"))


def test_those_who_contradict_each_other_are_named(data):
    """Two who read the same bytes alike and found different tables: both are shown, with who said which."""
    data("put", "--wait", "a.csv")
    assert "contradict" not in data("tables", "show", "a.csv").err
    with Repository.open(Path.cwd().parent / "repo") as repository:
        (known,) = repository.tables_of(repository.artifact("a.csv").digest)
        ids = TableId("set", bytes(32)), TableId("seq", bytes(32))
        wrong = TableIdentified(known.content, *ids, 3, 3, known.reader, known.schema)
        repository.record(lambda draft, _: draft.add(wrong))
        actor = repository.artifact("a.csv").actor
    answer = data("tables", "show", "a.csv")
    assert "contradict each other" in answer.err
    assert answer.err.count(actor[:12]) == 2
    assert [each["disputed"] for each in json.loads(data("tables", "show", "a.csv", "--json").out)] == [True, True]
