"""Which server a repository's graph is asked of, and how this user gets in.

The choice is this user's and this machine's, so it lies in the user's config folder. Credentials come from the
environment or from a file that nobody else can read; they are never in the choice, the log or a command line.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from lin.errors import InvalidInputError, PermissionDeniedError
from lin.lineage.graph import Graph

USER = "LIN_NEO4J_USER"
PASSWORD = "LIN_NEO4J_PASSWORD"  # noqa: S105 - the name of a variable
CREDENTIALS = "neo4j.json"
"""In the config folder: `{"user": …, "password": …}`, mode 0600."""


@dataclass(frozen=True, slots=True)
class Server:
    """A Neo4j server that follows a repository's log.

    Attributes:
        url: `neo4j://host:port`, without credentials.
        database: Its name there; the user's home database if None.
    """

    url: str
    database: str | None = None

    def open(self, repository: str, config: Path) -> Graph:
        """Return the graph there; nothing is sent yet.

        Raises:
            InvalidInputError: The URL names no server, or the driver is not installed.
            PermissionDeniedError: Others can read the credentials.
        """
        try:
            from lin.lineage.neo4j import Neo4jGraph  # noqa: PLC0415 - the driver takes 260 ms

            return Neo4jGraph(self.url, credentials(config), self.database, repository=repository)
        except ImportError as error:
            raise InvalidInputError(
                "the Neo4j driver is not installed", hint="pip install 'lin-store[neo4j]'"
            ) from error

    @classmethod
    def chosen(cls, repository: str, config: Path) -> Self | None:
        """Return the server that this user chose for a repository; None for the embedded graph alone."""
        path = _choice(repository, config)
        try:
            return cls(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise InvalidInputError(
                f"{path} is not a choice of an index: {error}", hint="Delete it, or choose again: lin index use …"
            ) from error

    def choose(self, repository: str, config: Path) -> None:
        """Make this the server of a repository for this user."""
        path = _choice(repository, config)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(asdict(self)) + "\n")
        draft.replace(path)


def forget(repository: str, config: Path) -> None:
    """Go back to the embedded graph alone."""
    _choice(repository, config).unlink(missing_ok=True)


def credentials(config: Path) -> tuple[str, str] | None:
    """Return user and password: from the environment, else from the file; None where there are none.

    Raises:
        PermissionDeniedError: Others can read the file.
        InvalidInputError: The file does not hold a user and a password, or only one of the variables is set.
    """
    user, password = os.environ.get(USER), os.environ.get(PASSWORD)
    if user and password:
        return user, password
    if user or password:
        raise InvalidInputError(f"only one of {USER} and {PASSWORD} is set", hint="Set both.")
    path = config / CREDENTIALS
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PermissionDeniedError(f"cannot read the credentials in {path}: {error.strerror}") from error
    if mode & 0o077:
        raise PermissionDeniedError(f"others can read {path} (mode {mode:04o})", hint=f"chmod 600 {path}")
    try:
        document = json.loads(data)
        return str(document["user"]), str(document["password"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(
            f"{path} holds no credentials", hint='It should be: {"user": "…", "password": "…"}'
        ) from error


def _choice(repository: str, config: Path) -> Path:
    return config / "indexes" / f"{repository}.json"
