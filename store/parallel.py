"""Do the same to many things with a few threads, and stop all of them at the first error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Event, Lock, Thread
from typing import TypeVar

Item = TypeVar("Item")


def for_each(items: Iterable[Item], work: Callable[[Item], object], workers: int) -> None:
    """Call `work` with every item, in up to `workers` threads; raise the first error when all have stopped."""
    if workers <= 1:
        for item in items:
            work(item)
    else:
        _in_threads(items, work, workers)


def _in_threads(items: Iterable[Item], work: Callable[[Item], object], workers: int) -> None:
    queue = _Queue(items)
    stop = Event()
    errors: list[BaseException] = []

    def loop() -> None:
        try:
            for item in queue:
                if stop.is_set():
                    return
                work(item)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            errors.append(error)
            stop.set()

    threads = [Thread(target=loop, name=f"lin-{number}", daemon=True) for number in range(workers)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        stop.set()  # after Ctrl-C here, the others finish what they have in hand
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


class _Queue(Iterator[Item]):
    """An iterator that several threads may take from."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = iter(items)
        self._lock = Lock()

    def __next__(self) -> Item:
        with self._lock:
            return next(self._items)
