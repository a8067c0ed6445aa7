"""Ways to write one table: many libraries, formats and styles of quoting."""

from __future__ import annotations

import csv
import datetime as dt
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv
from pyarrow import feather, orc

SLOW = 20_000
"""Rows up to which pure Python and workbooks take part."""

WRITERS: dict[str, Callable[[Any, Path], bool]] = {}
"""What writes a pandas frame to a path, by the file's name; it returns whether it could."""


def _writer(name: str, *, slow: bool = False) -> Callable[[Callable[[Any, Path], Any]], Callable[[Any, Path], Any]]:
    def note(write: Callable[[Any, Path], Any]) -> Callable[[Any, Path], Any]:
        def written(frame: Any, path: Path) -> bool:
            return not (slow and len(frame) > SLOW) and write(frame, path) is not False

        WRITERS[name] = written
        return write

    return note


def _arrow(frame: Any) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def _polars(frame: Any) -> Any:
    return pl.from_arrow(_arrow(frame))


def _duckdb(frame: Any, path: str, statement: str) -> None:
    with duckdb.connect(path) as connection:
        connection.register("frame", _arrow(frame))
        connection.execute(statement)


_writer("pandas.csv")(lambda f, p: f.to_csv(p, index=False))
_writer("pandas.tsv")(lambda f, p: f.to_csv(p, index=False, sep="\t", na_rep="NA"))
_writer("pandas-quoted.csv")(lambda f, p: f.to_csv(p, index=False, quoting=csv.QUOTE_NONNUMERIC, sep=";"))
_writer("pandas.csv.gz")(lambda f, p: f.to_csv(p, index=False, lineterminator="\r\n"))
_writer("pandas.parquet")(lambda f, p: f.to_parquet(p, index=False))
_writer("polars.csv")(lambda f, p: _polars(f).write_csv(p))
_writer("polars.parquet")(lambda f, p: _polars(f).write_parquet(p))
_writer("polars.ndjson")(lambda f, p: _polars(f).write_ndjson(p))
_writer("polars.arrow")(lambda f, p: _polars(f).write_ipc(p, compression="zstd"))
_writer("duckdb.csv")(lambda f, p: _duckdb(f, ":memory:", f"COPY frame TO '{p}' (HEADER)"))
_writer("duckdb.parquet")(lambda f, p: _duckdb(f, ":memory:", f"COPY frame TO '{p}' (FORMAT PARQUET)"))
_writer("table.duckdb")(lambda f, p: _duckdb(f, str(p), "CREATE TABLE t AS SELECT * FROM frame"))
_writer("arrow.csv")(lambda f, p: arrow_csv.write_csv(_arrow(f), p))
_writer("arrow.parquet")(lambda f, p: pq.write_table(_arrow(f), p, row_group_size=777, compression="zstd"))
_writer("arrow.feather")(lambda f, p: feather.write_feather(_arrow(f), p, compression="uncompressed"))
_writer("arrow.orc")(lambda f, p: orc.write_table(_arrow(f), p))
_writer("module.csv", slow=True)(lambda f, p: _by_hand(f, p, csv.QUOTE_MINIMAL))
_writer("module-quoted.csv", slow=True)(lambda f, p: _by_hand(f, p, csv.QUOTE_ALL))


@_writer("table.sqlite")
def _sqlite(frame: Any, path: Path) -> None:
    connection = sqlite3.connect(path)
    frame.to_sql("t", connection, index=False)
    connection.close()


@_writer("dictionary.arrows")
def _stream(frame: Any, path: Path) -> None:
    """Write dictionary-encoded text, a thousand rows at a time."""
    table = _arrow(frame)
    for number, kind in enumerate(table.schema.types):
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            table = table.set_column(number, table.schema.names[number], table.column(number).dictionary_encode())
    with pa.ipc.new_stream(path, table.schema) as file:
        file.write_table(table, max_chunksize=1000)


@_writer("pandas.jsonl")
def _json_lines(frame: Any, path: Path) -> bool:
    """Write JSON, unless a number needs more than pandas' ten decimals; times as text, as it would write numbers."""
    if _rounds(frame, lambda value: round(value, 10)):
        return False
    changed = frame.copy()
    for name in frame.columns:
        if frame[name].dtype.kind == "M":
            changed[name] = frame[name].astype(str).where(frame[name].notna())
    changed.to_json(path, orient="records", lines=True)
    return True


@_writer("sheet.xlsx", slow=True)
def _sheet(frame: Any, path: Path) -> bool:
    """Write a workbook, unless a number needs more than its 16 digits, or a day is from before 1900."""
    times = [frame[name].dropna() for name in frame.columns if frame[name].dtype.kind == "M"]
    if _rounds(frame, lambda value: float(f"{value:.16g}")) or any((values.dt.year < 1901).any() for values in times):
        return False
    frame.to_excel(path, index=False)
    return True


@_writer("r.csv", slow=True)
def _as_r(frame: Any, path: Path) -> None:
    """Quote as R's write.csv: names and text, never numbers, TRUE and FALSE, NA for nothing."""

    def quoted(value: object) -> str:
        return '"' + str(value).replace('"', '""') + '"'

    def cell(value: Any) -> str:
        plain = _cell(value)
        if not plain:
            return "NA"
        if isinstance(value, bool):
            return plain.upper()
        return quoted(plain) if isinstance(value, str) else plain

    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(",".join(quoted(name) for name in frame.columns) + "\n")
        for row in frame.itertuples(index=False, name=None):
            file.write(",".join(cell(value) for value in row) + "\n")


def _by_hand(frame: Any, path: Path, quoting: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, quoting=quoting)
        out.writerow(frame.columns)
        for row in frame.itertuples(index=False, name=None):
            out.writerow([_cell(value) for value in row])


def _rounds(frame: Any, coarse: Callable[[float], float]) -> bool:
    """Tell whether a frame holds numbers that a writer would round."""
    floats = [frame[name].dropna() for name in frame.columns if frame[name].dtype.kind == "f"]
    return any(coarse(value) != value for values in floats for value in values.tolist())


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    return repr(float(value)) if isinstance(value, float) else str(value)
