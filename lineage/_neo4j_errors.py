"""Turn what the Neo4j driver raises into lin's errors, each with the way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from lin.errors import BackendError, InvalidInputError, LinError, NotFoundError, PermissionDeniedError, StorageFullError

SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")
REBUILD = "`lin index rebuild` makes it anew."

_TOO_LARGE = ("MemoryLimitExceeded", "MemoryPoolOutOfMemory", "OutOfMemory")
_TOO_LONG = ("TransactionTimedOut", "LockClientStopped", "LockAcquisitionTimeout")


def checked_uri(uri: str) -> str:
    """Return the URI if a server can be named like this.

    Raises:
        InvalidInputError: It cannot, or it holds credentials; these are never shown.
    """
    shown = uri.rpartition("@")[2]
    no_server = InvalidInputError(
        f"not the address of a Neo4j server: {shown!r}", hint="One looks like neo4j://localhost:7687."
    )
    try:
        parts = urlsplit(uri)
        named = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        # Not chained: it quotes what may be a password.
        raise no_server from None
    if not named:
        raise no_server
    if "@" in parts.netloc:
        raise InvalidInputError(
            f"the address of the Neo4j server at {shown} holds credentials",
            hint="They would end up in logs and histories: give user and password apart from it.",
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise InvalidInputError(f"the address of a Neo4j server ends with its port: {uri!r}")
    return uri


@contextmanager
def as_lin_errors(place: str) -> Iterator[None]:
    """Raise lin's errors for the driver's."""
    try:
        yield
    except LinError:
        raise
    except _of_driver() as error:
        raise _translated(error, place) from error


def is_disconnection(error: Exception) -> bool:
    """Say whether a connection broke or could not be made."""
    from neo4j.exceptions import ServiceUnavailable, SessionExpired  # noqa: PLC0415 - slow to import

    return isinstance(error, (ServiceUnavailable, SessionExpired, OSError))


def may_have_committed(error: Exception) -> bool:
    """Say whether the connection broke while the server was told to commit."""
    from neo4j.exceptions import IncompleteCommit  # noqa: PLC0415 - slow to import

    return isinstance(error, IncompleteCommit)


def is_passing(error: Exception) -> bool:
    """Say whether the server itself asks to try again, as after a deadlock."""
    from neo4j.exceptions import TransientError  # noqa: PLC0415 - slow to import

    return isinstance(error, TransientError) and not any(word in _code(error) for word in (*_TOO_LARGE, *_TOO_LONG))


def is_there_already(error: Exception) -> bool:
    """Say whether someone else made the same constraint or index at the same moment."""
    return _code(error).endswith(("EquivalentSchemaRuleAlreadyExists", "ConstraintAlreadyExists", "IndexAlreadyExists"))


def _of_driver() -> tuple[type[Exception], ...]:
    from neo4j.exceptions import DriverError, Neo4jError  # noqa: PLC0415 - slow to import

    return DriverError, Neo4jError, OSError


def _code(error: Exception) -> str:
    return str(getattr(error, "code", None) or "")


def _translated(error: Exception, place: str) -> LinError:  # noqa: PLR0911 - one for each way out
    from neo4j.exceptions import ConfigurationError, DriverError, Neo4jError  # noqa: PLC0415 - slow to import

    code = _code(error)
    said = (error.message if isinstance(error, Neo4jError) else str(error)) or type(error).__name__
    if ".Security." in code or code.endswith(".Forbidden"):
        return PermissionDeniedError(
            f"the Neo4j server at {place} refused access: {said}", hint="Check the user and the password given for it."
        )
    if code.endswith("DatabaseNotFound"):
        return NotFoundError(f"the Neo4j server at {place} has no such database: {said}")
    if any(word in code for word in _TOO_LARGE):
        return BackendError(
            f"the Neo4j server at {place} has not enough memory for this: {said}",
            hint="Ask for pages or for counts, or give the server more.",
        )
    if any(word in code for word in _TOO_LONG):
        return BackendError(
            f"the Neo4j server at {place} did not finish in time: {said}",
            hint="Someone may be writing a lot; try again.",
        )
    if "disk" in said.lower() and "space" in said.lower():
        return StorageFullError(f"the Neo4j server at {place} has no room left: {said}", hint="Make room, then retry.")
    if isinstance(error, ConfigurationError):
        return InvalidInputError(f"the Neo4j server at {place} cannot be used like this: {said}")
    if isinstance(error, (DriverError, OSError)):
        first = said.partition("\n")[0]
        return BackendError(
            f"the Neo4j server at {place} cannot be reached: {first}",
            hint="Is it running? What lin records is safe without it, and the graph catches up when it is back.",
        )
    return BackendError(f"the Neo4j server at {place} failed: {said} ({code})")
