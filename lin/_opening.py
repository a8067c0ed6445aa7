"""Open and make repositories: put store, log and index together."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from lin.errors import ConflictError, InvalidInputError, LinError
from lin.lineage.keys import ActorKey, LogKey
from lin.lineage.ledger import Ledger
from lin.lineage.log import CHECKPOINT, Log
from lin.lineage.note import VerifierKey
from lin.store.place import Place
from lin.store.places import open_place

from . import config, indexes


@dataclass(frozen=True, slots=True)
class Opened:
    """The parts of an open repository.

    Attributes:
        place: Where its files lie.
        description: What `lin.json` says.
        ledger: Its log and index.
        cache: This machine's folder for what can be deleted.
        notices: Grows by a sentence when something that people should know happens on the way to an answer.
    """

    place: Place
    description: config.Description
    ledger: Ledger
    cache: Path
    notices: list[str]


def open_existing(location: str | Path | None) -> Opened:
    """Open the repository that a location means; see `config.locate`. The user's own is made on first use."""
    found = config.locate(location)
    if found is None:
        try:
            return create(open_place(config.default_repository()))
        except ConflictError:  # another process made it in this very moment
            found = config.locate(config.default_repository())
            if found is None:
                raise
    return _assemble(*found)


def create(place: Place) -> Opened:
    """Make a repository; its `lin.json` comes last, so half of one is none.

    Raises:
        ConflictError: There is one already.
    """
    taken = ConflictError(
        f"there is a repository at {place.url} already", hint="Use it as it is, or choose another folder."
    )
    if config.describe(place) is not None:
        raise taken
    if place.size(CHECKPOINT) is None:
        key = LogKey.load_or_create(config.config_folder(), f"lin/{secrets.token_hex(16)}")
        try:
            Log(place, key.verifier).create(key)
        except ConflictError:
            key = _begun(place)
    else:
        key = _begun(place)
    description = config.Description(config.FORMAT, key.name.rpartition("/")[2], key.name, str(key.verifier))
    try:
        place.create(config.DESCRIPTION, description.dumps())
    except ConflictError as error:
        raise taken from error
    if config.is_url(place.url):
        _keeps_writers_apart(place, description.dumps())
    else:
        # The repository of a project lies inside its folder, and is no part of the project's code.
        place.replace(".gitignore", b"*\n")
    return _assemble(place, description)


def _keeps_writers_apart(place: Place, data: bytes) -> None:
    """Make sure that a place refuses to create what is there: some imitations of S3 do not know of such writes."""
    try:
        place.create(config.DESCRIPTION, data)
    except ConflictError:
        return
    place.delete(config.DESCRIPTION)
    raise InvalidInputError(
        f"{place.url} cannot create a file exclusively: two writers could overwrite each other",
        hint="Use a service that knows conditional writes (If-None-Match), or a newer version of this one.",
    )


def _begun(place: Place) -> LogKey:
    """Return the key of a repository that another process is making right now, or was making when it died."""
    origin = place.read(CHECKPOINT).partition(b"\n")[0].decode(errors="replace")
    try:
        key = LogKey.load(config.config_folder(), origin)
        if Log(place, key.verifier).checkpoint().size == 0:
            return key
    except LinError:
        pass
    raise ConflictError(
        f"{place.url} holds a log, but no {config.DESCRIPTION}",
        hint=f"Restore {config.DESCRIPTION} from a copy, or choose another place.",
    )


def _assemble(place: Place, description: config.Description) -> Opened:
    where = hashlib.sha256(os.fsencode(place.url)).hexdigest()[:12]
    cache = config.cache_folder() / f"{description.id}-{where}"
    keys = config.config_folder()
    log = Log(place, VerifierKey.parse(description.key))
    ledger = Ledger(
        log,
        cache,
        log_key=lambda: LogKey.load(keys, description.origin),
        actor_key=lambda: ActorKey.load_or_create(keys),
    )
    notices: list[str] = []
    server = indexes.Server.chosen(description.id, keys)
    if server is not None:
        ledger.attach(server.open(description.id, keys), server.url, notices.append)
    return Opened(place, description, ledger, cache, notices)
