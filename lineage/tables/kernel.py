"""The compiled kernel, by way of ctypes: it reads Arrow's C data interface, so no row passes through Python."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lin.errors import InvalidInputError

from .engine import STREAMS
from .identity import TextMode

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ABI = 1
TAGS = 0x18
_SCHEMA_BYTES, _ARRAY_BYTES = 72, 80  # of Arrow's C data interface, with 64-bit pointers
_HELD = 2 << 20
_MODES = {TextMode.CELLS: 1, TextMode.FLOAT: 2, TextMode.BOOL: 3, TextMode.GUESS: 4}
_READ = 0x100  # of PyMemoryView_FromMemory
_OUT_OF_MEMORY, _TOO_LONG = -1, -2

_view = ctypes.pythonapi.PyMemoryView_FromMemory
_view.restype = ctypes.py_object
_view.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int]


def load_failure() -> str | None:
    """Say why the kernel can't be loaded; None when it is."""
    try:
        library()
    except OSError as error:
        return str(error)
    return None


@cache
def library() -> ctypes.CDLL:
    """Load the kernel.

    Raises:
        OSError: It is missing, or of another version of lin.
    """
    path = Path(__file__).with_name("_kernel.so")
    if not path.exists():
        raise OSError(f"{path.name} was not compiled when lin was installed")
    lib = ctypes.CDLL(os.fspath(path))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    for name, result, arguments in (
        ("lt_abi", ctypes.c_int, []),
        ("lt_lanes", ctypes.c_int, []),
        ("lt_open", pointer, [pointer, pointer, pointer, ctypes.c_int, ctypes.c_char_p, size]),
        ("lt_close", None, [pointer]),
        ("lt_update", ctypes.c_int64, [pointer, pointer, ctypes.c_int64, ctypes.c_int64, size, pointer]),
        ("lt_which", ctypes.c_int, [pointer]),
        ("lt_streams", None, [pointer, pointer, pointer]),
        ("lt_counts", pointer, [pointer, ctypes.c_int]),
        ("lt_set_mode", None, [pointer, ctypes.c_int, ctypes.c_int]),
        ("lt_classify", None, [pointer, pointer, ctypes.c_int64, pointer, pointer]),
        ("lt_release_array", None, [pointer]),
        ("lt_release_schema", None, [pointer]),
        ("lt_sort", ctypes.c_int, [pointer, pointer, ctypes.c_int32, pointer]),
        ("lt_keys", None, [pointer, size, pointer]),
        ("lt_shared", size, [pointer, size, pointer, size, pointer, pointer, pointer]),
        ("lt_merge", size, [pointer, pointer, pointer, ctypes.c_int32, pointer, size, pointer]),
    ):
        try:
            function = getattr(lib, name)
        except AttributeError:
            raise OSError(f"{path.name} is of another version of lin: it lacks {name}") from None
        function.restype, function.argtypes = result, arguments
    if lib.lt_abi() != ABI:
        raise OSError(f"{path.name} is of another version of lin")
    return lib


class KernelEngine:
    """Encode batches in C; `engine.Engine` says how."""

    def __init__(
        self, schema: pa.Schema, order: Sequence[int], modes: dict[int, TextMode], *, streams: bool = True
    ) -> None:
        self._lib = library()
        self._columns = len(order)
        self._table: int | None = None
        self._array: Any = None
        self._addresses = (ctypes.c_uint64 * (STREAMS * self._columns))()
        self._lengths = (ctypes.c_uint64 * (STREAMS * self._columns))()
        self._streams = streams
        exported = ctypes.create_string_buffer(_SCHEMA_BYTES)
        schema._export_to_c(ctypes.addressof(exported))  # noqa: SLF001 - Arrow's way to hand over addresses
        try:
            error = ctypes.create_string_buffer(200)
            numbers = (ctypes.c_int32 * (len(order) + 1))(*order)
            kinds = (ctypes.c_uint8 * (len(order) + 1))(*(_MODES.get(modes.get(i), 0) for i in range(len(order))))  # type: ignore[arg-type]
            self._table = self._lib.lt_open(exported, numbers, kinds, streams, error, len(error))
        finally:
            self._lib.lt_release_schema(exported)
        if self._table is None:
            if error.value == b"memory":
                raise MemoryError
            raise InvalidInputError(f"Arrow's type {error.value.decode(errors='replace')!r} has no place in a table")

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Free what the kernel holds."""
        self._release()
        if self._table is not None:
            self._lib.lt_close(self._table)
            self._table = None

    def _release(self) -> None:
        if self._array is not None:
            self._lib.lt_release_array(self._array)
            self._array = None

    def begin(self, batch: pa.RecordBatch) -> None:
        """Take the next batch."""
        self._release()
        self._array = ctypes.create_string_buffer(_ARRAY_BYTES)
        batch._export_to_c(ctypes.addressof(self._array))  # noqa: SLF001

    def encode(self, start: int, out: np.ndarray) -> tuple[int, int]:
        """Digest rows from `start` on into `out`."""
        held = max(_HELD, 4096 * self._columns)
        done = self._lib.lt_update(self._table, self._array, start, len(out), held, out.ctypes.data)
        if done == _OUT_OF_MEMORY:
            raise MemoryError
        if done == _TOO_LONG:
            raise InvalidInputError("a cell holds more than 4 GiB")
        return done, self._lib.lt_which(self._table)

    def drain(self) -> Iterator[tuple[int, int, memoryview]]:
        """Hand out the columns' streams; each view is good until the next `encode`."""
        if not self._streams:
            return
        self._lib.lt_streams(self._table, self._addresses, self._lengths)
        addresses = self._addresses
        for i, length in enumerate(self._lengths):
            if length:
                yield i // STREAMS, i % STREAMS, _view(addresses[i], length, _READ)

    def classify(self, start: int, columns: Sequence[int]) -> dict[int, int]:
        """See what cells of text there are."""
        wanted = (ctypes.c_uint8 * (self._columns + 1))()
        seen = (ctypes.c_uint32 * (self._columns + 1))()
        for column in columns:
            wanted[column] = 1
        self._lib.lt_classify(self._table, self._array, start, wanted, seen)
        return {column: seen[column] for column in columns}

    def set_mode(self, column: int, mode: TextMode) -> None:
        """Read a column of text in another mode."""
        self._lib.lt_set_mode(self._table, column, _MODES[mode])

    def counts(self, column: int) -> Sequence[int]:
        """Count a column's cells by tag."""
        at = self._lib.lt_counts(self._table, column)
        return list((ctypes.c_uint64 * TAGS).from_address(at))
