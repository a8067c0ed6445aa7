"""Move bytes in large pieces, digesting them on the way, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from blake3 import blake3

from .digest import Digest
from .faults import translate

PIECE = 1024 * 1024
"""Bytes in one piece: enough for BLAKE3's threads to pay off, and small enough to stay in the processor's cache."""

_spare: list[bytearray] = []
_owner: list[int] = []
"""The process that BLAKE3's threads belong to."""


class Reader(Protocol):
    """What bytes can be read from; `readinto` is used where there is one."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


@contextmanager
def piece() -> Iterator[bytearray]:
    """Lend a buffer of `PIECE` bytes: a new one for each small file would cost more than reading it."""
    try:
        buffer = _spare.pop()
    except IndexError:
        buffer = bytearray(PIECE)
    try:
        yield buffer
    finally:
        _spare.append(buffer)


def fill(reader: Reader, view: memoryview) -> int:
    """Read until a buffer is full or the bytes end; return how many there are, or raise lin's error."""
    try:
        return _fill(reader, view)
    except OSError as error:
        raise translate(error, "read", getattr(reader, "name", "the stream")) from error


def _fill(reader: Reader, view: memoryview) -> int:
    into: Callable[[memoryview], int | None] | None = getattr(reader, "readinto", None)
    done = 0
    while done < len(view):
        if into is not None:
            count = into(view[done:]) or 0
        else:
            data = reader.read(len(view) - done)
            count = len(data)
            view[done : done + count] = data
        if not count:
            break
        done += count
    return done


def hasher() -> Any:
    """Return a BLAKE3 state that uses every processor for large pieces.

    Its threads do not survive a fork, and a forked process would wait for them for ever: it gets one thread.
    """
    if not _owner:
        _owner.append(os.getpid())
    return blake3(max_threads=blake3.AUTO if _owner[0] == os.getpid() else 1)


def pump(
    reader: Reader,
    write: Callable[[memoryview], object] | None = None,
    advance: Callable[[int], None] | None = None,
) -> tuple[Digest, int]:
    """Read everything, pass it on, and return its digest and size in bytes.

    Args:
        reader: Where the bytes come from.
        write: Where they go; it must take all that it is given. None only digests.
        advance: Told of each piece's size.
    """
    state = hasher()
    size = 0
    with piece() as buffer:
        view = memoryview(buffer)
        while count := fill(reader, view):
            data = view[:count]
            state.update(data)
            if write is not None:
                write(data)
            size += count
            if advance is not None:
                advance(count)
            if count < PIECE:
                break
    return Digest(state.digest()), size
