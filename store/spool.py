"""Hold bytes on their way: in memory while they are few, in an unnamed temporary file when they are many."""

from __future__ import annotations

import io
import os
from types import TracebackType
from typing import BinaryIO, Self, cast

from .faults import os_errors

IN_MEMORY = 8 * 1024 * 1024
"""Bytes that are kept in memory; more go to the temporary folder (`TMPDIR`)."""


class Spool:
    """A temporary file without a name: it is gone when it is closed, also by kill -9."""

    def __init__(self) -> None:
        self.file: BinaryIO = io.BytesIO()
        self._size = 0
        self._on_disk = False

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes; raises `StorageFullError` when the temporary folder has no room."""
        self._size += len(data)
        with os_errors("write to", "the temporary folder"):
            if self._size > IN_MEMORY and not self._on_disk:
                import tempfile  # noqa: PLC0415 - start-up: most never need it

                memory = self.file
                self.file = cast("BinaryIO", tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - closed by __exit__
                self._on_disk = True
                self._write_all(cast("io.BytesIO", memory).getbuffer())
            self._write_all(memoryview(data))

    @property
    def size(self) -> int:
        """Return how many bytes were written."""
        return self._size

    def in_memory(self) -> bytes | None:
        """Return the bytes, if they are few."""
        return None if self._on_disk else cast("io.BytesIO", self.file).getvalue()

    def path(self) -> str:
        """Return a path under which this process can open the file that is on disk, from its start."""
        self.file.seek(0)
        return f"/dev/fd/{self.file.fileno()}"

    def rewind(self) -> BinaryIO:
        """Return the file, to be read from its start; it belongs to the caller from now on."""
        self.file.seek(0, os.SEEK_SET)
        return self.file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def _write_all(self, rest: memoryview) -> None:
        while rest:
            rest = rest[self.file.write(rest) :]
