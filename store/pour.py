"""Pass a blob on: read and decode ahead in several threads, digest and write in order, in constant memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Any

from .fetch import SPAN, Fetcher, Span

_NEAR = 2
"""Threads that read from a disk: more of them decode, but the disk is one."""
_spare: list[bytearray] = []
_pools: dict[int, tuple[int, ThreadPoolExecutor]] = {}


def pour(
    fetcher: Fetcher,
    spans: Iterable[Span],
    state: Any,
    write: Callable[[memoryview], object] | None,
    advance: Callable[[int], None] | None,
    workers: int,
) -> int:
    """Read spans, digest them in order and pass them on; return how many bytes there were.

    Args:
        fetcher: What reads them.
        spans: What to read.
        state: A BLAKE3 state.
        write: Takes each piece, all of it; None only digests.
        advance: Told of each piece's size.
        workers: How many may be read at once.
    """
    waiting: deque[tuple[bytearray, Future[memoryview]]] = deque()
    size = 0

    def pass_on(data: memoryview) -> int:
        state.update(data)
        if write is not None:
            write(data)
        if advance is not None:
            advance(len(data))
        return len(data)

    iterator = iter(spans)
    first = next(iterator, None)
    second = next(iterator, None)
    if first is None:
        return 0
    if second is None:  # a small blob: threads would cost more than reading it
        buffer = _spare.pop() if _spare else bytearray(SPAN)
        size = pass_on(fetcher.read_into(first, buffer))
        _spare.append(buffer)
        return size
    pool = threads(max(_NEAR, workers))
    ahead = 2 * max(_NEAR, workers)

    def drain() -> int:
        buffer, future = waiting.popleft()
        done = pass_on(future.result())
        if len(_spare) < ahead:
            _spare.append(buffer)
        return done

    try:
        for span in chain((first, second), iterator):
            _start(pool, fetcher, span, waiting)
            if len(waiting) > ahead:
                size += drain()
        while waiting:
            size += drain()
    finally:
        for _, future in waiting:  # an error: what has begun ends by itself, and nobody looks at it
            future.cancel()
    return size


def _start(
    pool: ThreadPoolExecutor, fetcher: Fetcher, span: Span, waiting: deque[tuple[bytearray, Future[memoryview]]]
) -> None:
    buffer = _spare.pop() if _spare else bytearray(SPAN)
    waiting.append((buffer, pool.submit(fetcher.read_into, span, buffer)))


def threads(count: int) -> ThreadPoolExecutor:
    """Return this process's threads: those of the one that it was forked from are not there."""
    found = _pools.get(count)
    if found is None or found[0] != os.getpid():
        found = _pools[count] = (os.getpid(), ThreadPoolExecutor(count, "lin-store"))
    return found[1]
