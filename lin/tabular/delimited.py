"""CSV, TSV and their kin: every column as text, whatever it looks like.

Arrow splits the rows; its type inference is never asked. The reader begins with small blocks, and starts again with
larger ones where a row does not fit. After the file's last row it hands Arrow one row more, which comes back as a row
of its own unless a quote is still open: Arrow by itself would take the rest of the file for a cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lin.errors import NotATableError

from .options import Options
from .sniffing import MOST, SAMPLE, Dialect, sniff
from .source import FileSource
from .streams import Stream, Utf8, readable_file, unpacked
from .table import Table, cut

if TYPE_CHECKING:
    import pyarrow as pa

BLOCKS = (1 << 20, 1 << 24, 1 << 27)
"""Bytes that are split at once; each row has to fit into one. The next size is tried where one does not."""
_END = "\x00end of the rows\x00"
_WIDTH = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")


class _TooLong(Exception):  # noqa: N818 - no error: a request to start again
    """Say that a row does not fit into a block."""

    def __init__(self, rows: int) -> None:
        self.rows = rows


@dataclass(frozen=True, slots=True)
class _File:
    source: FileSource
    options: Options
    dialect: Dialect


def read(source: FileSource, options: Options, *, named: bool) -> Table:
    """Open a CSV as a table.

    Args:
        source: The file.
        options: What the user says.
        named: Whether the user or the file's name says that it is a CSV: then one column is enough.

    Raises:
        NotATableError: It is none, as far as its first rows tell.
    """
    try:
        with unpacked(source) as stream:
            sample, whole = _sample(Utf8(stream, options.encoding, source.name))
    except NotATableError as error:
        if named or options.encoding is not None or "is not utf-8" not in error.message:
            raise
        sample, whole = b"\0", True
    if not named and b"\0" in sample:
        raise NotATableError(
            f"{source.name} is of no format that lin knows, and no text in UTF-8",
            hint="If it is text, say so: --format csv --encoding latin-1",
        )
    dialect = sniff(sample, whole=whole, options=options)
    if not named and (len(dialect.names) < 2 or not dialect.regular or not dialect.rows):  # noqa: PLR2004
        raise NotATableError(
            f"{source.name} is text, but no table by its first rows", hint="If it is one, say so: --format csv"
        )
    refuse_duplicates(source.name, dialect.names)
    unknown = sorted(set(options.types) - set(dialect.names))
    if unknown:
        raise NotATableError(
            f"{source.name} has no column {unknown[0]!r} to be of type {options.types[unknown[0]]}",
            hint=f"It has {_some(dialect.names)}.",
        )
    file = _File(source, options, dialect)
    import pyarrow as pa  # noqa: PLC0415 - takes 200 ms

    types = {name: arrow_type(kind) for name, kind in options.types.items()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in dialect.names])
    texts = frozenset(dialect.names) - types.keys()
    return Table("csv", schema, lambda: _batches(file, schema), texts, options=options.scalars())


def refuse_duplicates(where: str, names: Sequence[str]) -> None:
    """Raise `NotATableError` if two columns have one name."""
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise NotATableError(f"{where} has two columns called {twice!r}", hint="Give each a name of its own.")


def arrow_type(kind: str) -> pa.DataType:
    """Return the Arrow type that a word of `options.TYPES` stands for."""
    import pyarrow as pa  # noqa: PLC0415

    return {
        "text": pa.string(),
        "bool": pa.bool_(),
        "int64": pa.int64(),
        "double": pa.float64(),
        "decimal": pa.decimal128(38, 9),
        "date": pa.date32(),
        "timestamp": pa.timestamp("ns"),
        "binary": pa.binary(),
    }[kind]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown  # noqa: PLR2004 - fits on a line


def _sample(text: Utf8) -> tuple[bytes, bool]:
    """Read the beginning of a text: with two whole rows, as far as quotes allow to tell."""
    sample = b""
    while len(sample) < SAMPLE or (sample.count(b"\n") + sample.count(b"\r") < 3 and len(sample) < MOST):  # noqa: PLR2004
        data = text.read(SAMPLE)
        if not data:
            return sample, True
        sample += data
    return sample, False


def _batches(file: _File, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield all rows; where a row is too long for a block, the rows that were yielded already are read past."""
    done = 0
    for number, block in enumerate(BLOCKS):
        try:
            seen = 0
            for batch in _pass(file, schema, block):
                seen += batch.num_rows
                if seen > done:
                    fresh = batch.slice(max(0, batch.num_rows - (seen - done)))
                    done = seen
                    yield from cut(fresh)
        except _TooLong as stop:
            if number == len(BLOCKS) - 1:
                row = f"{file.source.name}: {_row(file, stop.rows)}"
                raise NotATableError(
                    f"{row} has more than {block} bytes, or a quote in it is never closed",
                    hint="Name another quoting, or none: --quote ''",
                ) from None
        else:
            return


def _row(file: _File, number: int) -> str:
    """Name a row of data, counted from 0, as people count rows."""
    return f"row {number + 1 + file.dialect.header}"


def _pass(file: _File, schema: pa.Schema, block: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.csv as arrow_csv  # noqa: PLC0415

    dialect, width = file.dialect, len(file.dialect.names)
    columns = [str(number) for number in range(width)]
    rows = 0
    with unpacked(file.source) as stream:
        text = Utf8(stream, file.options.encoding, file.source.name)
        body = _Body(text, dialect.body, _END + dialect.delimiter * (width - 1) + "\n")
        try:
            reader = arrow_csv.open_csv(
                readable_file(body),
                # One thread: rows are told by their number, and the caller's work takes longer than this.
                read_options=arrow_csv.ReadOptions(block_size=block, use_threads=False, column_names=columns),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=dialect.delimiter,
                    quote_char=dialect.quote or False,
                    double_quote=dialect.escape is None,
                    escape_char=dialect.escape or False,
                    newlines_in_values=bool(dialect.quote),
                    # With one column, a line without a character is a row like any other.
                    ignore_empty_lines=width > 1,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types={name: pa.string() for name in columns}, strings_can_be_null=False, check_utf8=False
                ),
            )
            pending: pa.RecordBatch | None = None
            for batch in reader:
                if batch.num_rows == 0:
                    continue
                if pending is not None:
                    yield _typed(file, pending, schema, rows - pending.num_rows)
                pending = batch
                rows += batch.num_rows
        except pa.ArrowInvalid as error:
            raise _explained(file, str(error), rows) from error
        if pending is None or pending.column(0)[-1].as_py() != _END:
            raise NotATableError(
                f"{file.source.name}: a quote that is opened in {_row(file, max(rows - 1, 0))} is never closed",
                hint="Name another quoting, or none: --quote ''",
            )
        yield _typed(file, pending.slice(0, pending.num_rows - 1), schema, rows - pending.num_rows)


def _explained(file: _File, message: str, rows: int) -> Exception:
    if "straddling object" in message:
        return _TooLong(rows)
    if found := _WIDTH.search(message):
        number, expected, got = int(found[1]) - 1, int(found[2]), int(found[3])
        cells = f"{got} cell" if got == 1 else f"{got} cells"
        return NotATableError(
            f"{file.source.name}: {_row(file, number)} has {cells}, and {expected} columns are named",
            hint="Name the delimiter or the quoting if they were not recognised.",
        )
    return NotATableError(f"{file.source.name}: {message}")


def _typed(file: _File, batch: pa.RecordBatch, schema: pa.Schema, start: int) -> pa.RecordBatch:
    """Give the columns their names, and the types and nulls that the user says."""
    import pyarrow as pa  # noqa: PLC0415

    pc: Any = import_module("pyarrow.compute")  # its functions are made when it is imported

    if not file.options.nulls and not file.options.types:
        return pa.RecordBatch.from_arrays(batch.columns, schema=schema)
    columns = []
    absent = pa.array(list(file.options.nulls or ()), pa.string())
    for field, column in zip(schema, batch.columns, strict=True):
        if file.options.nulls:
            column = pc.if_else(pc.is_in(column, value_set=absent), pa.scalar(None, pa.string()), column)  # noqa: PLW2901
        if field.name in file.options.types and field.type != pa.string():
            empty = pc.equal(column, "")
            column = pc.if_else(pc.fill_null(empty, fill_value=True), pa.scalar(None, pa.string()), column)  # noqa: PLW2901
            try:
                column = column.cast(field.type)  # noqa: PLW2901
            except pa.ArrowInvalid as error:
                last = start + batch.num_rows - 1
                raise NotATableError(
                    f"{file.source.name}: column {field.name!r} is not all of type {file.options.types[field.name]}: "
                    f"{error} (between {_row(file, start)} and {_row(file, last)})"
                ) from error
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


class _Body:
    """A text without its head, and with a row after its end."""

    def __init__(self, text: Stream, skip: int, end: str) -> None:
        self._text = text
        self._skip = skip
        self._end = end.encode()
        self._last = b"\n"

    def read(self, size: int, /) -> bytes:
        while data := self._text.read(size):
            if self._skip:
                cut, self._skip = self._skip, max(0, self._skip - len(data))
                data = data[cut:]
            if data:
                self._last = data[-1:]
                return data
        end, self._end = self._end, b""
        return b"\n" + end if end and self._last not in {b"\n", b"\r"} else end
