"""Table identity in plain Python, written from `docs/formats/table-identity.md` alone and not made to be fast.

It is what the tests hold the kernel against, and what serves where no kernel could be compiled.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

import blake3
import pyarrow as pa

from lin.errors import InvalidInputError

from .identity import TextMode
from .texts import Seen

if TYPE_CHECKING:
    import numpy as np

NULL = b"\x00"
SPELLINGS_OF_NULL = frozenset({b"", b"NA", b"N/A", b"NULL", b"null", b"NaN", b"nan", b"None", b"#N/A"})
FIXED = frozenset([1, 2, *range(6, 0x0C), *range(0x10, 0x18)])
LENGTHY = frozenset([3, 4, 5])

_INT64 = range(-(2**63), 2**63)
_LARGEST_WHOLE_FLOAT = 2**53
_UNITS = ("ns", "us", "ms", "s")
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NAIVE = {"ns": 0x06, "us": 0x07, "ms": 0x10, "s": 0x11}
_ZONED = {"ns": 0x08, "us": 0x09, "ms": 0x12, "s": 0x13}
_SPANS = {"ns": 0x0B, "us": 0x15, "ms": 0x16, "s": 0x17}
_TIMES = {"ns": 0x0A, "us": 0x14}

_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_MOMENT = re.compile(
    rb"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    rb"(?:[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_TIME = re.compile(rb"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?")
_NUMERAL = re.compile(rb"-?(?:(0|[1-9][0-9]*)(\.[0-9]*)?|(\.[0-9]+))([eE][+-]?[0-9]+)?")
_INFINITY = re.compile(rb"-?(?:inf|Inf|INF|infinity|Infinity|INFINITY)")
_BOOLS = {b"true": 1, b"false": 0, b"True": 1, b"False": 0, b"TRUE": 1, b"FALSE": 0}
_MOST_DIGITS = 19


def integer(value: int) -> bytes:
    """Encode an integer: INT, and beyond int64 as a decimal."""
    return b"\x01" + struct.pack("<q", value) if value in _INT64 else decimal(Decimal(value))


def float64(value: float) -> bytes:
    """Encode a float64: NULL for NaN, INT for what is whole and at most 2**53, else FLT."""
    if value != value:  # noqa: PLR0124 - NaN
        return NULL
    if abs(value) <= _LARGEST_WHOLE_FLOAT and value == int(value):
        return integer(int(value))
    return b"\x02" + struct.pack("<d", value)


def short_float(value: np.floating[Any]) -> bytes:
    """Encode a float32 or float16 by way of its shortest numeral."""
    import numpy as np  # noqa: PLC0415

    if not np.isfinite(value):
        return float64(float(value))
    return float64(float(np.format_float_scientific(value, unique=True)))


def decimal(value: Decimal) -> bytes:
    """Encode a decimal: INT, or FLT where it is the shortest numeral of a float64, else DEC."""
    sign, digits, exponent = value.as_tuple()
    number = "".join(map(str, digits)).lstrip("0")
    places = int(exponent)
    stripped = number.rstrip("0")
    places += len(number) - len(stripped)
    if not stripped:
        return integer(0)
    if places >= 0 and len(stripped) + places <= _MOST_DIGITS:
        whole = int(stripped) * 10**places * (-1 if sign else 1)
        if whole in _INT64:
            return integer(whole)
    text = f"{'-' if sign else ''}{stripped}E{places}"
    nearest = float(text)
    with localcontext() as context:
        context.prec = 400
        if nearest not in {0, float("inf"), float("-inf")} and Decimal(repr(nearest)) == Decimal(text):
            return b"\x02" + struct.pack("<d", nearest)
    return b"\x03" + struct.pack("<I", len(text)) + text.encode()


def span(value: int, unit: str, tags: dict[str, int]) -> bytes:
    """Encode a moment or a span of time in the finest unit of `tags` that holds it."""
    for finer in _UNITS[: _UNITS.index(unit) + 1]:
        scaled = value * (_PER_SECOND[finer] // _PER_SECOND[unit])
        if finer in tags and scaled in _INT64:
            return bytes([tags[finer]]) + struct.pack("<q", scaled)
    raise AssertionError(value)  # the unit it has holds it


def lengthy(tag: int, value: bytes) -> bytes:
    """Encode bytes with their length before them."""
    if len(value) >= 2**32:
        raise InvalidInputError("a cell holds more than 4 GiB")
    return bytes([tag]) + struct.pack("<I", len(value)) + value


def text(value: bytes) -> bytes:
    """Type one cell of text: integer, date, timestamp or time in canonical spelling, else TEXT; NULL when empty."""
    if not value:
        return NULL
    if _INTEGER.fullmatch(value) and int(value) in _INT64:
        return integer(int(value))
    found = _MOMENT.fullmatch(value)
    if found and (cell := _moment(found)):
        return cell
    found = _TIME.fullmatch(value)
    if found and (seconds := _seconds(found.groups()[:3])) is not None:
        return span(seconds * 10**9 + _fraction(found[4]), "ns", _TIMES)
    return lengthy(0x04, value)


def _fraction(digits: bytes | None) -> int:
    return int((digits or b"0").ljust(9, b"0"))


def _seconds(parts: Sequence[bytes]) -> int | None:
    hour, minute, second = map(int, parts)
    return hour * 3600 + minute * 60 + second if hour < 24 and minute < 60 and second < 60 else None  # noqa: PLR2004


def _moment(found: re.Match[bytes]) -> bytes | None:
    try:
        days = date(int(found[1]), int(found[2]), int(found[3])).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    if found[4] is None:
        return span(days * 86400, "s", _NAIVE)
    seconds = _seconds(found.groups()[3:6])
    if seconds is None:
        return None
    zone = found[8]
    shift = 0
    if zone and zone != b"Z":
        hours, minutes = int(zone[1:3]), int(zone[-2:]) if len(zone) > 3 else 0  # noqa: PLR2004
        if hours > 23 or minutes > 59:  # noqa: PLR2004
            return None
        shift = (hours * 3600 + minutes * 60) * (-1 if zone[:1] == b"-" else 1)
    total, tags = (days * 86400 + seconds - shift) * 10**9 + _fraction(found[7]), _ZONED if zone else _NAIVE
    if total in _INT64:
        return span(total, "ns", tags)
    return None if total % 1000 else span(total // 1000, "us", tags)


def numeral(value: bytes) -> float | None:
    """Read a decimal numeral or an infinity as float64; None for what is neither (rule 6)."""
    if _INFINITY.fullmatch(value):
        return float(value)
    found = _NUMERAL.fullmatch(value)
    if not found:
        return None
    digits = ((found[1] or b"") + (found[2] or found[3] or b"")).replace(b".", b"").strip(b"0")
    number = float(value)
    return None if len(digits) > _MOST_DIGITS or number in {float("inf"), float("-inf")} else number


def kind(value: bytes) -> int:
    """Tell what a cell of a text file is, as a bit of `Seen`; 0 for nothing."""
    if value in SPELLINGS_OF_NULL:
        return 0
    if _INTEGER.fullmatch(value) and abs(int(value)) <= _LARGEST_WHOLE_FLOAT:
        return Seen.INT
    if numeral(value) is not None:
        return Seen.FRACTION if re.search(rb"[.eEinIN]", value) else Seen.BIG
    if value in _BOOLS:
        return Seen.LOWER if value.islower() else Seen.UPPER if value.isupper() else Seen.TITLE
    return Seen.OTHER


def text_cell(value: bytes, mode: TextMode) -> bytes | None:
    """Encode a cell of a text file; None where it does not suit the mode."""
    if value in SPELLINGS_OF_NULL:
        return NULL
    if mode is TextMode.FLOAT:
        number = numeral(value)
        return None if number is None else float64(number)
    if mode is TextMode.BOOL:
        return integer(_BOOLS[value]) if value in _BOOLS else None
    return text(value)


def cells(array: pa.Array, mode: TextMode | None = None) -> list[bytes | None]:  # noqa: C901, PLR0911, PLR0912
    """Encode each element of an array as rule 3 writes it; None for what does not suit a text file's mode."""
    while isinstance(array, pa.ExtensionArray):
        array = array.storage
    kind_ = array.type
    is_ = pa.types
    if is_.is_null(kind_):
        return [NULL] * len(array)
    if is_.is_dictionary(kind_):
        values = cells(array.dictionary, mode)
        return [NULL if i is None else values[i] for i in array.indices.to_pylist()]
    if is_.is_run_end_encoded(kind_):
        values = cells(array.values, mode)
        ends = array.run_ends.to_pylist()
        runs: list[bytes | None] = []
        run = 0
        for at in range(array.offset, array.offset + len(array)):
            while ends[run] <= at:
                run += 1
            runs.append(values[run])
        return runs
    if is_.is_string(kind_) or is_.is_large_string(kind_) or kind_ == pa.string_view():
        read = text if mode is None else lambda value: text_cell(value, mode)
        return _each(_raw_texts(array), read)
    if is_.is_boolean(kind_) or is_.is_integer(kind_):
        return _each(array.to_pylist(), lambda value: integer(int(value)))
    if is_.is_float64(kind_):
        return _each(array.to_pylist(), float64)
    if is_.is_floating(kind_):
        floats = array.to_numpy(zero_copy_only=False)
        return [
            short_float(value) if valid else NULL
            for value, valid in zip(floats, array.is_valid().to_pylist(), strict=True)
        ]
    if is_.is_decimal(kind_):
        return _each(array.to_pylist(), decimal)
    if is_.is_date32(kind_):
        return _each(array.view(pa.int32()).to_pylist(), lambda days: span(days * 86400, "s", _NAIVE))
    if is_.is_date64(kind_):
        return _each(array.view(pa.int64()).to_pylist(), lambda ms: span(ms // 86400000 * 86400, "s", _NAIVE))
    if is_.is_timestamp(kind_):
        return _each(array.view(pa.int64()).to_pylist(), lambda t: span(t, kind_.unit, _ZONED if kind_.tz else _NAIVE))
    if is_.is_duration(kind_):
        return _each(array.view(pa.int64()).to_pylist(), lambda t: span(t, kind_.unit, _SPANS))
    if is_.is_time(kind_):
        whole = pa.int32() if kind_.bit_width == 32 else pa.int64()  # noqa: PLR2004
        return _each(array.view(whole).to_pylist(), lambda t: span(t, kind_.unit, _TIMES))
    if (
        is_.is_binary(kind_)
        or is_.is_large_binary(kind_)
        or is_.is_fixed_size_binary(kind_)
        or kind_ == pa.binary_view()
    ):
        return _each(array.to_pylist(), lambda value: lengthy(0x05, value))
    return _nested(array)


def _each(values: Iterable[Any], encode: Callable[[Any], bytes | None]) -> list[bytes | None]:
    return [NULL if value is None else encode(value) for value in values]


def _raw_texts(array: pa.Array) -> list[bytes | None]:
    """Read text as the bytes that it is, also where these are no UTF-8."""
    if array.type == pa.string_view():
        return [None if value is None else value.encode() for value in array.to_pylist()]
    raw = pa.binary() if pa.types.is_string(array.type) else pa.large_binary()
    return array.view(raw).to_pylist()  # type: ignore[no-any-return]


def _nested(array: pa.Array) -> list[bytes | None]:
    kind_ = array.type
    valid = array.is_valid().to_pylist()
    if pa.types.is_struct(kind_):
        names = [kind_.field(i).name for i in range(kind_.num_fields)]
        order = sorted(range(len(names)), key=lambda i: names[i].encode())
        fields = {i: cells(array.field(i)) for i in order}
        return [
            b"\x0d"
            + struct.pack("<I", len(order))
            + b"".join(lengthy(0, names[i].encode())[1:] + _sure(fields[i][row]) for i in order)
            if valid[row]
            else NULL
            for row in range(len(array))
        ]
    if pa.types.is_map(kind_):
        keys, items = cells(array.keys), cells(array.items)
        offsets = array.offsets.to_pylist()
        return [
            b"\x0e"
            + struct.pack("<I", end - start)
            + b"".join(sorted(_sure(keys[i]) + _sure(items[i]) for i in range(start, end)))
            if there
            else NULL
            for start, end, there in zip(offsets, offsets[1:], valid, strict=False)
        ]
    return [
        b"\x0c" + struct.pack("<I", len(element)) + b"".join(map(_sure, cells(element))) if there else NULL
        for element, there in ((array[row].values, valid[row]) for row in range(len(array)))
    ]


def _sure(cell: bytes | None) -> bytes:
    if cell is None:
        raise AssertionError("only columns of text files have modes")
    return cell


def row_digest(row: bytes) -> bytes:
    """Digest one row."""
    return blake3.blake3(row, derive_key_context="lin-fp/1 row").digest()


class ReferenceEngine:
    """Encode batches in Python; `engine.Engine` says how."""

    def __init__(self, _schema: pa.Schema, order: Sequence[int], modes: dict[int, TextMode]) -> None:
        self._order = list(order)
        self._modes = dict(modes)
        self._spellings = [0] * len(self._order)
        self._counts = [[0] * 0x18 for _ in order]
        self._streams: list[list[bytearray]] = [[bytearray() for _ in range(4)] for _ in order]
        self._batch: pa.RecordBatch = None  # until `begin`

    def begin(self, batch: pa.RecordBatch) -> None:
        """Take the next batch."""
        self._batch = batch

    def encode(self, start: int, out: np.ndarray) -> tuple[int, int]:
        """Digest rows from `start` on into `out`."""
        import numpy as np  # noqa: PLC0415

        part = self._batch.slice(start, len(out))
        for column, mode in self._modes.items():
            if mode is TextMode.GUESS and self._kinds(part, column) & ~Seen.INT:
                return 0, column
        columns: list[list[bytes]] = []
        for column in range(len(self._order)):
            encoded = cells(part.column(column), self._modes.get(column))
            if self._modes.get(column) is TextMode.BOOL:
                kinds = self._spellings[column] | self._kinds(part, column)
                if kinds & (kinds - 1):  # of two spellings
                    return 0, column
                self._spellings[column] = kinds
            if None in encoded:
                return 0, column
            columns.append([_sure(cell) for cell in encoded])
        for column, done in enumerate(columns):
            self._collect(column, done)
        for row in range(len(out)):
            digest = row_digest(b"".join(columns[column][row] for column in self._order))
            out[row] = np.frombuffer(digest, np.uint8)
        return len(out), -1

    def _collect(self, column: int, encoded: list[bytes]) -> None:
        tags, payloads, lengths, rest = self._streams[column]
        for cell in encoded:
            tag = cell[0]
            self._counts[column][tag] += 1
            tags.append(tag)
            if tag in FIXED:
                payloads += cell[1:]
            elif tag in LENGTHY:
                lengths += cell[1:5]
                rest += cell[5:]
            elif tag:
                lengths += struct.pack("<I", len(cell) - 1)
                rest += cell[1:]

    def drain(self) -> Iterator[tuple[int, int, memoryview]]:
        """Hand out the columns' streams."""
        for column, streams in enumerate(self._streams):
            for which, stream in enumerate(streams):
                if stream:
                    yield column, which, memoryview(bytes(stream))
                    stream.clear()

    def _kinds(self, batch: pa.RecordBatch, column: int) -> int:
        found = 0
        for value in batch.column(column).unique().cast(pa.binary()).to_pylist():
            found |= 0 if value is None else kind(value)
        return found

    def classify(self, start: int, columns: Sequence[int]) -> dict[int, int]:
        """See what cells of text there are."""
        part = self._batch.slice(start)
        return {column: self._kinds(part, column) for column in columns}

    def set_mode(self, column: int, mode: TextMode) -> None:
        """Read a column of text in another mode."""
        self._modes[column] = mode

    def counts(self, column: int) -> Sequence[int]:
        """Count a column's cells by tag."""
        return self._counts[column]

    def close(self) -> None:
        """There is nothing to give back."""
