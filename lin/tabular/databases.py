"""Tables in the files of SQLite and DuckDB: each is a table of its own."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lin.errors import NotATableError

from .missing import need
from .mixed import EXACT, Sorts, column
from .options import Options
from .source import FileSource
from .table import Table, batch_rows, cut

if TYPE_CHECKING:
    import pyarrow as pa


_DUCKDB = {"memory_limit": "512MB", "threads": "1", "preserve_insertion_order": "true"}


def sqlite(source: FileSource, options: Options) -> Sequence[Table]:
    """Open each table of a SQLite file, in the order of its rows' ids where it has them.

    Raises:
        NotATableError: It is damaged, or has no table, or none of that name.
    """
    with _sqlite(source) as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        names = [name for (name,) in connection.execute(query) if not name.startswith("sqlite_")]  # its own
        return [_sqlite_table(source, options, name, connection) for name in _wanted(source, names, options)]


@contextlib.contextmanager
def _sqlite(source: FileSource) -> Iterator[sqlite3.Connection]:
    with source.on_disk() as path:
        # Immutable: nothing is written beside it, and a journal that is not part of it is not looked for.
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True)
        connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")
        try:
            yield connection
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            raise NotATableError(f"{source.name} cannot be read as SQLite: {error}") from error
        finally:
            connection.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _sqlite_table(source: FileSource, options: Options, name: str, connection: sqlite3.Connection) -> Table:
    import pyarrow as pa  # noqa: PLC0415 - takes 200 ms

    table = _quoted(name)
    columns = [row[0] for row in connection.execute(f"SELECT * FROM {table} LIMIT 0").description or ()]  # noqa: S608 - quoted
    sorts = {each: Sorts() for each in columns}
    for start in range(0, len(columns), 100):  # a query can have 2,000 columns of an answer
        some = columns[start : start + 100]
        asked = ", ".join(
            f"max(typeof({c}) = 'integer'), max(typeof({c}) = 'real'), max(typeof({c}) = 'text'), "
            f"max(typeof({c}) = 'blob'), max(typeof({c}) = 'integer' AND ({c} > {EXACT} OR {c} < -{EXACT}))"
            for c in map(_quoted, some)
        )
        answer = connection.execute(f"SELECT {asked} FROM {table}").fetchone()  # noqa: S608 - quoted names
        for number, each in enumerate(some):
            integer, real, text, blob, beyond = answer[5 * number : 5 * number + 5]
            for found, sort in ((integer, "int"), (real, "float"), (text, "text"), (blob, "bytes")):
                if found:
                    sorts[each].add(sort, beyond=bool(beyond))
    schema = pa.schema([(each, sorts[each].type()) for each in columns])
    width = len(columns)

    def batches() -> Iterator[pa.RecordBatch]:
        with _sqlite(source) as opened:
            cursor = opened.execute(f"SELECT * FROM {table}{_by_rowid(opened, table)}")  # noqa: S608 - quoted
            while rows := cursor.fetchmany(min(batch_rows(width), 10_000)):
                cells = list(zip(*rows, strict=True))
                arrays = [column(values, field.type) for values, field in zip(cells, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return Table("sqlite", schema, batches, part=name, options=options.scalars())


def _by_rowid(connection: sqlite3.Connection, table: str) -> str:
    with contextlib.suppress(sqlite3.Error):
        connection.execute(f"SELECT rowid FROM {table} LIMIT 0")  # noqa: S608 - quoted
        return " ORDER BY rowid"
    return ""  # a table without row ids is kept in the order of its primary key


def duckdb(source: FileSource, options: Options) -> Sequence[Table]:
    """Open each table of a DuckDB file.

    Raises:
        NotATableError: It is damaged, or has no table, or none of that name; or DuckDB is not there.
    """
    module = need("duckdb", "duckdb", "DuckDB files")
    with _duckdb(module, source) as connection:
        query = (
            "SELECT schema_name, table_name FROM duckdb_tables() "
            "WHERE NOT internal AND database_name = current_database() ORDER BY 1, 2"
        )
        found = connection.execute(query).fetchall()
        names = {name if schema == "main" else f"{schema}.{name}": (schema, name) for schema, name in found}
        tables = []
        for label in _wanted(source, list(names), options):
            schema, name = names[label]
            table = f"{_quoted(schema)}.{_quoted(name)}"
            tables.append(_duckdb_table(module, source, options, connection, names=(label, table)))
    return tables


@contextlib.contextmanager
def _duckdb(module: Any, source: FileSource) -> Iterator[Any]:
    with source.on_disk() as path:
        try:
            connection = module.connect(str(path), read_only=True, config=_DUCKDB)
        except module.Error as error:
            raise NotATableError(f"{source.name} cannot be read as DuckDB: {error}") from error
        try:
            yield connection
        except module.Error as error:
            raise NotATableError(f"{source.name} cannot be read as DuckDB: {error}") from error
        finally:
            connection.close()


def _duckdb_table(
    module: Any, source: FileSource, options: Options, connection: Any, *, names: tuple[str, str]
) -> Table:
    label, table = names

    def reader(opened: Any, limit: str, rows: int) -> pa.RecordBatchReader:
        answer = opened.sql(f"SELECT * FROM {table}{limit}")  # noqa: S608 - quoted
        make = getattr(answer, "to_arrow_reader", None) or answer.fetch_arrow_reader  # before 1.4
        return make(rows)

    schema = reader(connection, " LIMIT 0", 1).schema
    rows = batch_rows(len(schema))

    def batches() -> Iterator[pa.RecordBatch]:
        with _duckdb(module, source) as opened:
            for batch in reader(opened, "", rows):
                yield from cut(batch)

    return Table("duckdb", schema, batches, part=label, options=options.scalars())


def _wanted(source: FileSource, names: Sequence[str], options: Options) -> Sequence[str]:
    if not names:
        raise NotATableError(f"there is no table in {source.name}")
    if options.part is None:
        return names
    if options.part not in names:
        raise NotATableError(f"there is no table {options.part!r} in {source.name}", hint=f"It has {', '.join(names)}.")
    return [options.part]
