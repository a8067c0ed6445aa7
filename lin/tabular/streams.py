"""Text and bytes on their way to a reader: unpacked, in UTF-8, with limits on what may come out.

Nothing here trusts what it reads: a few kilobytes can unpack to terabytes.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, Protocol, cast

from lin.errors import NotATableError

from .source import FileSource

MAX_RATIO = 250
"""How many times its size a packed file may unpack to, beyond `FREE`: text of tables packs 3 to 30 times."""
FREE = 1 << 30
"""Bytes that anything may unpack to."""
PIECE = 1 << 20

MAGIC = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zst", b"\xfd7zXZ\0": "xz", b"\x04\x22\x4d\x18": "lz4"}
"""What packed files begin with."""

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, the longer of two that begin alike first."""

_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, UnicodeError, NotImplementedError, RuntimeError)


class Stream(Protocol):
    """What the readers read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end, and only there."""


def packing(head: bytes) -> str | None:
    """Tell from its first bytes how a file is packed."""
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)


@contextmanager
def unpacked(source: FileSource) -> Iterator[Stream]:
    """Open a file and unpack it if it is packed: gzip, bzip2, Zstandard, xz, lz4, or a zip with one file.

    Raises:
        NotATableError: While reading: it is damaged, or unpacks to far more than any table would.
    """
    with source.open() as file:
        head = file.read(8)
        file.seek(0)
        kind = packing(head)
        if kind is None and head.startswith(b"PK\x03\x04"):
            with _damage(source), zipfile.ZipFile(file) as archive:
                inside = [each for each in archive.infolist() if not each.is_dir()]
                if len(inside) != 1:
                    raise NotATableError(f"{source.name} is a zip of {len(inside)} files", hint="Put them as a folder.")
                with archive.open(inside[0]) as member:
                    yield _Guarded(cast("BinaryIO", member), source)
            return
        if kind is None:
            yield _Guarded(file, source)
            return
        with _opened(file, kind) as inner:
            yield _Guarded(inner, source)


def _opened(file: BinaryIO, kind: str) -> BinaryIO:
    match kind:
        case "gz":
            return cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="rb"))
        case "bz2":
            return cast("BinaryIO", bz2.BZ2File(file))
        case "xz":
            return cast("BinaryIO", lzma.LZMAFile(file))
        case _:
            import pyarrow as pa  # noqa: PLC0415 - takes 200 ms

            codec = {"zst": "zstd", "lz4": "lz4"}[kind]
            return cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(file, mode="r"), codec))


class _Guarded:
    """A stream that tells of damage in lin's words, and ends a file that unpacks without end."""

    def __init__(self, file: BinaryIO, source: FileSource) -> None:
        self._file = file
        self._source = source
        self._left = max(FREE, source.size * MAX_RATIO)

    def read(self, size: int = -1, /) -> bytes:
        with _damage(self._source):
            data = self._file.read(PIECE if size < 0 else size)
        self._left -= len(data)
        if self._left < 0:
            raise NotATableError(
                f"{self._source.name} has {self._source.size} bytes and unpacks to more than {MAX_RATIO} times as many",
                hint="Unpack it yourself and put what comes out, if it is meant.",
            )
        return data


@contextmanager
def _damage(source: FileSource) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise NotATableError(f"{source.name} cannot be unpacked: {error}") from error
    except OSError as error:  # what gzip, bz2 and Arrow raise of bytes that are wrong, and disks of themselves
        if error.errno is not None:
            raise
        raise NotATableError(f"{source.name} cannot be unpacked: {error}") from error


def mark_of(head: bytes) -> tuple[str, int]:
    """Return the encoding that a byte order mark names, and the mark's length; UTF-8 and 0 where there is none."""
    return next(((name, len(mark)) for mark, name in MARKS if head.startswith(mark)), ("utf-8", 0))


class Utf8:
    """A stream of text as UTF-8, whatever it was in; a byte order mark is dropped.

    Raises:
        NotATableError: From `read`: the bytes are not in that encoding; says where.
    """

    def __init__(self, stream: Stream, encoding: str | None, name: str) -> None:
        self._stream = stream
        self._name = name
        self._done = 0
        self._rest = stream.read(4)
        while len(self._rest) < 4 and (more := stream.read(4 - len(self._rest))):  # noqa: PLR2004 - the longest mark
            self._rest += more
        marked, length = mark_of(self._rest)
        self.encoding = codecs.lookup(encoding or marked).name
        if self.encoding == "utf-8" and marked == "utf-8":
            self._rest = self._rest[length:]
            self._done = length
        self._decoder = codecs.getincrementaldecoder(self.encoding)("strict")

    def read(self, size: int = PIECE, /) -> bytes:
        """Return about `size` bytes of UTF-8; none at the end, and only there."""
        while True:
            data, self._rest = self._rest or self._stream.read(size), b""
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeError as error:
                raise self._wrong(error) from error
            self._done += len(data)
            if self.encoding == "utf-8":
                return data  # as it came: it was decoded only to see that it can be
            if text or not data:
                return text.encode(errors="surrogatepass")

    def _wrong(self, error: UnicodeError) -> NotATableError:
        hint = "Name its encoding: --encoding latin-1, cp1252, utf-16, …"
        if not isinstance(error, UnicodeDecodeError):
            return NotATableError(f"{self._name} is not {self.encoding}: {error}", hint=hint)
        waiting = 0
        with suppress(TypeError, ValueError, AttributeError):
            waiting = len(self._decoder.getstate()[0])
        offset = self._done - waiting + error.start
        found = error.object[error.start : error.start + 1].hex()
        return NotATableError(f"{self._name}: byte 0x{found} at offset {offset} is not {self.encoding}", hint=hint)


def readable_file(stream: Stream) -> BinaryIO:
    """Dress a stream as a file object that Arrow's readers take."""
    return cast("BinaryIO", io.BufferedReader(_Raw(stream), PIECE))


class _Raw(io.RawIOBase):
    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # the interface says no more than a buffer
        data = self._rest or self._stream.read(len(view))
        count = min(len(data), len(view))
        view[:count] = data[:count]
        self._rest = data[count:]
        return count
