"""Every put is looked at for its tables, beside the put, and whatever happens the bytes are safe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import lin
from lin import identifying, tables_worker
from lin.errors import CorruptBlobError, InvalidInputError, NotATableError
from lin.identifying import ATTEMPTS, Note, TableRecord
from lin.recording import Recording
from lin.repository import Repository
from lin.store.pack import pack_file
from lin.tabular.options import Options


@pytest.fixture
def frame():
    return pd.DataFrame({"id": [1, 2, 3], "x": [0.5, None, 2.0], "s": ["a", "b", None]})


@pytest.fixture
def noting(monkeypatch):
    """Let puts leave notes, as they do outside of tests; what would start a worker is counted instead."""
    started: list[object] = []
    monkeypatch.delenv("LIN_TABLES")
    monkeypatch.setattr(identifying, "_detached", started.append)
    return started


def events(repository):
    return list(repository.log(kinds=["table"]))


def test_the_same_rows_in_two_files_are_one_table(repository, frame, tmp_path):
    """CSV and Parquet, sorted otherwise: one set, two orders; each said by one signed event with all that is known."""
    frame.to_csv("a.csv", index=False)
    frame.iloc[::-1].to_parquet("b.parquet")
    labels = [repository.put(name).artifact.label for name in ("a.csv", "b.parquet")]
    (first,), (second,) = (repository.identify(label) for label in labels)
    assert first.set == second.set
    assert first.seq != second.seq
    assert (first.reader, first.rows, first.columns, first.part) == ("csv", 3, 3, None)
    assert len(events(repository)) == 2
    assert list(repository.tables_of(first.content)) == [first]
    (x,) = (each for each in repository.summary_of(first)["columns"] if each["name"] == "x")
    assert (x["nulls"], x["distinct"], x["min"], x["max"]) == (1, 2, 0.5, 2)
    assert json.loads(repository.store.read(first.schema))[0] == {"name": "id", "type": "text (cells)"}
    assert len(repository.store.read(first.sketch)) == 3 * 8
    assert repository.verify().ok


def test_saying_it_again_says_nothing(repository, frame):
    """Looked at twice, by several at once, or under another name: one table, however often it was said at once."""
    frame.to_csv("a.csv", index=False)
    repository.put("a.csv")
    repository.put("a.csv", name="copy")
    threads = [threading.Thread(target=_identify, args=(repository.url,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = len(events(repository))
    (found,) = repository.identify("copy")
    assert list(repository.tables_of(found.content)) == [found]
    assert len(events(repository)) == said <= 3


def _identify(url):
    with Repository.open(url) as repository:
        repository.identify("a.csv")


def test_a_put_leaves_a_note_and_a_worker_works_it_off(repository, frame, noting):
    """What may hold a table is noted, what cannot is not, and the worker leaves no note behind."""
    frame.to_csv("a.csv", index=False)
    repository.put("a.csv")
    repository.put("a.csv", name="model", kind=lin.ArtifactKind.MODEL)
    assert len(noting) == 1
    assert noting[0][-3:] == ["-m", "lin.tables_worker", repository.url]
    assert len(list(repository._waiting())) == 1
    assert tables_worker.main([repository.url]) == 0
    assert list(repository._waiting()) == []
    assert len(events(repository)) == 1
    assert repository.put("a.csv").added is False
    assert len(noting) == 1


def test_the_worker_is_a_process_of_its_own(repository, frame, monkeypatch):
    """It starts with a put and goes on after it."""
    monkeypatch.delenv("LIN_TABLES")
    frame.to_csv("a.csv", index=False)
    repository.put("a.csv")
    assert repository._worker is not None
    os.waitpid(repository._worker, 0)
    repository._worker = None
    assert len(events(repository)) == 1


def test_what_runs_make_is_noted_too(repository, frame, noting):
    """Inputs and outputs of a run are datasets like any other."""
    frame.to_csv("a.csv", index=False)
    with Recording.start(repository, name="split") as run:
        run.use("a.csv", role="train")
        frame.iloc[:2].to_parquet("part.parquet")
        run.save("part.parquet", kind="dataset")
    assert repository.work_off() == 2
    assert sorted(
        table.reader
        for entry in repository.artifacts(name="a.csv").items
        for table in repository.tables_of(entry.digest)
    ) == ["csv"]
    assert len(events(repository)) == 2


def test_what_is_no_table_is_remembered_with_its_reason(repository, noting):
    """It is put all the same, tried once, and the reason is told; a newer reader tries again."""
    Path("a.csv").write_text("a,b\n1,2\n3\n")
    put = repository.put("a.csv")
    assert put.added
    heard = []
    repository.work_off(tell=lambda note, known: heard.append((note.name, type(known))))
    assert heard == [("a.csv", NotATableError)]
    assert "row 3 has 1 cell" in repository.unread(put.artifact.digest).reason
    assert list(repository.unidentified()) == []
    assert events(repository) == []


def test_the_catch_up_finds_what_nobody_has_looked_at(repository, frame, monkeypatch):
    """What was put before, came from elsewhere or lost its note is found, once for each content."""
    frame.to_csv("a.csv", index=False)
    repository.put("a.csv")
    repository.put("a.csv", name="copy")
    frame.to_parquet("b.parquet")
    repository.put("b.parquet")
    repository.put("b.parquet", name="model", kind=lin.ArtifactKind.MODEL)
    missing = list(repository.unidentified())
    assert [each.name for each in missing] == ["copy", "b.parquet"] or [each.name for each in missing] == [
        "a.csv",
        "b.parquet",
    ]
    for each in missing:
        repository.identify(str(each.id))
    assert list(repository.unidentified()) == []


def test_a_killed_worker_leaves_its_note(repository, frame, noting, monkeypatch):
    """The next one goes on with it; content that ends its worker every time is given up, with that reason."""
    frame.to_csv("a.csv", index=False)
    put = repository.put("a.csv")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Repository, "_identify", killed)
        for attempt in range(ATTEMPTS):
            with pytest.raises(KeyboardInterrupt):
                repository.work_off()
            (file,) = repository._waiting()
            assert Note.parse(file.read_bytes()).attempts == attempt + 1
    assert repository.work_off() == 1
    assert "ended the program 3 times" in repository.unread(put.artifact.digest).reason
    assert len(repository.identify("a.csv")) == 1
    assert repository.unread(put.artifact.digest) is None


def test_a_note_that_is_none_is_dropped(repository, noting):
    """Half a note, or a newer lin's, stops nobody."""
    repository._notes.mkdir(parents=True)
    for number, data in enumerate((b"", b"{}", b'{"digest": "b3:0"}', b"[]")):
        (repository._notes / f"{number}.json").write_bytes(data)
    repository.work_off()
    assert list(repository._waiting()) == []


def test_only_one_works_at_a_time(repository, frame, noting):
    """A second worker goes away at once, and the first one looks again when it is done."""
    frame.to_csv("a.csv", index=False)
    repository.put("a.csv")
    with repository._turn() as ours, Repository.open(repository.url) as second:
        assert ours
        assert second.work_off() == 0
    assert repository.work_off() == 1


def test_a_put_does_not_fail_with_its_note(repository, frame, noting, monkeypatch):
    """A cache that cannot be written to costs the note, and not the put."""

    def full(*_):
        raise OSError(28, "No space left on device")

    frame.to_csv("a.csv", index=False)
    monkeypatch.setattr(identifying, "_replace", full)
    assert repository.put("a.csv").added
    monkeypatch.undo()


def test_how_it_is_read_can_be_said(repository):
    """What the user says is recorded, and a reading of its own beside that of the bytes alone."""
    Path("a.txt").write_text("a;b\n1;é\n", encoding="latin-1")
    put = repository.put("a.txt")
    with pytest.raises(NotATableError):
        repository.identify("a.txt")
    (found,) = repository.identify("a.txt", Options(format="csv", delimiter=";", encoding="latin-1"))
    assert found.options == {"format": "csv", "delimiter": ";", "encoding": "latin-1"}
    assert (found.rows, found.columns) == (1, 2)
    repository.note(put.artifact, Options(format="csv", delimiter="|", encoding="latin-1"))
    assert repository.work_off() == 1
    assert len(repository.tables_of(put.artifact.digest)) == 2


def test_each_table_of_a_folder_is_said(repository, frame, tmp_path):
    """One that cannot be read leaves the others, and the error says which."""
    Path("d").mkdir()
    frame.to_csv("d/train.csv", index=False)
    frame.to_parquet("d/test.parquet")
    repository.put("d")
    assert {each.part for each in repository.identify("d")} == {"train.csv", "test.parquet"}
    Path("d/odd.csv").write_text("a,b\n1,2\n3\n")
    repository.put("d")
    told: list[TableRecord] = []
    with pytest.raises(NotATableError, match="row 3"):
        repository.identify("d", tell=told.append)
    assert {each.part for each in told} == {"train.csv", "test.parquet"}


def test_damaged_content_is_no_table_of_another(repository, frame, noting):
    """A wrong byte is an error of its own, never a table."""
    frame.to_csv("a.csv", index=False)
    put = repository.put("a.csv")
    record = repository.store.record(put.artifact.digest)
    path = Path(repository.url) / pack_file(record.pack)
    data = bytearray(path.read_bytes())
    data[record.entry.offset + record.entry.stored - 1] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    with pytest.raises(CorruptBlobError):
        repository.identify("a.csv")


def test_a_frame_can_be_put(repository, frame, monkeypatch):
    """pandas, polars and Arrow objects become Parquet, with the same table as the file they would be."""
    polars = pytest.importorskip("polars")
    monkeypatch.setenv("LIN_REPO", repository.url)
    frame.to_csv("a.csv", index=False)
    objects = {
        "pandas": frame,
        "polars": polars.from_pandas(frame),
        "lazy": polars.from_pandas(frame).lazy(),
        "arrow": pa.Table.from_pandas(frame),
        "reader": pa.Table.from_pandas(frame).to_reader(),
    }
    labels = [repository.put("a.csv").artifact.label]
    for name, value in objects.items():
        put = lin.put(value, name=name)
        assert put.artifact.name == name
        labels.append(put.artifact.label)
    assert len({repository.identify(label)[0].seq for label in labels}) == 1
    with pytest.raises(InvalidInputError, match="name"):
        lin.put(frame)
    with pytest.raises(InvalidInputError, match="cannot be kept as a table"):
        lin.put(pd.DataFrame({"a": [1, "x", object()]}), name="mixed")
    with pytest.raises(InvalidInputError, match="two columns are called 'a'"):
        lin.put(pd.DataFrame([[1, 2]], columns=["a", "a"]), name="twice")
    indexed = lin.put(frame.set_index("id"), name="indexed").artifact.label
    assert repository.identify(indexed)[0].set == repository.identify("a.csv")[0].set


def test_a_killed_process_is_caught_up(repository, frame, noting):
    """A worker that is killed while it reads leaves a repository that is right, and the next one finishes."""
    frame = pd.concat([frame] * 50_000)
    frame.to_csv("a.csv", index=False)
    repository.put("a.csv")
    for delay in (0.2, 0.5):
        process = subprocess.Popen([sys.executable, "-m", "lin.tables_worker", repository.url])
        with suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        process.kill()
        process.wait()
        assert repository.verify().ok
    heard = []
    repository.work_off(tell=lambda note, known: heard.append(known))
    assert len(events(repository)) == 1, heard
