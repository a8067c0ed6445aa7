"""Write and read index files: copies of the tables of many packs, so that one request brings them all.

The specification is `docs/formats/store.md`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator

from lin.errors import CorruptContentError, UnsupportedFormatError

from .digest import Digest
from .pack import Table, parse_table

FOLDER = "objects/index"
_NAME = re.compile(r"objects/index/([0-9a-f]{64})")
_HEADER = b"lin index 1\n"
_ANY_HEADER = re.compile(rb"lin index ([0-9]{1,9})\n")
_PACK = struct.Struct("<32sQQ")


def index_file(name: str) -> str:
    """Return where an index file lies in its place."""
    return f"{FOLDER}/{name}"


def index_name(file: str) -> str | None:
    """Return the name of an index file, or None if it is none."""
    found = _NAME.fullmatch(file)
    return found[1] if found else None


def make_index(tables: Iterable[Table]) -> tuple[str, bytes]:
    """Return the name and the bytes of an index file."""
    parts = [_HEADER]
    for table in sorted(tables, key=lambda each: each.name):
        parts += (_PACK.pack(bytes.fromhex(table.name), table.records, len(table.tail)), table.tail)
    data = b"".join(parts)
    return Digest.of(data).hex, data


def parse_index(data: bytes, name: str) -> Iterator[Table]:
    """Yield the tables of an index file.

    Raises:
        UnsupportedFormatError: A newer lin wrote it.
        CorruptContentError: It is not what its name stands for.
    """
    header = _ANY_HEADER.match(data)
    if Digest.of(data).hex != name or header is None:
        raise _damaged(name)
    if header[0] != _HEADER:
        raise UnsupportedFormatError(
            f"the index file {index_file(name)} has version {int(header[1])}, which this lin does not know",
            hint="Install a newer lin: pip install --upgrade lin-store",
        )
    position = len(_HEADER)
    while position < len(data):
        if position + _PACK.size > len(data):
            raise _damaged(name)
        pack, records, length = _PACK.unpack_from(data, position)
        position += _PACK.size
        table = parse_table(data[position : position + length], pack.hex())
        if table.records != records:
            raise _damaged(name)
        yield table
        position += length


def _damaged(name: str) -> CorruptContentError:
    return CorruptContentError(
        f"the index file {index_file(name)} is damaged",
        hint="Delete it: it is a copy, and lin writes another one when it needs one.",
    )
