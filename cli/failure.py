"""Turn whatever goes wrong into a message and an exit status; only here are errors printed.

| exit status | meaning |
| --- | --- |
| 0 | done, or yes |
| 1 | no, or it failed |
| 2 | the command line or its input cannot be used as it stands |
| 3 | not found |
| 4 | ambiguous |
| 130 | interrupted with Ctrl-C |

`lin run` and `lin eval` end with the exit status of the command they ran.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass

import click

from lin.errors import LinError

from .text import plain

FAILED = 1
USAGE = 2
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Failure:
    """What is said about an error.

    Attributes:
        kind: The error's stable word; `usage` for a command line that cannot be parsed, `bug` for what lin did
            not expect.
        message: What went wrong.
        hint: The way out.
        candidates: What an ambiguous ref could mean.
        status: The exit status.
    """

    kind: str
    message: str
    hint: str = ""
    candidates: tuple[str, ...] = ()
    status: int = FAILED


def describe(error: BaseException) -> Failure:
    """Say what an exception means to the user."""
    if isinstance(error, LinError):
        candidates = tuple(getattr(error, "candidates", ()))
        return Failure(error.kind, error.message, error.hint, candidates, error.exit_status)
    if isinstance(error, click.ClickException):
        return Failure("usage", error.format_message(), _way_out(error), status=error.exit_code)
    hint = "Set LIN_DEBUG=1 to see where it happened, and please report it."
    return Failure("bug", f"this is a bug in lin: {type(error).__name__}: {error}", hint)


def report(error: BaseException, *, as_json: bool) -> int:
    """Print an error to standard error, as text or as JSON, and return the exit status it stands for."""
    if os.environ.get("LIN_DEBUG", "0") not in ("", "0"):
        import traceback  # noqa: PLC0415 - only those who ask for it pay for it

        traceback.print_exception(error)
    failure = describe(error)
    with suppress(OSError):  # with standard error closed there is nowhere left to complain
        print(as_document(failure) if as_json else as_text(failure), file=sys.stderr, flush=True)  # noqa: T201 - errors are printed only here
    return failure.status


def as_document(failure: Failure) -> str:
    """Return the failure as one JSON document."""
    error = {"kind": failure.kind, "message": failure.message, "hint": failure.hint}
    if failure.candidates:
        return json.dumps({"error": {**error, "candidates": list(failure.candidates)}}, indent=2)
    return json.dumps({"error": error}, indent=2)


def as_text(failure: Failure) -> str:
    """Return the failure as lines of text: the message, then candidates and hint indented."""
    first, *more = failure.message.splitlines() or [""]
    lines = [f"lin: {plain(first)}", *(f"  {plain(line)}" for line in more)]
    lines += [f"  {plain(candidate)}" for candidate in failure.candidates]
    lines += [f"  {plain(line)}" for line in failure.hint.splitlines()]
    return "\n".join(lines)


def _way_out(error: click.ClickException) -> str:
    notes = getattr(error, "__notes__", ())
    if notes:
        return "\n".join(notes)
    if isinstance(error, click.NoSuchOption) and error.option_name == "--repo":
        return "--repo stands before the verb: `lin --repo FOLDER VERB …`."
    context = getattr(error, "ctx", None)
    return f"`{context.command_path} --help` shows how." if context else ""
