r"""Write and read trees: the canonical bytes of one directory, which are themselves a blob.

Version 0 is the line `lin tree 0` and then, for each entry in the order of the UTF-8 bytes of its name,
`<mode> <digest hex> <size> <name>\0`. One directory has exactly one encoding, so equal directories have
equal digests; what is not that encoding is refused. The specification is `docs/formats/store.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lin.errors import InvalidInputError, UnsafePathError, UnsupportedFormatError

from .digest import Digest

VERSION = 0
MAX_NAME = 255
"""UTF-8 bytes of an entry's name: what the usual file systems can hold."""
MAX_SIZE = 2**63 - 1
"""Bytes: what an entry's size can say."""

_HEADER = b"lin tree %d\n" % VERSION
_ANY_HEADER = re.compile(rb"lin tree (0|[1-9][0-9]{0,8})\n")
_ENTRY = re.compile(rb"([fxld]) ([0-9a-f]{64}) (0|[1-9][0-9]{0,18}) ([^\0/]+)\0")


class Mode(StrEnum):
    """What an entry of a tree is."""

    FILE = "f"
    EXECUTABLE = "x"
    LINK = "l"
    FOLDER = "d"


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """Describe one file, symbolic link or folder of a tree.

    Attributes:
        name: One part of a path.
        mode: What it is.
        digest: Of its bytes; of a link, of the blob that holds the target's UTF-8 text; of a folder, of its tree.
        size: In bytes, of what the digest names; of a folder, the sum of all files below it.
    """

    name: str
    mode: Mode
    digest: Digest
    size: int


def check_part(name: str) -> bytes:
    """Return a name as UTF-8, if it can be one part of a path everywhere.

    Raises:
        UnsafePathError: It is empty, `.`, `..`, too long, holds `/` or NUL, or is not Unicode text.
    """
    try:
        data = name.encode()
    except UnicodeEncodeError:
        data = b""
    if not 0 < len(data) <= MAX_NAME or name in {".", ".."} or "/" in name or "\0" in name:
        raise UnsafePathError(
            f"not a name for an entry of a tree: {name!r}",
            hint="It must be one part of a path, in UTF-8, of at most 255 bytes.",
        )
    return data


def encode_tree(entries: Iterable[TreeEntry]) -> bytes:
    """Return the canonical bytes of a directory, whatever the order of the entries given.

    Raises:
        UnsafePathError: A name cannot be one part of a path.
        InvalidInputError: Two entries have the same name, or a size is out of range.
    """
    named = sorted((check_part(entry.name), entry) for entry in _distinct(entries))
    lines = [_HEADER]
    for name, entry in named:
        if not 0 <= entry.size <= MAX_SIZE:
            raise InvalidInputError(f"the size of {entry.name!r} is out of range: {entry.size}")
        lines.append(b"%b %b %d %b\0" % (entry.mode.encode(), entry.digest.hex.encode(), entry.size, name))
    return b"".join(lines)


def parse_tree(data: bytes) -> tuple[TreeEntry, ...]:
    """Read the canonical bytes of a directory.

    Raises:
        UnsupportedFormatError: A newer lin wrote it.
        UnsafePathError: A name cannot be one part of a path.
        InvalidInputError: It is not a tree, or not in its one canonical form.
    """
    header = _ANY_HEADER.match(data)
    if header is None:
        raise InvalidInputError(f"not a tree: it begins with {data[:16]!r}", hint="The digest may name a file.")
    if int(header[1]) != VERSION:
        raise UnsupportedFormatError(
            f"a tree of format version {int(header[1])} is not known to this lin", hint="Install a newer lin."
        )
    entries = []
    last = b""
    position = header.end()
    while position < len(data):
        found = _ENTRY.match(data, position)
        if found is None:
            raise InvalidInputError(f"not a tree: bad entry at byte {position}: {data[position : position + 24]!r}")
        mode, digest, size, name = found.groups()
        entry = TreeEntry(_text(name), Mode(mode.decode()), Digest(bytes.fromhex(digest.decode())), int(size))
        if name <= last:
            raise InvalidInputError(f"not a tree: {entry.name!r} is out of order or twice there")
        if entry.size > MAX_SIZE:
            raise InvalidInputError(f"not a tree: the size of {entry.name!r} is out of range: {entry.size}")
        entries.append(entry)
        last = name
        position = found.end()
    return tuple(entries)


def total_size(entries: Iterable[TreeEntry]) -> int:
    """Return the size of a folder: the sum of its files, those further below included; links count nothing."""
    return sum(entry.size for entry in entries if entry.mode is not Mode.LINK)


def check_link(depth: int, target: str) -> bytes:
    """Return a link's target as UTF-8, if it stays within the tree wherever the tree lies.

    The rule is `..` only in front and no more often than the link lies deep. It is sound however links
    follow one another: each is followed from the folder it really lies in.

    Args:
        depth: How many folders of the tree the link is in; 0 at the top.
        target: What it points to.

    Raises:
        UnsafePathError: The target is absolute or empty, leads out of the tree, or is not Unicode text.
    """
    try:
        data = target.encode()
    except UnicodeEncodeError:
        data = b""
    parts = [part for part in target.split("/") if part not in {"", "."}]
    ups = 0
    while ups < len(parts) and parts[ups] == "..":
        ups += 1
    if not data or "\0" in target or target.startswith("/") or ups > depth or ".." in parts[ups:]:
        raise UnsafePathError(
            f"a symbolic link points out of its folder: {target!r}",
            hint="Only relative links that stay inside, with '..' at most in front, can be kept in a tree.",
        )
    return data


def _distinct(entries: Iterable[TreeEntry]) -> list[TreeEntry]:
    seen: dict[str, TreeEntry] = {}
    for entry in entries:
        if seen.setdefault(entry.name, entry) is not entry:
            raise InvalidInputError(f"two entries of a tree are called {entry.name!r}")
    return list(seen.values())


def _text(name: bytes) -> str:
    try:
        text = name.decode()
    except UnicodeDecodeError as error:
        raise UnsafePathError(f"not a name for an entry of a tree: {name!r} is not UTF-8") from error
    check_part(text)
    return text
