"""Where things lie: the user's folders, and the repository that a location means."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lin.errors import (
    CorruptContentError,
    InvalidInputError,
    NotFoundError,
    RepositoryNotFoundError,
    UnsupportedFormatError,
)
from lin.lineage.note import VerifierKey
from lin.store.cutting import CUTTER, parse_cutter
from lin.store.place import Place
from lin.store.places import open_place

FORMAT = 1
"""The newest repository format that this lin reads and writes."""
DESCRIPTION = "lin.json"
_ID = re.compile(r"[0-9a-f]{32}")
FOLDER = ".lin"
"""What `lin init` makes inside a folder, as git makes `.git`."""


def config_folder() -> Path:
    """Return where this user's keys lie: `LIN_CONFIG`, else the platform's configuration folder."""
    import platformdirs  # noqa: PLC0415 - 35 ms that `lin --help` should not pay

    return Path(os.environ.get("LIN_CONFIG") or platformdirs.user_config_path("lin"))


def cache_folder() -> Path:
    """Return where indexes lie, all of which can be deleted: `LIN_CACHE`, else the platform's cache folder."""
    import platformdirs  # noqa: PLC0415 - as above

    return Path(os.environ.get("LIN_CACHE") or platformdirs.user_cache_path("lin"))


def default_repository() -> Path:
    """Return where this user's own repository lies: the platform's data folder."""
    import platformdirs  # noqa: PLC0415 - as above

    return platformdirs.user_data_path("lin") / "repository"


@dataclass(frozen=True, slots=True)
class Description:
    """What `lin.json` says.

    Attributes:
        format: The repository's format version.
        id: 32 hex digits.
        origin: The log's name in its checkpoints.
        key: The log's verifier key in signed-note form.
    """

    format: int
    id: str
    origin: str
    key: str

    def dumps(self) -> bytes:
        """Write `lin.json`; `chunker` is null in format 0, which keeps one file a blob."""
        document = {
            "format": self.format,
            "id": self.id,
            "chunker": CUTTER.describe() if self.format else None,
            "log": {"origin": self.origin, "key": self.key},
        }
        return (json.dumps(document, indent=2) + "\n").encode()

    @classmethod
    def loads(cls, data: bytes, where: str) -> Self:
        """Read `lin.json`.

        Raises:
            UnsupportedFormatError: A newer lin made the repository.
            CorruptContentError: It is not what lin writes.
        """
        try:
            document: Any = json.loads(data)
            version = document["format"]
            if type(version) is not int or version < 0:
                raise TypeError(f"format is {version!r}")  # noqa: TRY301 - one way out for all that is malformed
            _refuse_newer(version, where)
            if version:
                parse_cutter(document["chunker"], where)
            identity, origin, key = document["id"], document["log"]["origin"], document["log"]["key"]
            if not _ID.fullmatch(identity) or origin != f"lin/{identity}":
                raise ValueError(f"its id is {identity!r}, and its log's origin {origin!r}")  # noqa: TRY301 - as above
            if str(VerifierKey.parse(key)) != key or not key.startswith(f"{origin}+"):
                raise ValueError(f"its log's key is {key!r}")  # noqa: TRY301 - as above
            return cls(version, identity, origin, key)
        except UnsupportedFormatError:
            raise
        except (ValueError, KeyError, TypeError, RecursionError, AttributeError, InvalidInputError) as error:
            reason = f"no {error} in it" if isinstance(error, KeyError) else str(error)
            raise CorruptContentError(
                f"{where}/{DESCRIPTION} is not what lin writes: {reason}",
                hint="Restore it from a copy of the repository.",
            ) from error


def is_url(location: str | Path) -> bool:
    """Tell a URL from a path on disk."""
    return "://" in str(location)


def describe(place: Place) -> Description | None:
    """Read a place's description; None where there is no repository."""
    try:
        return Description.loads(place.read(DESCRIPTION), place.url)
    except RepositoryNotFoundError:  # not even the bucket is there
        raise
    except NotFoundError:
        return None


def locate(location: str | Path | None) -> tuple[Place, Description] | None:
    """Find the repository that a location means.

    Args:
        location: A bucket URL, or a folder that is a repository or holds one in `.lin`. None: `LIN_REPO`, else the
            nearest one in this folder or above, else None, which stands for the user's own.

    Raises:
        RepositoryNotFoundError: A location was named and there is none.
    """
    named = location or os.environ.get("LIN_REPO") or None  # an empty variable is one that is not set
    if named is None:
        try:
            here = Path.cwd()
        except FileNotFoundError as error:
            raise NotFoundError("the current folder is no longer there", hint="Go to another one.") from error
        found = (candidate for folder in (here, *here.parents) for candidate in (folder / FOLDER, folder))
        for candidate in found:
            if _is_repository(candidate):
                return _open(candidate)
        own = default_repository()
        return _open(own) if _is_repository(own) else None
    if is_url(named):
        _refuse_servers(str(named))
        opened = _open(named)
    else:
        folder = Path(named).expanduser()
        opened = _open(folder / FOLDER) or _open(folder)
    if opened is None:
        raise RepositoryNotFoundError(f"there is no repository at {named}", hint=f"Make one with: lin init {named}")
    return opened


def target(location: str | Path) -> Place:
    """Return the place where `init` makes a repository: a bucket URL as it is, `.lin` inside a folder."""
    if is_url(location):
        _refuse_servers(str(location))
        return open_place(str(location))
    return open_place(Path(location).expanduser() / FOLDER)


def _open(location: str | Path) -> tuple[Place, Description] | None:
    if not is_url(location) and not _is_repository(Path(location)):
        return None
    place = open_place(location)
    description = describe(place)
    return (place, description) if description else None


def _is_repository(folder: Path) -> bool:
    return os.path.isfile(folder / DESCRIPTION)  # noqa: PTH113 - without an error where we may not look


def _refuse_newer(version: int, where: str) -> None:
    if version > FORMAT:
        raise UnsupportedFormatError(
            f"the repository at {where} has format {version}; this lin knows formats up to {FORMAT}",
            hint="Install a newer lin: pip install --upgrade lin-store",
        )


def _refuse_servers(url: str) -> None:
    if url.startswith(("http://", "https://")):
        raise InvalidInputError(
            f"a server cannot be used as a repository yet: {url}",
            hint="Name the folder or bucket that the server serves; GraphQL answers at the server's /graphql.",
        )
