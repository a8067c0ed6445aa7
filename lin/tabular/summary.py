"""What people want to know of a column at a glance, from what the kernel noted of its cells.

The same for the same rows, in whatever file and order: all but the quantiles, which are taken from an even sample of
the rows where there are many (`lineage/tables/native/seen.c` says how it is chosen).
"""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import numpy as np

from lin.lineage import canonical
from lin.lineage.tables import ColumnIdentity
from lin.lineage.tables.engine import have_kernel

KEPT = 1024
"""Hashes kept to count different cells: exact up to so many, then within about 3 % (one standard error)."""
SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Of which quantiles are told."""
PREFIX = 100
"""Bytes of the least and the greatest text that are told."""

_TAGS = 24
_NULL, _INT, _FLT, _DEC, _TEXT, _BYTES = range(6)
_LIST, _STRUCT, _MAP = 0x0C, 0x0D, 0x0E
_UNITS = {
    **dict.fromkeys((0x06, 0x08, 0x0A, 0x0B), 1),
    **dict.fromkeys((0x07, 0x09, 0x14, 0x15), 10**3),
    **dict.fromkeys((0x10, 0x12, 0x16), 10**6),
    **dict.fromkeys((0x11, 0x13, 0x17), 10**9),
}
"""Nanoseconds of what the tags of times count."""
_KINDS = {
    _INT: "int",
    _FLT: "float",
    _DEC: "decimal",
    _TEXT: "text",
    _BYTES: "bytes",
    **dict.fromkeys((0x06, 0x07, 0x10, 0x11), "timestamp"),
    **dict.fromkeys((0x08, 0x09, 0x12, 0x13), "instant"),
    **dict.fromkeys((0x0A, 0x14), "time"),
    **dict.fromkeys((0x0B, 0x15, 0x16, 0x17), "duration"),
    _LIST: "list",
    _STRUCT: "struct",
    _MAP: "map",
}
_TIMES = frozenset({"timestamp", "instant", "time", "duration"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Seen:
    """What the kernel noted of a column; the layout stands in `seen.c`."""

    rows: int
    counts: Sequence[int]
    different: float
    least: Mapping[int, Any]
    most: Mapping[int, Any]
    tags: np.ndarray
    values: np.ndarray

    @classmethod
    def parse(cls, data: bytes) -> Seen:
        """Read what `lt_seen_result` wrote."""
        rows, *counts = struct.unpack_from(f"<{1 + _TAGS}Q", data)
        at = 8 * (1 + _TAGS)
        (different,) = struct.unpack_from("<d", data, at)
        at += 8
        least: dict[int, Any] = {}
        most: dict[int, Any] = {}
        for tag in range(_TAGS):
            least[tag], most[tag] = struct.unpack_from("<qq", data, at)
            at += 16
        least[_FLT], most[_FLT] = struct.unpack_from("<dd", data, at)
        at += 16
        for tag in (_TEXT, _BYTES):
            for ends in (least, most):
                (length,) = struct.unpack_from("<I", data, at)
                ends[tag] = (length, data[at + 4 : at + 4 + min(length, PREFIX)])
                at += 4 + PREFIX
        (sampled,) = struct.unpack_from("<I", data, at)
        sample = np.frombuffer(data, np.dtype([("tag", "u1"), ("value", "<u8")]), sampled, at + 4)
        return cls(rows, counts, different, least, most, sample["tag"], sample["value"])

    def ordered(self) -> list[tuple[int, Any]]:
        """Return the sampled cells with their tags, least first: of numbers, or of times of one kind."""
        if not len(self.tags):
            return []
        tag = int(self.tags[0])
        if (self.tags == tag).all():  # nearly always
            return [
                (tag, value) for value in np.sort(self.values.copy().view("<f8" if tag == _FLT else "<i8")).tolist()
            ]
        cells = [(int(tag), _value(int(tag), int(bits))) for tag, bits in zip(self.tags, self.values, strict=True)]
        return sorted(cells, key=lambda cell: (_order(*cell), cell))


class Watcher:
    """Notes of each column's cells, taken while they are digested; without the kernel, none."""

    def __init__(self, columns: int, kept: int = KEPT) -> None:
        self._library: Any = None
        self._notes: list[Any] = []
        self._pieces: dict[int, dict[int, memoryview]] = {}
        if have_kernel():
            self._library = _functions()
            self._notes = [self._library.lt_seen_new(kept) for _ in range(columns)]
            if not all(self._notes):
                self.close()
                raise MemoryError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the notes."""
        for note in self._notes:
            self._library.lt_seen_free(note)
        self._notes = []

    def add(self, column: int, stream: int, piece: memoryview) -> None:
        """Take a piece of one of a column's streams."""
        if self._notes:
            self._pieces.setdefault(column, {})[stream] = piece

    def flush(self) -> None:
        """Look at the pieces."""
        for column, pieces in self._pieces.items():
            tags = pieces.get(0)
            if tags is None:
                continue
            addresses = [_address(pieces.get(stream)) for stream in range(4)]
            size = len(pieces.get(3, ()))
            if not self._library.lt_seen(self._notes[column], addresses[0], len(tags), *addresses[1:], size):
                raise MemoryError
        self._pieces.clear()

    def seen(self, column: int) -> bytes | None:
        """Return what was noted of a column."""
        if not self._notes:
            return None
        size = self._library.lt_seen_result(self._notes[column], None, 0)
        out = ctypes.create_string_buffer(size)
        size = self._library.lt_seen_result(self._notes[column], out, size)
        if size < 0:
            raise MemoryError
        return out.raw[:size]


def _address(piece: memoryview | None) -> int | None:
    if piece is None or not len(piece):
        return None
    return np.frombuffer(piece, np.uint8).ctypes.data


def _functions() -> Any:
    from lin.lineage.tables.kernel import library  # noqa: PLC0415 - only where there is one

    found = library()
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    for name, result, arguments in (
        ("lt_seen_new", pointer, [ctypes.c_uint32]),
        ("lt_seen_free", None, [pointer]),
        ("lt_seen", ctypes.c_int, [pointer, pointer, size, pointer, pointer, pointer, size]),
        ("lt_seen_result", size, [pointer, pointer, size]),
    ):
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found


def column_summary(column: ColumnIdentity, data: bytes | None) -> dict[str, Any]:
    """Return what is told of a column: JSON, as `docs/formats/table.md` defines it."""
    answer: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "digest": column.digest.hex(),
        "nulls": column.nulls,
        "kinds": list(column.kinds),
    }
    if data is None:
        return answer
    seen = Seen.parse(data)
    answer["distinct"] = round(abs(seen.different))
    answer["exact"] = seen.different >= 0
    found = [tag for tag in range(1, _TAGS) if seen.counts[tag]]
    kinds = {_KINDS[tag] for tag in found}
    if kinds <= {"int", "float"} and kinds:
        answer["min"] = _number(min(seen.least[tag] for tag in found))
        answer["max"] = _number(max(seen.most[tag] for tag in found))
    elif len(kinds) == 1 and kinds <= _TIMES | {"text", "bytes"}:
        answer["min"] = min((_order(tag, seen.least[tag]), _told(tag, seen.least[tag])) for tag in found)[1]
        answer["max"] = max((_order(tag, seen.most[tag]), _told(tag, seen.most[tag])) for tag in found)[1]
    if quantiles := _quantiles(seen, kinds):
        answer["quantiles"] = quantiles
    return answer


def _quantiles(seen: Seen, kinds: set[str]) -> list[Any]:
    """Return the values at `SHARES` among the numbers or times: each one that occurs, none in between."""
    if kinds and kinds <= {"int", "float"}:
        ordered = seen.ordered()
        return [_number(_at(ordered, share)[1]) for share in SHARES] if ordered else []
    if len(kinds) == 1 and kinds <= _TIMES:
        ordered = seen.ordered()
        return [_told(*_at(ordered, share)) for share in SHARES] if ordered else []
    return []


def _at(ordered: Sequence[Any], share: float) -> Any:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _value(tag: int, bits: int) -> Any:
    packed = struct.pack("<Q", bits)
    return struct.unpack("<d" if tag == _FLT else "<q", packed)[0]


def _order(tag: int, value: Any) -> Any:
    """Return what values of one kind are compared by, whatever their unit."""
    if tag in {_TEXT, _BYTES}:
        return value[1], value[0]
    return value * _UNITS.get(tag, 1)


def _number(value: float) -> Any:
    """Return a number as JSON holds it exactly; as text where it does not."""
    if isinstance(value, int):
        return value if -_EXACT < value < _EXACT else str(value)
    if not math.isfinite(value):
        return str(value)
    return value if not value.is_integer() or abs(value) < _EXACT else repr(value)


def _told(tag: int, value: Any) -> Any:
    """Return a cell for people."""
    if tag in {_TEXT, _BYTES}:
        length, start = value
        more = "…" if length > PREFIX else ""
        return (start.decode(errors="ignore") if tag == _TEXT else start.hex()) + more
    nanoseconds = value * _UNITS[tag]
    if _KINDS[tag] in {"time", "duration"}:
        return _clock(nanoseconds)
    return _moment(nanoseconds) + ("Z" if _KINDS[tag] == "instant" else "")


def _clock(nanoseconds: int) -> str:
    sign = "-" if nanoseconds < 0 else ""
    seconds, fraction = divmod(abs(nanoseconds), 10**9)
    text = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text + (f".{fraction:09}".rstrip("0") if fraction else "")


def _moment(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, 10**9)
    try:
        text = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat(sep=" ")
    except OverflowError:  # beyond year 9999
        return f"{seconds} s since 1970"
    text += f".{fraction:09}".rstrip("0") if fraction else ""
    return text.removesuffix(" 00:00:00")


def document(columns: Sequence[dict[str, Any]]) -> bytes:
    """Return the bytes of a summary: canonical JSON."""
    return canonical.dumps({"v": 0, "columns": list(columns)})
