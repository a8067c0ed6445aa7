"""Columns of what has no column types: sheets and SQLite say for each cell what it is.

A column whose cells agree gets the Arrow type that holds them all. One whose cells don't becomes text, each cell as a
CSV writer would write it, so that it is the same column as in that CSV.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_SORTS: dict[type, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "text",
    bytes: "bytes",
    dt.datetime: "timestamp",
    dt.date: "timestamp",
    dt.time: "time",
    dt.timedelta: "duration",
}
EXACT = 2**53
"""Whole numbers up to here are exact as float64."""


class Sorts:
    """What sorts of cells a column has."""

    def __init__(self) -> None:
        self._found: set[str] = set()
        self._beyond = False

    def see(self, values: Iterable[Any]) -> None:
        """Look at cells; None is of no sort."""
        for value in values:
            if value is None:
                continue
            sort = _SORTS[type(value)]
            self._found.add(sort)
            if sort == "int" and not -EXACT <= value <= EXACT:
                self._beyond = True

    def add(self, sort: str, *, beyond: bool = False) -> None:
        """Note a sort that is known to occur."""
        self._found.add(sort)
        self._beyond |= beyond

    def type(self) -> pa.DataType:
        """Return the type that holds them all; string where they don't agree."""
        import pyarrow as pa  # noqa: PLC0415 - takes 200 ms

        found = frozenset(self._found)
        if not found:
            return pa.null()
        if found <= {"int", "bool"}:
            return pa.bool_() if found == {"bool"} else pa.int64()
        if found <= {"int", "float", "bool"} and not self._beyond:
            return pa.float64()
        single = {
            "text": pa.string(),
            "bytes": pa.binary(),
            "timestamp": pa.timestamp("us"),
            "time": pa.time64("us"),
            "duration": pa.duration("us"),
        }
        return single[next(iter(found))] if len(found) == 1 and found <= single.keys() else pa.string()


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Make an array of cells, of the type that `Sorts` found for their column."""
    import pyarrow as pa  # noqa: PLC0415

    if kind == pa.string():
        return pa.array([None if value is None else written(value) for value in values], kind)
    if kind == pa.float64():
        return pa.array([None if value is None else float(value) for value in values], kind)
    if kind == pa.int64():
        return pa.array([None if value is None else int(value) for value in values], kind)
    if kind == pa.timestamp("us"):
        return pa.array([_moment(value) for value in values], kind)
    return pa.array(values, kind)


def written(value: Any) -> str:
    """Write a cell as it would stand in a CSV."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) <= EXACT else repr(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ") if (value.time() != dt.time()) else value.date().isoformat()
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _moment(value: Any) -> dt.datetime | None:
    if value is None or isinstance(value, dt.datetime):
        return value
    return dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a sheet's dates have no zone
