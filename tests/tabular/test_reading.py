"""The formats of files and folders: the same rows are the same table in all of them."""

from __future__ import annotations

import gzip
import json
import sqlite3
import sys
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather, orc

from lin.errors import InvalidInputError, NotATableError, NotFoundError
from lin.tabular import missing
from lin.tabular.options import Options
from lin.tabular.reading import open_table, open_tables
from lin.tabular.source import source_of

WRITERS: dict[str, Callable[..., None]] = {}


def writer(*names):
    def note(function):
        WRITERS.update(dict.fromkeys(names, function))
        return function

    return note


@writer("a.csv", "a.csv.gz", "a.csv.bz2", "a.csv.xz", "a.csv.zip")
def _csv(frame, path):
    frame.to_csv(path, index=False)


@writer("a.csv.zst", "a.csv.lz4")
def _packed(frame, path):
    codec = {"zst": "zstd", "lz4": "lz4"}[path.suffix[1:]]
    with pa.CompressedOutputStream(str(path), codec) as file:
        file.write(frame.to_csv(index=False).encode())


@writer("a.tsv")
def _tsv(frame, path):
    frame.to_csv(path, sep="\t", index=False)


@writer("semicolon.csv")
def _semicolon(frame, path):
    frame.to_csv(path, sep=";", index=False)


@writer("a.jsonl", "a.jsonl.gz")
def _jsonl(frame, path):
    frame.assign(t=frame.t.astype("str").where(frame.t.notna())).to_json(path, orient="records", lines=True)


@writer("a.json")
def _json(frame, path):
    frame.assign(t=frame.t.astype("str").where(frame.t.notna())).to_json(path, orient="records", indent=1)


@writer("a.parquet")
def _parquet(frame, path):
    frame.to_parquet(path, index=False, row_group_size=2)


@writer("a.feather")
def _feather(frame, path):
    feather.write_feather(pa.Table.from_pandas(frame), path)


@writer("a.arrows")
def _stream(frame, path):
    table = pa.Table.from_pandas(frame)
    with pa.ipc.new_stream(path, table.schema) as file:
        file.write_table(table, max_chunksize=3)


@writer("a.orc")
def _orc(frame, path):
    orc.write_table(pa.Table.from_pandas(frame), path)


@writer("a.xlsx")
def _excel(frame, path):
    frame.to_excel(path, index=False)


@writer("a.db")
def _sqlite(frame, path):
    connection = sqlite3.connect(path)
    frame.to_sql("things", connection, index=False)
    connection.close()


@writer("a.duckdb")
def _duckdb(frame, path):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.register("frame", pa.Table.from_pandas(frame))
        connection.execute("CREATE TABLE things AS SELECT * FROM frame")


@writer("parts")
def _parts(frame, path):
    path.mkdir()
    for number in range(3):
        frame.iloc[number : number + 1 if number < 2 else None].to_parquet(path / f"part-0000{number}.parquet")
    (path / "_SUCCESS").touch()
    (path / "README.md").write_text("a,b\n1,2\n")


@writer("csv-parts")
def _csv_parts(frame, path):
    path.mkdir()
    frame.iloc[:2].to_csv(path / "2020-01.csv", index=False)
    frame.iloc[2:].to_csv(path / "2020-02.csv", index=False)


@writer("saved")
def _hugging_face(frame, path):
    path.mkdir()
    table = pa.Table.from_pandas(frame)
    names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    for name, piece in zip(names, (table.slice(0, 1), table.slice(1)), strict=True):
        with pa.ipc.new_stream(path / name, table.schema) as file:
            file.write_table(piece)
    (path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (path / "dataset_info.json").write_text("{}")


@pytest.fixture
def expected(frame, tmp_path, tables):
    path = tmp_path / "expected.parquet"
    pq.write_table(pa.Table.from_pandas(frame), path)
    return tables(path)[None]


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_holds_the_same_table(name, frame, expected, tmp_path, tables):
    """Whatever file or folder the rows are in, and however it is packed, it is one table, in one order."""
    path = tmp_path / name
    WRITERS[name](frame, path)
    (found,) = tables(path).values()
    assert (found.set, found.seq) == (expected.set, expected.seq)


def test_a_hive_partition_is_a_column(frame, expected, tmp_path, tables):
    """Folders called name=value are a column; the rows are the same, in another order; a null partition is null."""
    pq.write_to_dataset(
        pa.Table.from_pandas(frame[["id", "x", "t", "b", "s"]]), tmp_path / "hive", partition_cols=["s"]
    )
    found = tables(tmp_path / "hive")[None]
    assert found.set == expected.set
    assert found.seq != expected.seq


def test_numpy_arrays_are_columns(tmp_path, tables):
    """A plain array's columns are called by their number, as in pandas; arrays of one length are one table."""
    numbers = np.arange(6.0).reshape(3, 2)
    np.save(tmp_path / "a.npy", numbers)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(numbers.astype(">f4")))
    np.savetxt(tmp_path / "a.csv", numbers, delimiter=",", fmt="%g")
    np.savez(tmp_path / "a.npz", **{"0": numbers[:, 0], "1": numbers[:, 1]})  # type: ignore[arg-type]  # of its options
    found = [tables(tmp_path / name)[None].seq for name in ("a.npy", "fortran.npy", "a.csv", "a.npz")]
    assert len(set(found)) == 1
    np.savez(tmp_path / "b.npz", x=numbers, y=np.arange(2))
    assert set(tables(tmp_path / "b.npz")) == {"x", "y"}
    np.save(tmp_path / "s.npy", np.array([(1, "a")], dtype=[("n", ">i4"), ("s", "U3")]))
    assert open_table(source_of(tmp_path / "s.npy")).schema.names == ["n", "s"]


def test_files_of_other_names_are_tables_of_their_own(frame, tmp_path, tables):
    """A train and a test file in one folder are two tables, called by their paths; --table takes one."""
    (tmp_path / "d" / "sub").mkdir(parents=True)
    frame.to_csv(tmp_path / "d" / "train.csv", index=False)
    frame.iloc[:1].to_parquet(tmp_path / "d" / "sub" / "test.parquet")
    assert set(tables(tmp_path / "d")) == {"train.csv", "sub/test.parquet"}
    assert tables(tmp_path / "d", part="train.csv")["train.csv"].rows == 4
    with pytest.raises(NotATableError, match="holds 2 tables"):
        open_table(source_of(tmp_path / "d"))
    with pytest.raises(NotATableError, match="no table 'other'"):
        tables(tmp_path / "d", part="other")


def test_splits_have_their_names(frame, tmp_path, tables):
    """A saved dictionary of datasets is a table for each split."""
    for split in ("train", "test"):
        (tmp_path / "d").mkdir(exist_ok=True)
        WRITERS["saved"](frame, tmp_path / "d" / split)
    (tmp_path / "d" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert set(tables(tmp_path / "d")) == {"train", "test"}
    (tmp_path / "d" / "test" / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(NotATableError, match="which is not there"):
        tables(tmp_path / "d")


def test_parts_that_do_not_fit_are_no_table(frame, tmp_path, tables):
    """Parts have the same columns, of types that one type can hold exactly."""
    (tmp_path / "d").mkdir()
    frame.to_parquet(tmp_path / "d" / "p1.parquet")
    frame.rename(columns={"x": "y"}).to_parquet(tmp_path / "d" / "p2.parquet")
    with pytest.raises(NotATableError, match="no column 'x'"):
        tables(tmp_path / "d")
    frame.assign(x="text").to_parquet(tmp_path / "d" / "p2.parquet")
    with pytest.raises(NotATableError, match="different types"):
        tables(tmp_path / "d")


def test_sheets_and_database_tables_are_parts(frame, tmp_path, tables):
    """Each sheet with cells, and each table of a database, is a table with its name."""
    with pd.ExcelWriter(tmp_path / "a.xlsx") as book:
        frame.to_excel(book, sheet_name="one", index=False)
        frame.iloc[:2].to_excel(book, sheet_name="two", index=False)
        pd.DataFrame().to_excel(book, sheet_name="empty", index=False)
    assert {part: found.rows for part, found in tables(tmp_path / "a.xlsx").items()} == {"one": 4, "two": 2}
    connection = sqlite3.connect(tmp_path / "a.db")
    frame.to_sql("one", connection, index=False)
    connection.execute('CREATE TABLE "odd ""name" (a, b)')
    connection.executemany('INSERT INTO "odd ""name" VALUES (?, ?)', [(1, 2.5), ("x", 2**60), (None, 7)])
    connection.commit()
    connection.close()
    assert set(tables(tmp_path / "a.db")) == {"one", 'odd "name'}
    mixed = open_table(source_of(tmp_path / "a.db"), Options(part='odd "name'))
    assert [str(kind) for kind in mixed.schema.types] == ["string", "string"]
    (batch,) = mixed.batches()
    assert batch.to_pydict() == {"a": ["1", "x", None], "b": ["2.5", "1152921504606846976", "7"]}
    with pytest.raises(NotATableError, match="no table 'three'"):
        tables(tmp_path / "a.db", part="three")


def test_what_a_user_says_is_recorded_and_wins(rows, memory):
    """Delimiter, quoting, encoding, header, nulls and types of a CSV can be said; all of it is in the options."""
    text = "a;b\n'x;y';1,5\n-;2\n".encode("utf-16")
    chosen: dict[str, Any] = {"delimiter": ";", "quote": "'", "nulls": ("-",), "encoding": "utf-16"}
    assert rows(text, "data", format="csv", **chosen) == [{"a": "x;y", "b": "1,5"}, {"a": None, "b": "2"}]
    options = Options(format="csv", types={"b": "text"}, **chosen)
    assert Options.of(options.scalars()) == options
    assert open_table(memory(text), options).options == options.scalars()
    assert rows(b"1,2\n3,4\n", header=True) == [{"1": "3", "2": "4"}]
    assert rows(b"a,b\n1,2\n", header=False)[0] == {"0": "a", "1": "b"}
    assert rows(b"a,b\n1,x\n", types={"a": "double"}) == [{"a": 1.0, "b": "x"}]
    assert rows(b"a,b\n1,x\\,y\n", escape="\\") == [{"a": "1", "b": "x,y"}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "word"},
        {"delimiter": ""},
        {"delimiter": "ab"},
        {"delimiter": "\n"},
        {"quote": "§"},
        {"encoding": "klingon"},
        {"types": {"a": "colour"}},
    ],
)
def test_an_option_that_cannot_be_is_refused(wrong):
    """The message names the value; an unknown option of an event asks for a newer lin."""
    with pytest.raises(InvalidInputError):
        Options(**wrong)
    with pytest.raises(InvalidInputError, match="does not know"):
        Options.of({"colour": "red"})


def test_a_type_that_does_not_hold_is_told(rows):
    """The column and the rows between which it fails are named; so is a column that is not there."""
    with pytest.raises(NotATableError, match=r"column 'a' is not all of type int64: .*between row 2 and row 3"):
        rows(b"a,b\n1,x\n1.5,y\n", types={"a": "int64"})
    with pytest.raises(NotATableError, match="no column 'c'"):
        rows(b"a,b\n1,x\n", types={"c": "int64"})


def test_json_keeps_text_and_large_numbers(rows):
    """Text that looks like a time stays text, whole numbers beyond 64 bits stay exact, late fields are found."""
    data = b'{"a": 9223372036854775808, "t": "2020-01-01"}\n{"a": 1, "late": {"x": [1, 2.5]}}\n'
    found = rows(data, "a.jsonl")
    assert found[0] == {"a": 2**63, "t": "2020-01-01", "late": None}
    assert found[1] == {"a": 1, "t": None, "late": {"x": [1.0, 2.5]}}
    assert rows(b'{"a": 1e300}\n{"a": 0.5}\n', "a.jsonl") == [{"a": 1e300}, {"a": 0.5}]


def test_json_that_mixes_is_told_with_its_row(memory):
    """A name that is text here and a number there, a line that is none, and no objects at all."""
    for data, reason in (
        (b'{"a": 1}\n{"a": "x"}\n', r"row 2: 'a' is string, and was number before"),
        (b'{"a": 1}\n{"b":\n', "row 2"),
        (b'{"a": 1}\n{"a": 2, "a": 3}\n', "twice"),
        (b"[1, 2]", "neither lines of objects nor an array"),
        (b"[{}, 2]", "no array of objects"),
        (b'{\n"a": 1}', "neither lines of objects nor an array"),
        (b"{}\n{}\n", "all empty"),
    ):
        with pytest.raises(NotATableError, match=reason):
            open_tables(memory(data, "a.json"))


def test_a_format_without_its_package_says_how_to_get_it(frame, tmp_path, monkeypatch, tables):
    """The file is no table then, and the message names the extra."""
    frame.to_excel(tmp_path / "a.xlsx")
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(NotATableError) as caught:
        tables(tmp_path / "a.xlsx")
    assert "lin-store[excel]" in caught.value.hint
    with pytest.raises(NotATableError):
        missing.need("no_such_module", "extra", "things")


def test_nothing_at_a_path_is_an_error_of_its_own(tmp_path):
    """It is not found, rather than no table."""
    with pytest.raises(NotFoundError):
        source_of(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("x.py", b"a,b\n1,2\n", "a .py file"),
        ("x.txt", b"hello\nworld\n", "no table by its first rows"),
        ("x.csv", b"", "is empty"),
        ("x.csv", b"\n\n", "no row"),
        ("x.pkl", b"\x80\x04abc", "a pickle"),
        ("x.h5", b"\x89HDF\r\n", "HDF5"),
        ("x.png", b"\x89PNG\r\n", "an image"),
        ("x.bin", b"\xec\x00\x01" * 400, "no text in UTF-8"),
        ("x.feather", b"FEA1abcdef", "version 1"),
        ("x.parquet.gz", None, "packed, and holds parquet"),
        ("x.zip", None, "a zip of 2 files"),
    ],
)
def test_what_is_no_table_says_why(name, data, reason, tmp_path, tables):
    """One sentence names the file and the reason."""
    path = tmp_path / name
    if name.endswith(".parquet.gz"):
        data = gzip.compress(b"PAR1 and so on")
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", "1")
            archive.writestr("b.txt", "2")
    else:
        path.write_bytes(data)
    with pytest.raises(NotATableError, match=reason):
        tables(path)
