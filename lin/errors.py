"""The one error tree of lin, grouped by what a caller would do about it.

::

    LinError                      kind                exit  what a caller does
    ├── NotFoundError             not_found           3     look elsewhere, or correct the ref
    │   ├── BlobNotFoundError     blob_not_found      3     fetch the bytes from another repository
    │   └── RepositoryNotFoundError repository_not_found 3  `lin init`, or name one with --repo
    ├── InvalidInputError         invalid_input       2     correct the input
    │   ├── AmbiguousRefError     ambiguous           4     choose one of the candidates
    │   ├── UnsafePathError       unsafe_path         2     never follow it
    │   ├── NotATableError        not_a_table         2     say how to read it, or use it as bytes
    │   └── UnsupportedFormatError unsupported_format 1     install a newer lin
    ├── CorruptContentError       corrupt             1     never retry, never ignore; repair from a copy
    │   ├── CorruptBlobError      corrupt_blob        1
    │   └── CorruptLogError       corrupt_log         1
    ├── ConflictError             conflict            1     read again, then decide
    ├── ReadOnlyError             read_only           1     write elsewhere
    ├── BackendError              backend             1     may be retried; the cause is chained
    │   ├── StorageFullError      storage_full        1     make room, then retry
    │   └── DamagedIndexError     damaged_index       1     rebuild the index from the log
    ├── RunFailedError            run_failed          *     look at the command; carries its exit status
    └── PermissionDeniedError     permission          1     get access

This module imports nothing, so every layer may use it. Only the command line turns `exit_status` into
a process's exit status; only the API turns `kind` into `extensions.code`.
"""


class LinError(Exception):
    """Carry what went wrong, with which value, and the way out.

    Attributes:
        kind: A stable machine-readable word; never renamed within a major version.
        exit_status: The exit status of the command line for this error.
        message: One sentence that names the offending value.
        hint: What to do about it; may be empty.
    """

    kind = "error"
    exit_status = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class NotFoundError(LinError):
    """Say that a ref, file or record does not exist."""

    kind = "not_found"
    exit_status = 3


class BlobNotFoundError(NotFoundError):
    """Say that a digest is named somewhere but its bytes are not in this store."""

    kind = "blob_not_found"


class RepositoryNotFoundError(NotFoundError):
    """Say that there is no repository at the place named."""

    kind = "repository_not_found"


class InvalidInputError(LinError):
    """Say that what the caller gave cannot be used as it stands."""

    kind = "invalid_input"
    exit_status = 2


class AmbiguousRefError(InvalidInputError):
    """Say that a ref names several things.

    Attributes:
        candidates: What it could mean, each usable as a ref in its place.
    """

    kind = "ambiguous"
    exit_status = 4

    def __init__(self, message: str, *, candidates: tuple[str, ...], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.candidates = candidates


class UnsafePathError(InvalidInputError):
    """Say that a name would leave the folder it belongs in."""

    kind = "unsafe_path"


class NotATableError(InvalidInputError):
    """Say that content cannot be read as a table, and why; its bytes are safe whatever this says."""

    kind = "not_a_table"


class UnsupportedFormatError(InvalidInputError):
    """Say that a repository, event or tree was written by a newer lin."""

    kind = "unsupported_format"
    exit_status = 1


class CorruptContentError(LinError):
    """Say that stored bytes are not what they were when they were stored."""

    kind = "corrupt"


class CorruptBlobError(CorruptContentError):
    """Say that a blob's bytes do not match its digest."""

    kind = "corrupt_blob"


class CorruptLogError(CorruptContentError):
    """Say that the log's files do not match its signed checkpoint."""

    kind = "corrupt_log"


class ConflictError(LinError):
    """Say that the world moved since the caller last looked."""

    kind = "conflict"


class ReadOnlyError(LinError):
    """Say that this repository, or this user's view of it, cannot be written to."""

    kind = "read_only"


class BackendError(LinError):
    """Say that a disk, bucket or server failed; the cause is chained and a retry may succeed."""

    kind = "backend"


class StorageFullError(BackendError):
    """Say that the place has no room left."""

    kind = "storage_full"


class DamagedIndexError(BackendError):
    """Say that an index cannot be read; nothing is lost, as it can be rebuilt from the log."""

    kind = "damaged_index"


class RunFailedError(LinError):
    """Say that a command that lin ran did not succeed.

    Attributes:
        exit_status: The command's own exit status, 128 + n for signal n, 127 where it was not found.
    """

    kind = "run_failed"

    def __init__(self, message: str, *, exit_status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_status = exit_status


class PermissionDeniedError(LinError):
    """Say that the operating system or the server refused access."""

    kind = "permission"
