"""Pass a blob on: read and decode ahead in several threads, digest and write in order, in constant memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import TYPE_CHECKING

from .fetch import SPAN, Fetcher, Span

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_NEAR = 2
"""Threads that read from a disk: more of them decode, but the disk is one."""
_spare: list[bytearray] = []
_pools: dict[int, tuple[int, ThreadPoolExecutor]] = {}


def pour(
    fetcher: Fetcher,
    spans: Iterable[Span],
    pass_on: Callable[[memoryview], object],
    workers: int,
) -> None:
    """Read spans ahead, and pass them on in order.

    Args:
        fetcher: What reads them.
        spans: What to read.
        pass_on: Takes each piece, which it must not keep.
        workers: How many may be read at once.
    """
    iterator = iter(spans)
    first = list(islice(iterator, 2))
    if len(first) < 2:  # noqa: PLR2004 - a small blob: threads would cost more than reading it
        for span in first:
            buffer = _spare.pop() if _spare else bytearray(SPAN)
            pass_on(fetcher.read_into(span, buffer))
            _spare.append(buffer)
        return
    count = max(_NEAR, workers)
    _pour(threads(count), 2 * count, fetcher, chain(first, iterator), pass_on)


def _pour(
    pool: ThreadPoolExecutor,
    ahead: int,
    fetcher: Fetcher,
    spans: Iterable[Span],
    pass_on: Callable[[memoryview], object],
) -> None:
    waiting: deque[tuple[bytearray, Future[memoryview]]] = deque()

    def drain() -> None:
        buffer, future = waiting.popleft()
        pass_on(future.result())
        if len(_spare) < ahead:
            _spare.append(buffer)

    try:
        for span in spans:
            buffer = _spare.pop() if _spare else bytearray(SPAN)
            waiting.append((buffer, pool.submit(fetcher.read_into, span, buffer)))
            if len(waiting) > ahead:
                drain()
        while waiting:
            drain()
    finally:
        for _, future in waiting:  # an error: what has begun ends by itself, and nobody looks at it
            future.cancel()


def threads(count: int) -> ThreadPoolExecutor:
    """Return this process's threads: those of the one that it was forked from are not there."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - start-up: small blobs need no threads

    found = _pools.get(count)
    if found is None or found[0] != os.getpid():
        found = _pools[count] = (os.getpid(), ThreadPoolExecutor(count, "lin-store"))
    return found[1]
