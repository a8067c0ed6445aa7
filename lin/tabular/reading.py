"""The way in: content as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lin.errors import LinError, NotATableError

from . import arrays, columnar, databases, delimited, folders, formats, jsonlines, workbooks
from .options import Options
from .source import FileSource, FolderSource, Source
from .table import Table

if TYPE_CHECKING:
    import pyarrow as pa

_ONE: Mapping[str, Callable[[FileSource, Options], Table]] = {
    "parquet": columnar.parquet,
    "arrow": columnar.arrow,
    "orc": columnar.orc,
    "jsonl": jsonlines.read,
    "npy": arrays.npy,
}
_SEVERAL: Mapping[str, Callable[[FileSource, Options], Sequence[Table]]] = {
    "excel": workbooks.read,
    "sqlite": databases.sqlite,
    "duckdb": databases.duckdb,
    "npz": arrays.npz,
}

NOTHING = Options()


def open_tables(source: Source, options: Options = NOTHING) -> Sequence[Table]:
    """Open what some content holds as tables; at least one.

    No row of data but the first ones has been looked at when this returns (of JSON lines and sheets: all), so reading
    the batches can still raise `NotATableError`.

    Raises:
        NotATableError: It holds none, as the message says.
        NotFoundError: A file is not there.
        CorruptBlobError: A byte of stored content is wrong.
    """
    tables = _file(source, options) if isinstance(source, FileSource) else _folder(source, options)
    for table in tables:
        delimited.refuse_duplicates(source.name, table.schema.names)
    return [replace(table, name=source.name, batches=_guarded(source.name, table.batches)) for table in tables]


def open_table(source: Source, options: Options = NOTHING) -> Table:
    """Open the only table of some content; raises `NotATableError` also where there are several."""
    tables = open_tables(source, options)
    if len(tables) > 1:
        parts = ", ".join(repr(table.part) for table in tables[:8])
        raise NotATableError(
            f"{source.name} holds {len(tables)} tables: {parts}{', …' if len(tables) > 8 else ''}",  # noqa: PLR2004
            hint="Name one of them: --table NAME",
        )
    return tables[0]


def _file(source: FileSource, options: Options) -> Sequence[Table]:
    try:
        kind = _kind(source, options)
        if kind.format == "csv":
            tables: Sequence[Table] = [delimited.read(source, options, named=kind.named)]
        elif kind.format in _ONE:
            tables = [_ONE[kind.format](source, options)]
        else:
            tables = _SEVERAL[kind.format](source, options)
    except Exception as error:  # whatever a library raises of bytes that nobody thought of
        if _ours(error):
            raise
        raise _unread(source.name, error) from error
    chosen = [table for table in tables if options.part in {None, table.part}]
    if not chosen:
        raise NotATableError(f"there is no table {options.part!r} in {source.name}")
    return chosen


def _kind(source: FileSource, options: Options) -> formats.Kind:
    if options.format is None:
        return formats.kind_of(source)
    if source.size == 0:
        raise NotATableError(f"{source.name} is empty")
    return formats.Kind(options.format, named=True)


def _folder(source: FolderSource, options: Options) -> Sequence[Table]:
    return folders.read(source, options, _file)


def _guarded(name: str, batches: Callable[[], Iterator[pa.RecordBatch]]) -> Callable[[], Iterator[pa.RecordBatch]]:
    def read() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches()
        except Exception as error:  # as above; Arrow's errors are among them
            if _ours(error):
                raise
            raise _unread(name, error) from error

    return read


def _ours(error: Exception) -> bool:
    """Tell whether an error says already what is wrong: lin's own, and the disk's."""
    return isinstance(error, LinError) or (isinstance(error, OSError) and error.errno is not None)


def _unread(name: str, error: BaseException) -> NotATableError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return NotATableError(f"{name} cannot be read as a table: {reason}")
