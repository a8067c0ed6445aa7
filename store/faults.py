"""Turn the operating system's errors into lin's, which say what a caller can do."""

from __future__ import annotations

import errno
import os
from types import TracebackType

from lin.errors import (
    BackendError,
    LinError,
    NotFoundError,
    PermissionDeniedError,
    ReadOnlyError,
    StorageFullError,
)

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EACCES, errno.EPERM})


def translate(error: OSError, action: str, subject: object) -> LinError:
    """Return the error of lin that stands for an operating system's.

    Args:
        error: What was raised; the caller chains it.
        action: What was tried, as in 'cannot <action> <subject>'.
        subject: The path or address it was tried on.
    """
    text = os.fsencode(subject).decode(errors="backslashreplace") if isinstance(subject, os.PathLike) else str(subject)
    reason = error.strerror or str(error) or type(error).__name__
    message = f"cannot {action} {text}: {reason}"
    code = error.errno
    if code in _ABSENT or isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
        return NotFoundError(message)
    if code in _FULL:
        return StorageFullError(message, hint="Make room there and try again; what was stored before is unharmed.")
    if code in _DENIED or isinstance(error, PermissionError):
        return PermissionDeniedError(message, hint="Ask the owner for access, or correct the permissions.")
    if code == errno.EROFS:
        return ReadOnlyError(message, hint="The file system is mounted read-only; write to another repository.")
    return BackendError(message)


class os_errors:  # noqa: N801 - read as a statement: `with os_errors("read", path):`
    """Translate the `OSError` of a block; a class, since generators are slow in loops over many files."""

    __slots__ = ("_action", "_subject")

    def __init__(self, action: str, subject: object) -> None:
        self._action = action
        self._subject = subject

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise translate(error, self._action, self._subject) from error
