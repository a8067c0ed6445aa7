"""One pass over a table: what it is, what its columns hold, and which rows it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

from lin.errors import InvalidInputError, NotATableError
from lin.lineage import canonical
from lin.lineage.tables import Digester, Reconsider, TableIdentity, TextMode, TextScanner, row_digests
from lin.store.spool import Spool

from .summary import Watcher, column_summary, document
from .table import Table

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Identified:
    """A table, identified.

    Attributes:
        identity: Its ids and those of its columns.
        schema: The schema blob: names and types of the columns as they were read.
        summary: The summary blob.
        sketch: The sketch blob.
        keys: The row keys blob, to be read from its start; open as long as the block that asked for it lasts.
    """

    identity: TableIdentity
    schema: bytes
    summary: bytes
    sketch: bytes
    keys: BinaryIO


@contextmanager
def identified(table: Table, *, folder: Path | None = None) -> Iterator[Identified]:
    """Read a table once, or again where a column of text was taken for what it is not, and say what it is.

    Memory stays bounded; what does not fit goes to a temporary folder.

    Args:
        table: What to read.
        folder: Where temporary files go; the system's folder by default.

    Raises:
        NotATableError: It cannot be read to its end, or has columns of types without a meaning for tables.
    """
    texts = dict.fromkeys(table.texts, TextMode.GUESS)
    with TemporaryDirectory(prefix="lin-table-", dir=folder) as spill:
        while True:
            watcher = Watcher(len(table.schema))
            with watcher, _digester(table, texts, Path(spill), watcher) as digester:
                try:
                    for batch in table.batches():
                        digester.update(batch)
                    digester.finish()
                except Reconsider:
                    texts = modes(table)
                    continue
                except NotATableError:
                    raise
                except InvalidInputError as error:  # a cell beyond 4 GiB
                    raise _none(table, error) from error
                yield _results(digester, watcher)
                return


def identify(table: Table) -> TableIdentity:
    """Return only what a table is; errors as `identified`."""
    with identified(table) as found:
        return found.identity


def _digester(table: Table, texts: Mapping[str, TextMode], spill: Path, watcher: Watcher) -> Digester:
    try:
        return Digester(table.schema, texts=texts, spill=spill, observer=watcher)
    except InvalidInputError as error:  # a type without a meaning for tables
        raise _none(table, error) from error


def _none(table: Table, error: InvalidInputError) -> NotATableError:
    return NotATableError(f"{table.name}: {error.message}", hint=error.hint)


def _results(digester: Digester, watcher: Watcher) -> Identified:
    identity = digester.finish()
    keys = Spool()
    digester.write_row_keys(keys)  # type: ignore[arg-type]  # it is only written to
    columns = [column_summary(column, watcher.seen(number)) for number, column in enumerate(identity.columns)]
    schema = [{"name": column.name, "type": column.type} for column in identity.columns]
    return Identified(identity, canonical.dumps(schema), document(columns), digester.sketch, keys.rewind())


def modes(table: Table) -> dict[str, TextMode]:
    """Look at all cells of a table's text columns and return how each column is to be read."""
    names = [name for name in table.schema.names if name in table.texts]
    if not names:
        return {}
    scanner = TextScanner(names)
    for batch in table.batches():
        scanner.update(batch.select(names))
    return scanner.finish()


def rows_of(table: Table, texts: Mapping[str, TextMode] | None = None) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Yield a table's rows with the digest of each: batches, and arrays of (rows, 32) bytes.

    Args:
        table: What to read; twice, unless it is known how its columns of text are to be read.
        texts: That, as `modes` tells it.

    Raises:
        NotATableError: It cannot be read to its end.
    """
    known = modes(table) if texts is None else texts
    for batch in table.batches():
        yield batch, row_digests(batch, known)
