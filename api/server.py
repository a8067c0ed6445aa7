"""Serve a repository until asked to stop."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from lin.errors import ConflictError, InvalidInputError, LinError, PermissionDeniedError
from lin.repository import Repository

from .app import create_app
from .guard import checked_token

GRACE = 5
"""Seconds that requests get to end after a signal."""

__all__ = ["create_app", "serve"]


def serve(
    repository: Repository | str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a repository until SIGINT or SIGTERM, then return when the running requests have ended.

    Args:
        repository: An open repository, or where one lies.
        host: A name or address of this machine.
        port: 0 for any that is free.
        token: What clients must send as `Authorization: Bearer`; anything but a loopback address needs one.
        ready: Is called with the URL once requests are answered.

    Raises:
        InvalidInputError: The host is not this machine's, or is not loopback and there is no token.
        ConflictError: The port is in use.
        PermissionDeniedError: The port may not be used.
        RepositoryNotFoundError: There is none at the place named.
    """
    checked_token(token)
    with listen(host, port, public=token is not None) as listener:
        server = _Server(
            uvicorn.Config(
                create_app(repository, token=token),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="on",
                ws="none",
                timeout_graceful_shutdown=GRACE,
            ),
            lambda: ready(url_of(host, listener)) if ready else None,
        )
        with _quiet_signals():
            server.run(sockets=[listener])


def listen(host: str, port: int, *, public: bool) -> socket.socket:
    """Bind a socket; see `serve` for the errors.

    Args:
        host: A name or address of this machine.
        port: 0 for any that is free.
        public: Whether others than this machine may connect.
    """
    if not 0 <= port <= 65_535:  # noqa: PLR2004 (what 16 bits hold)
        raise InvalidInputError(f"not a port: {port}", hint="Ports go from 1 to 65535; 0 takes any that is free.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise InvalidInputError(f"not a host of this machine: {host!r}", hint="Use 127.0.0.1.") from error
    family, kind, protocol, _, address = found[0]
    if not public and not all(ipaddress.ip_address(str(a[0]).partition("%")[0]).is_loopback for *_, a in found):
        raise InvalidInputError(
            f"{host!r} can be reached from other machines, and there is no token",
            hint="Give a token that clients must send, or stay on 127.0.0.1 and let others in through an SSH tunnel.",
        )
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise _refused(host, port, error) from error
    return listener


def url_of(host: str, listener: socket.socket) -> str:
    """Return the URL that a browser on this machine would open."""
    address, port = listener.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, host)  # noqa: S104 (not bound here)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def _refused(host: str, port: int, error: OSError) -> LinError:
    if error.errno == errno.EADDRINUSE:
        return ConflictError(
            f"port {port} of {host} is in use",
            hint="Stop what uses it, or choose another port; 0 takes any that is free.",
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return PermissionDeniedError(f"port {port} may not be used by this user", hint="Choose one above 1023.")
    return InvalidInputError(f"cannot listen at {host}, port {port}: {error.strerror}", hint="Use 127.0.0.1.")


class _Server(uvicorn.Server):
    """A server that tells when it has started."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        self._ready()


@contextlib.contextmanager
def _quiet_signals() -> Iterator[None]:
    # uvicorn raises the signal that stopped it once more when it has stopped, so that its caller
    # ends too. Here that is the caller's choice: being asked to stop is no failure.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
