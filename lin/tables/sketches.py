"""The index of sketches: which known tables may share rows, without reading their keys.

The least row keys of a table are a random sample of its different rows. The first 256 of each table's sketch lie in
an SQLite file in this machine's cache, by value: tables that share rows share some of these, unless one of them is
small beside the other; then nothing follows from a sketch, and the keys have to be looked at (`duplicates.counted`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lin.errors import LinError
from lin.lineage import canonical
from lin.lineage.table_id import TableId
from lin.store.digest import Digest

from .known import Known

if TYPE_CHECKING:
    from collections.abc import Callable

    from .rowfile import Array

FIRST = 256
"""Values of each sketch that are in the index."""
SKETCH = 4096
"""Values that a sketch has at most; one with fewer holds all different rows."""
CROWD = 64
"""Tables that share one value, up to which each is compared with each; beyond that with its neighbours only."""
FILE = "sketches-v1.sqlite3"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sketch (
    t INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, names INTEGER NOT NULL, size INTEGER NOT NULL, data BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS value (h INTEGER, t INTEGER, PRIMARY KEY (h, t)) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS shared (
    one TEXT, other TEXT, distinct_rows INTEGER, rows INTEGER, PRIMARY KEY (one, other)
) WITHOUT ROWID, STRICT;
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What two sketches say of the tables they are of.

    Attributes:
        old: Different rows of the first in the sample.
        new: Different rows of the second in it.
        both: Those that both have.
        whole: Whether the sample is all there is, so that this is counted and not estimated.
    """

    old: int
    new: int
    both: int
    whole: bool

    @property
    def share_old(self) -> float:
        """Which part of the first's different rows the second has."""
        return self.both / self.old if self.old else 0.0

    @property
    def share_new(self) -> float:
        """Which part of the second's different rows the first has."""
        return self.both / self.new if self.new else 0.0


def names_mark(names: Sequence[str]) -> int:
    """Return a number for a table's columns, in any order: rows are compared only where all names are equal."""
    digest = Digest.of(canonical.dumps(sorted(names)))
    return int.from_bytes(digest.value[:8], "little", signed=True)


def _marked(sketch: Array, mark: int) -> list[int]:
    # Row digests are of cells alone; mixed with the names, a value is of rows with these columns.
    marked: list[int] = (sketch.astype("<i8") ^ np.int64(mark)).tolist()
    return marked


def estimate(old: Array, new: Array) -> Estimate:
    """Compare two sketches (ascending, each value once) where both know all values."""
    limits = [each[-1] for each in (old, new) if len(each) >= SKETCH]
    if limits:
        bound = min(limits)
        old, new = (each[: np.searchsorted(each, bound, "right")] for each in (old, new))
    both = len(np.intersect1d(old, new, assume_unique=True))
    return Estimate(len(old), len(new), both, not limits)


class SketchIndex:
    """The sketches of a repository's tables, by their values; follows the graph."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            db = self._connect()
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)  # what cannot be read is made again
            db = self._connect()
        try:
            yield db
        finally:
            db.close()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, timeout=60)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=OFF")
            db.executescript(_SCHEMA)
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db

    def follow(self, tables: Sequence[Known], read: Callable[[Digest], bytes]) -> Mapping[int, Known]:
        """Take in the tables that are new, and return those that it has, by their number in it.

        Args:
            tables: What the graph knows.
            read: Reads a blob; a sketch that is not here is left out until it is.
        """
        with self._open() as db:
            numbers = dict(db.execute("SELECT id, t FROM sketch"))
            fresh = []
            for table in tables:
                if str(table.id) not in numbers and table.sketch is not None and table.schema is not None:
                    try:
                        names = [column["name"] for column in json.loads(read(table.schema))]
                        fresh.append((table, names_mark(names), read(table.sketch)))
                    except LinError:
                        continue
            if fresh:
                db.execute("BEGIN IMMEDIATE")
                numbers = dict(db.execute("SELECT id, t FROM sketch"))
                values = []
                for table, mark, data in fresh:
                    if str(table.id) in numbers:
                        continue
                    number = len(numbers) + 1
                    numbers[str(table.id)] = number
                    sketch = np.frombuffer(data, "<u8")
                    db.execute(
                        "INSERT INTO sketch VALUES (?, ?, ?, ?, ?)",
                        (number, str(table.id), mark, len(sketch), data),
                    )
                    values += [(value, number) for value in _marked(sketch[:FIRST], mark)]
                values.sort()
                db.executemany("INSERT OR IGNORE INTO value VALUES (?, ?)", values)
                db.execute("COMMIT")
        return {numbers[str(table.id)]: table for table in tables if str(table.id) in numbers}

    def sketches(self, numbers: Sequence[int]) -> Mapping[int, Array]:
        """Return whole sketches by number."""
        found = {}
        with self._open() as db:
            for start in range(0, len(numbers), 500):
                some = numbers[start : start + 500]
                marks = ", ".join("?" * len(some))
                for number, data in db.execute(f"SELECT t, data FROM sketch WHERE t IN ({marks})", some):  # noqa: S608 - question marks
                    found[number] = np.frombuffer(data, "<u8")
        return found

    def bounds(self, names: Sequence[str]) -> Mapping[int, tuple[int, int]]:
        """Return for each table with these columns how long its sketch is, and its greatest value."""
        with self._open() as db:
            rows = db.execute("SELECT t, size, substr(data, -8) FROM sketch WHERE names = ?", (names_mark(names),))
            return {number: (size, int.from_bytes(last, "little")) for number, size, last in rows}

    def near(self, names: Sequence[str], sketch: Array) -> Mapping[int, int]:
        """Return the tables with these columns that have one of a sketch's values among their first, and how many."""
        found: dict[int, int] = {}
        values = _marked(sketch, names_mark(names))
        with self._open() as db:
            for start in range(0, len(values), 500):
                some = values[start : start + 500]
                marks = ", ".join("?" * len(some))
                for (number,) in db.execute(f"SELECT t FROM value WHERE h IN ({marks})", some):  # noqa: S608 - question marks
                    found[number] = found.get(number, 0) + 1
        return found

    def pairs(self) -> set[tuple[int, int]]:
        """Return the pairs of tables that share at least one of their first values.

        Where more than `CROWD` tables share one value, which are versions of one table, each is paired with the next
        ones only, so that the number of pairs stays in proportion to that of the values.
        """
        with self._open() as db:
            rows = np.array(db.execute("SELECT h, t FROM value ORDER BY h, t").fetchall(), np.int64).reshape(-1, 2)
        found: set[tuple[int, int]] = set()
        if not len(rows):
            return found
        starts = np.flatnonzero(np.r_[True, rows[1:, 0] != rows[:-1, 0]])
        lengths = np.diff(np.r_[starts, len(rows)])
        seen: set[bytes] = set()
        for start, length in zip(starts[lengths > 1], lengths[lengths > 1], strict=True):
            group = rows[start : start + length, 1]
            if (mark := group.tobytes()) in seen:
                continue  # most values of tables that share rows are shared by the same tables
            seen.add(mark)
            reach = len(group) if len(group) <= CROWD else 3
            for index, one in enumerate(group):
                found.update((int(one), int(other)) for other in group[index + 1 : index + 1 + reach])
        return found

    def shared(self, one: TableId, other: TableId) -> tuple[int, int] | None:
        """Return what was counted before: different rows in both, and rows of the first that the second has."""
        with self._open() as db:
            row = db.execute(
                "SELECT distinct_rows, rows FROM shared WHERE one = ? AND other = ?", (str(one), str(other))
            ).fetchone()
        return None if row is None else (row[0], row[1])

    def remember(self, one: TableId, other: TableId, distinct: int, rows: int) -> None:
        """Keep what was counted: it follows from the tables, and never changes."""
        with self._open() as db:
            db.execute("INSERT OR REPLACE INTO shared VALUES (?, ?, ?, ?)", (str(one), str(other), distinct, rows))
