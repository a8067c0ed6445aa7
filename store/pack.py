"""Write and read the table of a pack: which records lie in it, and how.

The specification is `docs/formats/store.md`. A pack's name is the digest of its table, so a table whose name is
known can be trusted, and with it each record be checked.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from lin.errors import CorruptContentError, UnsupportedFormatError

from .digest import Digest

FOLDER = "objects/packs"
VERSION = 1
MAX_DEPTH = 8
"""How many deltas a reader follows from one to the next."""
MAX_PLAIN = 1 << 30
"""Bytes that a record may decode to."""

_ENTRY = struct.Struct("<32sQ8sIBBBB")
_TRAILER = struct.Struct("<16sQII8s")
_MAGIC = b"lin pack"
_NAME = re.compile(r"objects/packs/([0-9a-f]{64})")
TRAILER_SIZE = _TRAILER.size
ENTRY_SIZE = _ENTRY.size
DIGEST_SIZE = 32
NO_SALT = bytes(16)


class Kind(IntEnum):
    """What a record is."""

    BLOB = 1
    CHUNK = 2
    LIST = 3


class Coding(IntEnum):
    """How the plain bytes of a record are made from the stored ones."""

    RAW = 0
    ZSTD = 1
    DELTA = 2
    NUMBERS = 3


CODINGS = {coding.value: coding.name.lower() for coding in Coding}
"""What people call the codings."""


class Entry(NamedTuple):
    """One record of a pack; a plain tuple, since there are millions of them.

    Attributes:
        digest: 32 bytes.
        size: Bytes of the blob or chunk; of a list, of the blob.
        check: The first 8 bytes of the digest of what is stored.
        stored: Bytes in the pack.
        kind: A `Kind`.
        coding: A `Coding`, or one that a newer lin wrote.
        depth: How many deltas there are to follow.
        offset: Where it begins in the pack.
        bases: The 32 bytes of each base's digest, one after another.
    """

    digest: bytes
    size: int
    check: bytes
    stored: int
    kind: int
    coding: int
    depth: int
    offset: int
    bases: bytes = b""


@dataclass(frozen=True, slots=True)
class Table:
    """What a pack holds.

    Attributes:
        name: The 64 digits of the pack's name.
        entries: In the order of their records.
        records: Bytes of all records together.
        tail: Bytes of everything behind them.
    """

    name: str
    entries: Sequence[Entry]
    records: int
    tail: bytes

    @property
    def size(self) -> int:
        """Bytes of the pack's file."""
        return self.records + len(self.tail)


def pack_file(name: str) -> str:
    """Return where a pack lies in its place."""
    return f"{FOLDER}/{name}"


def pack_name(file: str) -> str | None:
    """Return the pack's name that a file stands for, or None if it is none."""
    found = _NAME.fullmatch(file)
    return found[1] if found else None


def make_table(entries: Sequence[Entry], salt: bytes = NO_SALT) -> Table:
    """Return the table of records that were written one after another."""
    position = 0
    for entry in entries:
        assert entry.offset == position  # noqa: S101 - whoever writes the records counts the same way
        position += entry.stored
    bases = b"".join(entry.bases for entry in entries if entry.bases)
    packed = b"".join(
        _ENTRY.pack(
            entry.digest,
            entry.size,
            entry.check,
            entry.stored,
            entry.kind,
            entry.coding,
            len(entry.bases) // DIGEST_SIZE,
            entry.depth,
        )
        for entry in entries
    )
    trailer = _TRAILER.pack(salt, len(entries), len(bases) // DIGEST_SIZE, VERSION, _MAGIC)
    tail = packed + bases + trailer
    return Table(Digest.of(tail).hex, tuple(entries), position, tail)


def tail_size(trailer: bytes, name: str) -> int:
    """Return how many bytes lie behind the records, by the last bytes of a pack.

    Raises:
        UnsupportedFormatError: A newer lin wrote the pack.
        CorruptContentError: They are not the end of a pack.
    """
    records, bases = _trailer(trailer, name)
    return records * ENTRY_SIZE + bases * DIGEST_SIZE + TRAILER_SIZE


def parse_table(tail: bytes, name: str) -> Table:
    """Read what lies behind the records of the pack `name`.

    Raises:
        UnsupportedFormatError: A newer lin wrote it.
        CorruptContentError: It is not what the name stands for.
    """
    if Digest.of(tail).hex != name:
        raise _damaged(name, "its table does not have the digest that is its name")
    records, bases = _trailer(tail[-TRAILER_SIZE:], name)
    if len(tail) != records * ENTRY_SIZE + bases * DIGEST_SIZE + TRAILER_SIZE or not records:
        raise _damaged(name, "its table is not as long as it says")
    entries = tuple(_entries(tail, records, bases, name))
    return Table(name, entries, entries[-1].offset + entries[-1].stored, tail)


def _trailer(trailer: bytes, name: str) -> tuple[int, int]:
    if len(trailer) != TRAILER_SIZE:
        raise _damaged(name, "it is too short")
    _, records, bases, version, magic = _TRAILER.unpack(trailer)
    if magic != _MAGIC:
        raise _damaged(name, "it does not end as a pack")
    if version != VERSION:
        raise UnsupportedFormatError(
            f"the pack {pack_file(name)} has format version {version}, which this lin does not know",
            hint="Install a newer lin: pip install --upgrade lin-store",
        )
    return int(records), int(bases)


def _entries(tail: bytes, records: int, bases: int, name: str) -> Iterator[Entry]:
    offset = 0
    base = records * ENTRY_SIZE
    end = base + bases * DIGEST_SIZE
    for digest, size, check, stored, kind, coding, count, depth in _ENTRY.iter_unpack(tail[:base]):
        if count:
            after = base + count * DIGEST_SIZE
            if after > end:
                raise _damaged(name, "it has fewer bases than its table says")
            yield Entry(digest, size, check, stored, kind, coding, depth, offset, tail[base:after])
            base = after
        else:
            yield Entry(digest, size, check, stored, kind, coding, depth, offset)
        offset += stored
    if base != end:
        raise _damaged(name, "it has more bases than its table says")


def _damaged(name: str, reason: str) -> CorruptContentError:
    return CorruptContentError(
        f"the pack {pack_file(name)} is damaged: {reason}", hint="Restore that file from a copy of the repository."
    )
