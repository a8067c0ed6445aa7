"""Digest a table batch by batch, in bounded memory."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, BinaryIO, Protocol, Self

from lin.errors import InvalidInputError

from .engine import STREAMS, Engine, open_engine
from .identity import ColumnIdentity, TableIdentity, TextMode
from .schemas import canonical_order, check
from .texts import Guesses, Seen, settle

if TYPE_CHECKING:
    import blake3
    import numpy as np
    import pyarrow as pa

MEMORY = 256 << 20
SKETCH = 4096
"""How many row keys a sketch holds."""
KEYS_MAGIC = b"lin-rk/1"
KEYS_HEADER = 64
"""Bytes before the row keys in their file."""

_KINDS = (
    ("int", (0x01,)),
    ("float", (0x02,)),
    ("decimal", (0x03,)),
    ("text", (0x04,)),
    ("bytes", (0x05,)),
    ("timestamp", (0x06, 0x07, 0x10, 0x11)),
    ("instant", (0x08, 0x09, 0x12, 0x13)),
    ("time", (0x0A, 0x14)),
    ("duration", (0x0B, 0x15, 0x16, 0x17)),
    ("list", (0x0C,)),
    ("struct", (0x0D,)),
    ("map", (0x0E,)),
)


def _hasher(context: str) -> blake3.blake3:
    from blake3 import blake3  # noqa: PLC0415

    return blake3(derive_key_context=f"lin-fp/1 {context}")


def _bytes(array: np.ndarray) -> memoryview:
    """See an array's bytes, without copying them."""
    return array.reshape(-1).view("u1").data  # memoryview.cast refuses arrays without rows


def header(rows: int, names: list[bytes]) -> bytes:
    """Write what stands before the rows in both digests: how many rows, and the columns' names in canonical order."""
    parts = [struct.pack("<QI", rows, len(names))]
    for name in names:
        parts += [struct.pack("<I", len(name)), name]
    return b"".join(parts)


class _Columns:
    """The running digests of the columns."""

    def __init__(self, count: int) -> None:
        self._hashers: list[list[blake3.blake3 | None]] = [[None] * STREAMS for _ in range(count)]

    def add(self, column: int, stream: int, piece: memoryview) -> None:
        hasher = self._hashers[column][stream]
        if hasher is None:
            hasher = self._hashers[column][stream] = _hasher("column")
        hasher.update(piece)

    def digest(self, column: int, rows: int) -> bytes:
        whole = _hasher("column")
        whole.update(struct.pack("<Q", rows))
        for hasher in self._hashers[column]:
            whole.update((hasher or _hasher("column")).digest())
        return whole.digest()


class Observer(Protocol):
    """Who wants to see the cells as well, as the columns' streams hold them."""

    def add(self, column: int, stream: int, piece: memoryview) -> None:
        """See a piece of a stream (0 tags, 1 payloads, 2 lengths, 3 bytes); it is good until `flush` is over."""

    def flush(self) -> None:
        """Know that the pieces since the last time belong to the same rows, and are complete."""


class Digester:
    """Work out a table's identity; a context manager, which removes what it spilled. Not for several threads at once.

    Args:
        schema: The table's; every batch has it.
        texts: How columns are read that come from a text file (CSV and its like), as columns of strings with every cell
            as it is written: `GUESS` where nobody knows. The spellings of null are known here.
        spill: Where to put what does not fit into `memory`; a temporary folder by default.
        memory: Bytes for sorting; in all it takes about twice as much at most.
        observer: Sees the cells as well.

    Raises:
        InvalidInputError: The schema has no identity: two columns of one name, unions, intervals.
    """

    def __init__(
        self,
        schema: pa.Schema,
        *,
        texts: Mapping[str, TextMode] | None = None,
        spill: Path | None = None,
        memory: int = MEMORY,
        observer: Observer | None = None,
    ) -> None:
        from .spill import DigestSorter  # noqa: PLC0415 - NumPy

        check(schema)
        self._names = list(schema.names)
        self._order = canonical_order(self._names)
        self._schema, self._texts = _plain_texts(schema, texts or {})
        self._guesses = Guesses(self._names, self._texts)
        self._engine: Engine = open_engine(self._schema, self._order, self._texts)
        self._spill = spill
        self._sorter = DigestSorter(spill, memory)
        self._sequence = _hasher("sequence")
        self._columns = _Columns(len(self._names))
        self._observer = observer
        self._rows = 0
        self._keys: IO[bytes] | None = None
        self._sketch = b""
        self._identity: TableIdentity | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was spilled; nothing can be asked afterwards."""
        self._sorter.close()
        self._engine.close()
        if self._keys is not None:
            self._keys.close()
            self._keys = None

    @property
    def rows(self) -> int:
        """Tell how many rows were added."""
        return self._rows

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the next rows.

        Raises:
            Reconsider: A column of text has to be read in another mode: start again, with a new digester.
            InvalidInputError: The batch has another schema, or a cell is too long.
        """
        batch = _as_schema(batch, self._schema)
        self._engine.begin(batch)
        careful = self._guesses.careful()
        if careful:
            self._change(self._engine.classify(0, careful))
        start = 0
        while start < batch.num_rows:
            out = self._sorter.space(batch.num_rows - start)
            done, stopped = self._engine.encode(start, out)
            for column, stream, piece in self._engine.drain():
                self._columns.add(column, stream, piece)
                if self._observer is not None:
                    self._observer.add(column, stream, piece)
            if self._observer is not None:
                self._observer.flush()
            self._sequence.update(_bytes(out[:done]))
            self._sorter.took(done)
            start += done
            if stopped >= 0:
                guessed = self._guesses.guessed()
                if stopped not in guessed:
                    raise self._guesses.contradict(stopped)
                self._change(self._engine.classify(start, guessed))
        self._rows += batch.num_rows

    def _change(self, seen: dict[int, int]) -> None:
        integers = {column for column in seen if self._engine.counts(column)[0x01]}
        for column, mode in self._guesses.look(seen, integers=integers).items():
            self._engine.set_mode(column, mode)

    def finish(self) -> TableIdentity:
        """Hand back the identity of all rows added.

        Raises:
            Reconsider: As in `update`.
        """
        if self._identity is not None:
            return self._identity
        self._guesses.finish()
        start = header(self._rows, [self._names[i].encode("utf-8", "surrogateescape") for i in self._order])
        multiset, sequence = _hasher("multiset"), _hasher("sequence")
        multiset.update(start)
        sequence.update(start + self._sequence.digest())
        keys = _Keys(self._spill, self._rows)
        self._keys = keys.file
        for digests in self._sorter.finish():
            multiset.update(_bytes(digests))
            keys.add(digests)
        self._sorter.close()
        self._identity = TableIdentity(
            self._rows, tuple(map(self._column, range(len(self._names)))), multiset.digest(), sequence.digest()
        )
        self._sketch = keys.finish(self._identity.set)
        self._engine.close()
        return self._identity

    def _column(self, index: int) -> ColumnIdentity:
        counts = self._engine.counts(index)
        kind = f"text ({self._guesses.modes[index]})" if index in self._texts else str(self._schema.field(index).type)
        kinds = tuple(sorted(name for name, tags in _KINDS if any(counts[tag] for tag in tags)))
        return ColumnIdentity(self._names[index], kind, self._columns.digest(index, self._rows), counts[0], kinds)

    @property
    def text_modes(self) -> dict[str, TextMode]:
        """Tell how each column of `texts` was read: after `finish`, none is `GUESS`."""
        return {self._names[i]: mode for i, mode in self._guesses.modes.items()}

    def write_row_keys(self, target: BinaryIO) -> int:
        """Write the sorted row keys after `finish` (`docs/formats/table-identity.md`); returns how many bytes."""
        if self._keys is None:
            raise ValueError("the digester is not finished, or closed")
        self._keys.seek(0)
        written = 0
        while piece := self._keys.read(1 << 20):
            target.write(piece)
            written += len(piece)
        return written

    @property
    def sketch(self) -> bytes:
        """Give the 4,096 smallest different row keys after `finish`, 8 bytes each, little endian, ascending."""
        return self._sketch


class _Keys:
    """The file of row keys, and the sketch, which is its beginning."""

    _IN_MEMORY = 8 << 20

    def __init__(self, folder: Path | None, rows: int) -> None:
        if KEYS_HEADER + 8 * rows <= self._IN_MEMORY:
            import io  # noqa: PLC0415

            self.file: IO[bytes] = io.BytesIO()
        else:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self.file = tempfile.TemporaryFile(prefix="lin-keys-", dir=folder)  # noqa: SIM115 - the digester closes it
        self._rows = rows
        self._least: list[np.ndarray] = []
        self._have = 0
        self._last: int | None = None
        self.file.write(bytes(KEYS_HEADER))

    def add(self, digests: np.ndarray) -> None:
        import numpy as np  # noqa: PLC0415

        from .spill import keys_of  # noqa: PLC0415

        for start in range(0, len(digests), 1 << 16):
            keys = keys_of(digests[start : start + (1 << 16)])
            self.file.write(_bytes(keys))
            if self._have < SKETCH:
                first = keys[0] != self._last if self._last is not None else True
                fresh = keys[np.concatenate([[first], keys[1:] != keys[:-1]])]
                fresh = fresh[: SKETCH - self._have]
                if len(fresh):
                    self._least.append(fresh)
                    self._have += len(fresh)
                    self._last = fresh[-1]

    def finish(self, table: bytes) -> bytes:
        self.file.seek(0)
        self.file.write(KEYS_MAGIC + struct.pack("<Q", self._rows) + table + bytes(16))
        return b"".join(piece.tobytes() for piece in self._least)


class TextScanner:
    """Find the mode of each column of a text file without digesting it: after one `Reconsider`, ask this for the rest.

    Args:
        names: The columns that come from a text file; others in the batches are passed over.
    """

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._seen = dict.fromkeys(names, 0)

    def update(self, batch: pa.RecordBatch) -> None:
        """Look at the next rows."""
        open_ = [name for name in self._names if not self._seen[name] & Seen.OTHER]
        if not open_:
            return
        batch = batch.select(open_)
        schema, modes = _plain_texts(batch.schema, dict.fromkeys(open_, TextMode.GUESS))
        engine = open_engine(schema, list(range(len(open_))), modes, streams=False)
        engine.begin(_as_schema(batch, schema))
        for column, flags in engine.classify(0, range(len(open_))).items():
            self._seen[open_[column]] |= flags
        engine.close()

    def finish(self) -> dict[str, TextMode]:
        """Tell the mode of each column; none is `GUESS`."""
        return dict(zip(self._names, settle(self._seen.values()), strict=True))


def _plain_texts(schema: pa.Schema, texts: Mapping[str, TextMode]) -> tuple[pa.Schema, dict[int, TextMode]]:
    """Find the columns that come from a text file, and give them a type with offsets.

    Raises:
        InvalidInputError: One is missing, or holds no text.
    """
    import pyarrow as pa  # noqa: PLC0415

    modes: dict[int, TextMode] = {}
    for name, mode in texts.items():
        index = schema.get_field_index(name)
        kind = schema.field(index).type if index >= 0 else None
        value = kind.value_type if kind is not None and pa.types.is_dictionary(kind) else kind
        if value not in {pa.string(), pa.large_string(), pa.string_view()}:
            raise InvalidInputError(f"the column {name!r} is to be read as text, but is {kind or 'not there'}")
        if kind not in {pa.string(), pa.large_string()}:
            schema = schema.set(index, pa.field(name, pa.large_string()))
        modes[index] = mode
    return schema, modes


def _as_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Bring a batch to the digester's schema.

    Raises:
        InvalidInputError: It has other columns.
    """
    if batch.schema.equals(schema):
        return batch
    if batch.schema.names != schema.names:
        raise InvalidInputError(f"a batch has the columns {batch.schema.names[:10]}, the table {schema.names[:10]}")
    for i, field in enumerate(schema):
        if batch.schema.field(i).type != field.type:
            import pyarrow as pa  # noqa: PLC0415

            found = batch.schema.field(i).type
            if field.type not in {pa.string(), pa.large_string()} or found == field.type:
                raise InvalidInputError(f"a batch has {found} in the column {field.name!r}, the table {field.type}")
            column = batch.column(i)
            if pa.types.is_dictionary(found):
                column = column.dictionary_decode()
            batch = batch.set_column(i, field, column.cast(field.type))
    return batch


def row_digests(batch: pa.RecordBatch, texts: Mapping[str, TextMode] | None = None) -> np.ndarray:
    """Digest each row: an array of (rows, 32) bytes. A batch with fewer columns is the projection on them.

    Args:
        batch: The rows.
        texts: As the table's digester found them (`Digester.text_modes`); `GUESS` is no mode here.

    Raises:
        Reconsider: A column of text does not suit its mode.
        InvalidInputError: As `Digester`.
    """
    import numpy as np  # noqa: PLC0415

    check(batch.schema)
    names = list(batch.schema.names)
    schema, modes = _plain_texts(batch.schema, {name: mode for name, mode in (texts or {}).items() if name in names})
    if TextMode.GUESS in modes.values():
        raise ValueError("row_digests needs modes that are certain")
    engine = open_engine(schema, canonical_order(names), modes, streams=False)
    out = np.empty((batch.num_rows, 32), np.uint8)
    engine.begin(_as_schema(batch, schema))
    done = 0
    while done < len(out):
        some, stopped = engine.encode(done, out[done:])
        for _ in engine.drain():
            pass
        done += some
        if stopped >= 0:
            raise Guesses(names, modes).contradict(stopped)
    engine.close()
    return out


def digest_table(table: pa.Table | pa.RecordBatch | pa.RecordBatchReader) -> TableIdentity:
    """Work out the identity of a table that is in memory, or that a reader hands out.

    Raises:
        InvalidInputError: As `Digester`.
    """
    import pyarrow as pa  # noqa: PLC0415

    with Digester(table.schema) as digester:
        for batch in (
            [table]
            if isinstance(table, pa.RecordBatch)
            else table.to_batches()
            if isinstance(table, pa.Table)
            else table
        ):
            digester.update(batch)
        return digester.finish()
