"""Write answers to standard output: text or one JSON document, and a closed pipe is no error.

Everything a verb prints goes through here. When the reader of a pipe has gone, what is left is written to
nowhere, so that a verb's exit status does not depend on how much of its answer was read.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from lin.errors import BackendError

from .text import drawable

_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35"}


def prepare() -> None:
    """Make standard output and error able to take any text, whatever the user's locale; closed ones lead nowhere."""
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        # A file opened later must not become number 1 or 2: what is printed would end up in it.
        while (number := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
            os.set_inheritable(number, True)
        os.close(number)
        sys.stdout = sys.stdout or open(_STANDARD_OUTPUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the process
        sys.stderr = sys.stderr or open(_STANDARD_ERROR, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the process
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")


def say(text: str = "") -> bool:
    """Print a line; False when nobody reads any more."""
    return _write(lambda: sys.stdout.write(drawable(text) + "\n"))


def remark(text: str) -> None:
    """Print a line about what happens to standard error, beside the answer; nobody reading it is no error."""
    with suppress(OSError):
        print(drawable(f"lin: {text}", sys.stderr.encoding), file=sys.stderr)  # noqa: T201 - remarks are printed only here


def emit(data: bytes) -> bool:
    """Write bytes as they are; False when nobody reads any more."""

    def write() -> None:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)

    return _write(write)


def flush() -> None:
    """Bring out what was printed, while its failure can still be reported."""
    _write(sys.stdout.flush)


def document(value: Any) -> None:
    """Print one JSON document; ASCII only, so that names in it cannot act on a terminal either."""
    say(json.dumps(value, indent=2, ensure_ascii=True))


def documents(values: Iterable[Any]) -> None:
    """Print one JSON array whose items are made while it is written."""
    say("[")
    before = ""
    for item in values:
        if not say(before + json.dumps(item, ensure_ascii=True)):
            return
        before = ","
    say("]")


def styled(text: str, style: str) -> str:
    """Return a text in a style (`bold`, `dim`, a colour) where standard output is a terminal that wants it."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if text and colourful() else text


def colourful() -> bool:
    """Whether standard output is a terminal whose user has not asked for no colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int | None:
    """Return the terminal's columns, or None where the answer goes to a file or pipe and must not be cut."""
    if not sys.stdout.isatty():
        return None
    import shutil  # noqa: PLC0415 - costs time that only terminals are worth

    return shutil.get_terminal_size().columns


@contextmanager
def standard_output_kept() -> Iterator[None]:
    """Send what this process and its children print to standard error, so that stdout holds only our answer."""
    flush()
    kept = os.dup(_STANDARD_OUTPUT)
    try:
        os.dup2(_STANDARD_ERROR, _STANDARD_OUTPUT)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, _STANDARD_OUTPUT)
        os.close(kept)


def nobody_reads() -> None:
    """Let standard output lead nowhere from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STANDARD_OUTPUT)
    os.close(nowhere)


def _write(action: Any) -> bool:
    try:
        action()
    except BrokenPipeError:
        nobody_reads()
        return False
    except OSError as error:
        raise BackendError(f"cannot write to standard output: {error.strerror}") from error
    return True
