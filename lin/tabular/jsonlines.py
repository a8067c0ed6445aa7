"""JSON lines, and JSON arrays of objects: one object a row.

All of it is read twice: first for the types that hold every row, then for the rows. Arrow by itself takes the types
from the first rows, and text that looks like a time for a time; here text stays text, and is typed cell by cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from lin.errors import NotATableError

from .options import Options
from .source import FileSource
from .streams import Stream, Utf8, unpacked
from .table import Table, cut

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 1 << 22
"""Bytes of whole lines that are parsed at once."""
LONGEST = 1 << 27
"""Bytes of a line at most."""
LARGEST_ARRAY = 1 << 25
"""Bytes of a JSON document that is one array: it has to be held in memory."""
BIG = 2.0**63

Blocks = Callable[[], AbstractContextManager[Iterator[bytes]]]
_ROW = re.compile(r"in row (\d+)")
_CHANGED = re.compile(r"Column\(/?(.*?)\) changed from (\w+) to (\w+)")


def read(source: FileSource, options: Options) -> Table:
    """Open JSON lines, or a JSON array of objects, as a table.

    Raises:
        NotATableError: A line is no JSON object, or a name means one sort of thing here and another there.
    """
    import pyarrow as pa  # noqa: PLC0415 - takes 200 ms

    @contextmanager
    def blocks() -> Iterator[Iterator[bytes]]:
        with unpacked(source) as stream:
            yield _blocks(Utf8(stream, options.encoding, source.name), source.name)

    kind, big = _types(source, blocks)
    fields = list(kind)
    wide = [pa.field(each.name, pa.decimal128(38, 0)) if each.name in big else each for each in fields]
    schema = pa.schema(fields)
    if wide != fields:
        try:
            for _ in _parsed(source, blocks, pa.schema(wide)):
                pass
            schema = pa.schema(wide)  # whole numbers beyond 64 bits, exactly
        except NotATableError:
            pass  # fractions among them
    return Table("jsonl", schema, lambda: _parsed(source, blocks, schema), options=options.scalars())


def _types(source: FileSource, blocks: Blocks) -> tuple[pa.DataType, set[str]]:
    import pyarrow as pa  # noqa: PLC0415

    pc: Any = import_module("pyarrow.compute")  # its functions are made when it is imported

    kind: pa.DataType = pa.struct([])
    big: set[str] = set()
    rows = 0
    with blocks() as pieces:
        for block in pieces:
            table = _parse(source, block, None, rows)
            rows += table.num_rows
            kind = _merged(source, kind, pa.struct(list(table.schema)), "")
            for name, column in zip(table.schema.names, table.columns, strict=True):
                if column.type == pa.float64() and (pc.max(pc.abs(column)).as_py() or 0) >= BIG:
                    big.add(name)
    if not rows:
        raise NotATableError(f"there is no row in {source.name}")
    if kind.num_fields == 0:
        raise NotATableError(f"the objects of {source.name} are all empty")
    return kind, big


def _parsed(source: FileSource, blocks: Blocks, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows = 0
    with blocks() as pieces:
        for block in pieces:
            table = _parse(source, block, schema, rows)
            rows += table.num_rows
            for batch in table.to_batches():
                yield from cut(batch)


def _parse(source: FileSource, block: bytes, schema: pa.Schema | None, before: int) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.json as arrow_json  # noqa: PLC0415

    try:
        return arrow_json.read_json(
            pa.BufferReader(block),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="infer" if schema is None else "error"
            ),
        )
    except pa.ArrowInvalid as error:
        raise _explained(source, str(error), before) from error


def _explained(source: FileSource, message: str, before: int) -> NotATableError:
    row = _ROW.search(message)
    where = f"{source.name}, row {before + int(row[1]) + 1}" if row else source.name
    if found := _CHANGED.search(message):
        name = f"{found[1]!r} is" if found[1] else "there is"
        return NotATableError(f"{where}: {name} {found[3]}, and was {found[2]} before")
    text = message.removeprefix("JSON parse error: ")
    return NotATableError(f"{where}: {_ROW.sub('', text).strip()}")


def _merged(source: FileSource, left: pa.DataType, right: pa.DataType, where: str) -> pa.DataType:
    """Return the type that holds what both hold."""
    import pyarrow as pa  # noqa: PLC0415

    left, right = _plain(left), _plain(right)
    if left == right or pa.types.is_null(right):
        return left
    if pa.types.is_null(left):
        return right
    if {left, right} == {pa.int64(), pa.float64()}:
        return pa.float64()
    if pa.types.is_struct(left) and pa.types.is_struct(right):
        fields = {field.name: field.type for field in left}
        for field in right:
            inner = f"{where}/{field.name}"
            known = fields.get(field.name)
            fields[field.name] = _plain(field.type) if known is None else _merged(source, known, field.type, inner)
        return pa.struct(list(fields.items()))
    if pa.types.is_list(left) and pa.types.is_list(right):
        return pa.list_(_merged(source, left.value_type, right.value_type, f"{where}[]"))
    raise NotATableError(f"{source.name}: {where[1:]!r} is {_word(left)} in some rows and {_word(right)} in others")


def _plain(kind: pa.DataType) -> pa.DataType:
    """Take back what Arrow made of text that looks like a time."""
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _plain(field.type)) for field in kind])
    return pa.list_(_plain(kind.value_type)) if pa.types.is_list(kind) else kind


def _word(kind: pa.DataType) -> str:
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_struct(kind):
        return "an object"
    if pa.types.is_list(kind):
        return "an array"
    return {pa.string(): "text", pa.bool_(): "true or false"}.get(kind, "a number")


def _blocks(stream: Stream, name: str) -> Iterator[bytes]:
    """Yield whole lines, several at a time."""
    rest = stream.read(BLOCK)
    while len(rest) < BLOCK and (data := stream.read(BLOCK)):
        rest += data
    if rest.lstrip()[:1] == b"[":
        yield from _array(rest, stream, name)
        return
    while rest:
        end = rest.rfind(b"\n") + 1
        if end and rest[:end].strip():
            yield rest[:end]
        rest = rest[end:]
        data = stream.read(BLOCK)
        if not data:
            if rest.strip():
                yield rest
            return
        rest += data
        if len(rest) > LONGEST and b"\n" not in rest:
            raise NotATableError(f"{name}: a line has more than {LONGEST} bytes")


def _array(start: bytes, stream: Stream, name: str) -> Iterator[bytes]:
    """Yield the objects of one array as lines."""
    pieces, size = [start], len(start)
    while data := stream.read(BLOCK):
        pieces.append(data)
        size += len(data)
        if size > LARGEST_ARRAY:
            raise NotATableError(
                f"{name} is one JSON array of more than {LARGEST_ARRAY} bytes",
                hint="Write it as JSON lines, one object a line: jq -c '.[]'",
            )
    try:
        rows = cast("object", json.loads(b"".join(pieces)))
    except (ValueError, RecursionError) as error:
        raise NotATableError(f"{name} is no JSON: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise NotATableError(f"{name} is JSON, but no array of objects")
    for first in range(0, len(rows), 10_000):
        yield "".join(json.dumps(row) + "\n" for row in rows[first : first + 10_000]).encode()
