"""What people's files do wrong: an exact message, or the table; never anything else, in bounded time and memory."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import sqlite3
import subprocess
import sys
import time
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import feather, orc

from lin.errors import NotATableError
from lin.tabular import delimited, streams
from lin.tabular.identify import identify
from lin.tabular.options import Options
from lin.tabular.reading import open_table, open_tables
from lin.tabular.source import FileSource


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a,b\n1,2\n3\n", "row 3 has 1 cell, and 2 columns are named"),
        (b"a,b\n1,2\n3,4,5\n", "row 3 has 3 cells, and 2 columns are named"),
        (b"a,b\n" + b"1,2\n" * 900_000 + b"3\n", "row 900002 has 1 cell"),
        (b"a,a\n1,2\n", "two columns called 'a'"),
        (b"a,,\n1,2,3\n", "two columns called ''"),
        (b"a,b\n1,\xe9\n", "byte 0xe9 at offset 6 is not utf-8"),
        (b"a,b\n" + b"1,2\n" * 900_000 + b"\xc3(,1\n", "byte 0xc3 at offset 3600004 is not utf-8"),
        (b"a,b\n1,caf\xc3", "byte 0xc3 at offset 9 is not utf-8"),
        (b'a,b\n1,2\n3,"4\n5,6\n', "a quote that is opened in row 3 is never closed"),
        ("a,b\n1,2\n".encode("utf-16")[:-1], "is not utf-16"),
        (gzip.compress(b"a,b\n1,2\n" * 1000)[:-9], "cannot be unpacked"),
        (gzip.compress(b"a,b\n1,2\n" * 1000)[:-4] + b"abcd", "cannot be unpacked"),
        (bz2.compress(b"a,b\n1,2\n" * 1000)[:-9], "cannot be unpacked"),
        (b"\x28\xb5\x2f\xfd" + os.urandom(100), "cannot be unpacked"),
        (b"BZh9" + b"x" * 100, "cannot be unpacked"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_csv_that_is_wrong_says_where(data, reason, memory):
    """Ragged rows, names that are there twice, bytes of another encoding, open quotes, packed files that are cut."""
    with pytest.raises(NotATableError, match=reason):
        identify(open_table(memory(data)))


def test_a_quote_that_is_open_for_long_is_not_waited_for(memory, monkeypatch):
    """Beyond the largest block, the row is told."""
    monkeypatch.setattr(delimited, "BLOCKS", (1 << 12, 1 << 16))
    data = b"a,b\n" + b"1,2\n" * 9_000 + b'3,"4\n' + b"5,6\n" * 100_000
    with pytest.raises(NotATableError, match="row 9002 has more than 65536 bytes, or a quote in it is never closed"):
        identify(open_table(memory(data)))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b\r\n1,2\r3,4\n5,6", [("1", "2"), ("3", "4"), ("5", "6")]),
        (b"\xef\xbb\xbfa,b\n1,2\n", [("1", "2")]),
        ("\ufeffa,b\n1,é\n".encode("utf-16-be"), [("1", "é")]),
        (b"a,b\n1,x\0y\n", [("1", "x\0y")]),
        (b"a,b\n\n1,2\n\n\n3,4\n", [("1", "2"), ("3", "4")]),
        (b',b\n1,"x ""y"""\n', [("1", 'x "y"')]),
        (b'a,b\n1,"x\r\ny"\n', [("1", "x\r\ny")]),
        (b"a,b\n", []),
        (b"a,b", []),
        (b"a,b\n9999-12-31,10000-01-01\n", [("9999-12-31", "10000-01-01")]),
    ],
)
def test_a_csv_that_is_only_odd_is_read(data, expected, rows):
    """Mixed line ends, byte order marks, NUL, blank lines, one empty name, no rows, no last line end."""
    assert [tuple(row.values()) for row in rows(data)] == expected


def test_a_blank_line_of_one_column_is_a_row(rows):
    """Writers put an empty line where the only cell is null."""
    assert rows(b"a\n1\n\n2\n") == [{"a": "1"}, {"a": ""}, {"a": "2"}]


def test_rows_longer_than_a_block_are_read(memory):
    """A cell of 3 MB after half a million rows is read, and no row before it is lost or read twice."""
    data = b"a,b\n" + b"".join(b"%d,2\n" % i for i in range(500_000)) + b"x," + b"y" * 3_000_000 + b"\n3,4\n"
    table = open_table(memory(data))
    first = [value for batch in table.batches() for value in batch.column(0).to_pylist()]
    assert first == [*map(str, range(500_000)), "x", "3"]


def test_ten_thousand_columns(memory):
    """They are read in batches of bounded size, and identified."""
    names = [f"c{number}" for number in range(10_000)]
    line = ",".join(map(str, range(10_000)))
    data = "\n".join([",".join(names), *[line] * 20]).encode()
    found = identify(open_table(memory(data)))
    assert (found.rows, len(found.columns)) == (20, 10_000)


def test_no_columns_are_no_error(memory):
    """Parquet can hold rows without columns, and columns without rows."""
    for table in (pa.table({}), pa.table({"a": pa.array([], pa.int64())})):
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        assert identify(open_table(memory(buffer.getvalue(), "a.parquet"))).rows == 0


def test_a_pack_that_grows_without_end_is_stopped(monkeypatch, memory):
    """A few bytes that unpack to gigabytes are told, after no more than the limit was read."""
    monkeypatch.setattr(streams, "FREE", 1 << 22)
    bomb = gzip.compress(b"a,b\n" + b"1,2\n" * 4_000_000)
    with pytest.raises(NotATableError, match="unpacks to more than 250 times"):
        identify(open_table(memory(bomb)))
    blank = zlib.compressobj(wbits=31)
    zeros = blank.compress(bytes(1 << 26)) + blank.flush()
    with pytest.raises(NotATableError):
        identify(open_table(memory(zeros)))


def _files(folder):
    table = pa.table({"a": list(range(1000)), "s": [f"text {number % 7}" for number in range(1000)]})
    pq.write_table(table, folder / "a.parquet", row_group_size=100)
    feather.write_feather(table, folder / "a.feather")
    orc.write_table(table, folder / "a.orc")
    np.save(folder / "a.npy", np.arange(1000.0))
    np.savez_compressed(folder / "a.npz", x=np.arange(1000), y=np.arange(1000))
    connection = sqlite3.connect(folder / "a.db")
    connection.execute("CREATE TABLE t (a, s)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", zip(*table.to_pydict().values(), strict=True))
    connection.commit()
    connection.close()
    table.to_pandas().to_excel(folder / "a.xlsx", index=False)
    (folder / "a.csv").write_text(table.to_pandas().to_csv(index=False))
    (folder / "a.jsonl").write_text(table.to_pandas().to_json(orient="records", lines=True))
    (folder / "a.csv.gz").write_bytes(gzip.compress((folder / "a.csv").read_bytes()))
    return sorted(folder.iterdir())


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    return _files(tmp_path_factory.mktemp("files"))


@settings(max_examples=150)
@given(st.data())
def test_damaged_files_are_tables_or_say_why(files, data):
    """Whatever byte is wrong or missing in a file of any format, it is read or refused with a reason, and quickly."""
    path = data.draw(st.sampled_from(files))
    raw = bytearray(path.read_bytes())
    how = data.draw(st.sampled_from(["cut", "flip", "zeros", "swap"]))
    at = data.draw(st.integers(0, len(raw) - 1))
    if how == "cut":
        raw = raw[:at]
    elif how == "flip":
        for offset in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=8)):
            raw[offset] ^= data.draw(st.integers(1, 255))
    elif how == "zeros":
        raw[at : at + 64] = bytes(len(raw[at : at + 64]))
    else:
        raw = raw[at:] + raw[:at]
    damaged = bytes(raw)
    started = time.monotonic()
    message = path.name
    try:
        for table in open_tables(FileSource(path.name, len(damaged), lambda: io.BytesIO(damaged))):
            identify(table)
    except NotATableError as error:
        message = error.message
    assert path.name in message or "there is no row" in message
    assert time.monotonic() - started < 20


def test_any_bytes_are_a_table_or_say_why(memory):
    """Also as a format that the user names."""
    for seed in range(40):
        data = os.urandom(50 * seed)
        for name in ("csv", "jsonl", "parquet", "arrow", "orc", "npy", "npz", "sqlite", "excel", None):
            try:
                for table in open_tables(memory(data, "a"), Options(format=name)):
                    identify(table)
            except NotATableError:
                pass


LARGE_CELL = """
import sys
from lin.tabular.source import source_of
from lin.tabular.reading import open_table
from lin.tabular.identify import identify
found = identify(open_table(source_of(sys.argv[1])))
assert found.rows == 2, found
# Not `ru_maxrss`: that takes over the peak of the process that started this one.
print(next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_a_cell_of_100_megabytes_is_read_in_bounded_memory(tmp_path):
    """It takes less than 1 GB in all."""
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n")
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b",1\n2,3\n")
    done = subprocess.run([sys.executable, "-c", LARGE_CELL, str(path)], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 1000
