"""Read what callers give: words, settings, paths, text of the operating system."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lin.errors import InvalidInputError
from lin.lineage.events import MAX_PATH, Scalar, plain_number


def scalars(what: str, values: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return measurements or settings as events hold them; NumPy's numbers become Python's.

    Raises:
        InvalidInputError: A value is neither a number, a string nor a boolean.
    """
    answer: dict[str, Scalar] = {}
    for name, value in values.items():
        plain = _plain(value)
        if not isinstance(plain, (str, int, float, bool)):
            raise InvalidInputError(
                f"{what} {str(name)!r} is {_shortened(value)}, neither a number, a string nor a boolean",
                hint="Record larger things as a file: run.save(…).",
            )
        answer[str(name)] = plain_number(plain)
    return answer


def _plain(value: Any) -> Any:
    if isinstance(value, (str, bytes)) or not hasattr(value, "item"):
        return value
    try:
        return value.item()
    except (TypeError, ValueError, RuntimeError):  # what arrays, series and tensors of several numbers raise
        return value


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"  # noqa: PLR2004 - fits on a line


def word(kind: Any, text: Any, what: str) -> Any:
    """Read one of lin's words.

    Raises:
        InvalidInputError: There is no such word; lists those there are.
    """
    try:
        return kind(text)
    except ValueError as error:
        words = ", ".join(member.value for member in kind)
        raise InvalidInputError(f"there is no {what} {str(text)!r}", hint=f"One of: {words}.") from error


def readable(value: str) -> str:
    """Make text that UTF-8 can hold of what the operating system gave."""
    return value.encode(errors="backslashreplace").decode()


def given_path(path: str | Path, what: str) -> Path:
    """Return a path that was given.

    Raises:
        InvalidInputError: It is empty, as an unset variable of a shell is: the current folder has to be named.
    """
    if not str(path) or "\0" in str(path):
        raise InvalidInputError(
            f"not a path of {what}: {str(path)!r}", hint="Name a file or folder; '.' is the current one."
        )
    return Path(path)


def file_name(path: Path) -> str:
    """Return the name of what lies at a path: its last part as it is written, or the current folder's.

    The user's home is called `home`: names cannot be erased, and its own is the user's.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - a link is called as itself, not as what it points to
    return "home" if absolute == Path("~").expanduser() else absolute.name


def relative_to(path: Path, folder: Path) -> str:
    """Return a path as events hold it: relative to the run's folder, only the name outside of it, cut at its head."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as the user wrote them
    if not absolute.is_relative_to(folder):
        # The folder can have been reached through a link.
        absolute = Path(os.path.realpath(absolute.parent)) / absolute.name
    text = readable(absolute.relative_to(folder).as_posix() if absolute.is_relative_to(folder) else file_name(absolute))
    raw = (text or ".").encode()
    return raw.decode() if len(raw) <= MAX_PATH else "…" + raw[-(MAX_PATH - 3) :].decode(errors="ignore")


def one_more(limit: int | None) -> int | None:
    """Return how many items to ask for so that a page of at most `limit` knows whether it is the last.

    Raises:
        InvalidInputError: It is less than 1.
    """
    if limit is None:
        return None
    if limit < 1:
        raise InvalidInputError(f"a page cannot have {limit} items", hint="Ask for at least 1.")
    return limit + 1
