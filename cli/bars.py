"""Show how far a long task has come: on a terminal only, and only once it takes long enough to be wondered about."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .text import plain, shorten, size

if TYPE_CHECKING:  # rich takes longer to import than most tasks take
    from rich.progress import Progress, TaskID

PATIENCE = 0.3
"""Seconds before a bar appears."""
_LABEL = 32


class Bar:
    """One task's bar, drawn on standard error; called by the use case with how much is done."""

    def __init__(self, label: str) -> None:
        self._label = shorten(plain(label), _LABEL)
        self._began: float | None = None
        self._drawn: tuple[Progress, TaskID] | None = None
        self._lock = threading.Lock()

    def __call__(self, done: int, total: int | None, files_done: int, files_total: int | None, /) -> None:
        """Take bytes done and in all, files (or events) done and in all."""
        # A task that does not know its bytes, such as the replay of a log, is measured by what it counts.
        part, whole = (done, total) if total else (files_done, files_total)
        with self._lock:
            if whole is not None and part >= whole:
                self._stop()  # what comes next, such as the command of `lin run`, has the terminal to itself
                return
            if self._began is None:
                self._began = time.monotonic()
            if self._drawn is None and time.monotonic() - self._began >= PATIENCE:
                self._drawn = _start(self._label)
            if self._drawn is not None:
                progress, task = self._drawn
                progress.update(task, completed=part, total=whole, amount=_amount(done, total, files_done, files_total))

    def close(self) -> None:
        """Take the bar away."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._drawn is not None:
            self._drawn[0].stop()
        self._drawn = self._began = None


@contextmanager
def bar(label: str) -> Iterator[Bar | None]:
    """Give a task a bar, or None where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    shown = Bar(label)
    try:
        yield shown
    finally:
        shown.close()


def _amount(done: int, total: int | None, files_done: int, files_total: int | None) -> str:
    amount = f"{size(done)} of {size(total)}" if total else size(done) if done else ""
    count = f"{files_done:,} of {files_total:,}" if files_total is not None else f"{files_done:,}"
    return amount if files_total == 1 else f"{amount}  {count}".strip()


def _start(label: str) -> tuple[Progress, TaskID]:
    from rich.console import Console  # noqa: PLC0415 - see PATIENCE
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task = progress.add_task(label, total=None, amount="")
    progress.start()
    return progress, task
