"""Waiting: requests that processes leave for whoever holds the lock of the log.

A process that can't have the lock at once leaves its request as a file. Whoever holds the lock commits all
that wait and leaves the answers. Nothing here has to survive a power cut, since nobody waits after one;
files that are torn or left behind are cleared away.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lin.errors import CorruptLogError, InvalidInputError, LinError
from lin.store.faults import os_errors

from .admitting import Request
from .envelope import parse
from .tiles import decode_bundle, encode_bundle

_REQUEST = ".request"
_ANSWER = ".answer"
_DRAFT = ".draft"
_FORGOTTEN_SECONDS = 3600.0
"""Older answers and drafts belong to nobody; who slept longer than that submits again, which is safe."""
_SEAL = 32


class WaitingRoom:
    """Keep requests and answers in a folder; only the holder of the lock answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ticket(self) -> str:
        """Return a ticket to leave a request with; tickets sort by arrival."""
        return f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(4).hex()}"

    def leave(self, ticket: str, request: Request) -> None:
        """Leave a request, for the holder of the lock to find."""
        body = encode_bundle([event.leaf for event in request.events])
        with os_errors("write to", self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        self._write(ticket + _REQUEST, hashlib.sha256(body).digest() + body)

    def withdraw(self, ticket: str) -> None:
        """Take a request and its answer away; taking away nothing is no error."""
        for suffix in (_REQUEST, _REQUEST + _DRAFT, _ANSWER):
            path = self._folder / (ticket + suffix)
            with os_errors("delete", path):
                path.unlink(missing_ok=True)

    def collect(self, ticket: str, request: Request) -> None:
        """Settle a request if its answer is there."""
        with os_errors("read", self._folder / (ticket + _ANSWER)):
            try:
                data = (self._folder / (ticket + _ANSWER)).read_bytes()
            except FileNotFoundError:
                return
        with suppress(ValueError, KeyError, TypeError):  # a torn answer is none
            document = json.loads(data)
            request.settle(None if document is None else _error(document))

    def waiting(self) -> Iterator[tuple[str, Request]]:
        """Yield the requests that wait, oldest first; those that can't be read are refused at once."""
        names = self._names()
        for name in sorted(names):
            ticket, dot, suffix = name.partition(".")
            if dot + suffix == _REQUEST and ticket + _ANSWER not in names:
                try:
                    request = self._read(name)
                except LinError as error:
                    self.answer(ticket, error)
                else:
                    if request is not None:
                        yield ticket, request
            elif suffix and ticket + _REQUEST not in names:
                self._forget(name)

    def answer(self, ticket: str, error: Exception | None) -> None:
        """Say that a request is durable, or why it was refused."""
        self._write(ticket + _ANSWER, json.dumps(None if error is None else _document(error)).encode())
        with os_errors("delete", self._folder / (ticket + _REQUEST)):
            (self._folder / (ticket + _REQUEST)).unlink(missing_ok=True)

    # ------------------------------------------------------------------------

    def _names(self) -> set[str]:
        with os_errors("list", self._folder):
            try:
                return set(os.listdir(self._folder))  # noqa: PTH208 - names are what is wanted
            except FileNotFoundError:
                return set()

    def _read(self, name: str) -> Request | None:
        with os_errors("read", self._folder / name):
            try:
                data = (self._folder / name).read_bytes()
            except FileNotFoundError:
                return None  # withdrawn
        seal, body = data[:_SEAL], data[_SEAL:]
        if hashlib.sha256(body).digest() != seal:
            raise CorruptLogError(f"the waiting request {name} is torn", hint="Try again.")
        return Request([parse(leaf) for leaf in decode_bundle(body)])

    def _write(self, name: str, data: bytes) -> None:
        path = self._folder / name
        draft = path.with_name(path.name + _DRAFT)
        with os_errors("write", path):
            draft.write_bytes(data)
            draft.replace(path)

    def _forget(self, name: str) -> None:
        with suppress(OSError):
            path = self._folder / name
            if time.time() - path.stat().st_mtime > _FORGOTTEN_SECONDS:
                path.unlink()


def _document(error: Exception) -> dict[str, object]:
    if not isinstance(error, LinError):
        return {"kind": LinError.kind, "message": f"{type(error).__name__}: {error}", "hint": ""}
    return {"kind": error.kind, **vars(error)}


def _error(document: dict[str, object]) -> LinError:
    """Return the error of the tree that an answer tells of, with all that it carried."""
    if not isinstance(document["message"], str):
        raise InvalidInputError(f"not an answer: {document!r}")
    kinds = [LinError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    found = next((kind for kind in kinds if kind.kind == document["kind"]), LinError)
    error = found.__new__(found, document["message"])
    for name, value in document.items():
        if name != "kind":
            setattr(error, name, tuple(value) if isinstance(value, list) else value)
    return error
