"""Stand between a client and a server on this machine, and break what passes: for tests of what a network does.

::

    with FaultyProxy(7070) as proxy:
        proxy.cut_after = 10_000   # each connection ends after so many bytes of requests
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

Answer = Callable[[bytes], bytes | None]
"""Told the beginning of a request, says what to answer instead of passing it on; None passes it on."""
_PIECE = 65_536


def answer(status: str, code: str = "", message: str = "") -> bytes:
    """Return an answer as an object store gives it, such as `answer("503 Slow Down", "SlowDown")`."""
    body = f"<Error><Code>{code}</Code><Message>{message or code}</Message></Error>".encode() if code else b""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/xml", f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class FaultyProxy:
    """A TCP proxy on loopback.

    Attributes:
        port: Where it listens.
        requests: How many requests have begun; a connection that is kept open counts for each that was seen to begin.
        cut_after: Bytes of requests after which a connection is cut off; None for never.
        cut_answer_after: The same, for answers.
        swallow_answers: How many answers are withheld: their requests reach the server, and the connection is cut.
        instead: Says what to answer to a request instead of passing it on.
        hold: While it is set, nothing is passed on.
    """

    def __init__(self, behind: int) -> None:
        """Listen.

        Args:
            behind: The server's port on this machine.
        """
        self._behind = behind
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.port: int = self._listener.getsockname()[1]
        self.requests = 0
        self.cut_after: int | None = None
        self.cut_answer_after: int | None = None
        self.swallow_answers = 0
        self.instead: Answer | None = None
        self.hold = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hold.clear()
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                begun = client.recv(_PIECE)
                self._count(begun)
                told = self.instead(begun) if self.instead is not None and begun else None
                if told is not None:
                    self._drain(client, begun)
                    client.sendall(told)
                    return
                server = socket.create_connection(("127.0.0.1", self._behind))
            except OSError:
                return
            with server:
                with self._lock:
                    self._open |= {client, server}
                back = threading.Thread(target=self._back, args=(server, client), daemon=True)
                back.start()
                self._forth(client, server, begun)
                back.join()
                with self._lock:
                    self._open -= {client, server}

    def _forth(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        passed = 0
        with suppress(OSError):
            while data:
                while self.hold.is_set():
                    threading.Event().wait(0.01)
                if self.cut_after is not None and passed + len(data) > self.cut_after:
                    server.sendall(data[: self.cut_after - passed])
                    _end(client, server)
                    return
                server.sendall(data)
                passed += len(data)
                data = client.recv(_PIECE)
                self._count(data)
            server.shutdown(socket.SHUT_WR)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while data := server.recv(_PIECE):
                if self.swallow_answers:
                    self.swallow_answers -= 1
                    break
                if self.cut_answer_after is not None and passed + len(data) > self.cut_answer_after:
                    client.sendall(data[: self.cut_answer_after - passed])
                    break
                client.sendall(data)
                passed += len(data)
        _end(client, server)

    def _count(self, data: bytes) -> None:
        if data.partition(b" ")[0] in {b"GET", b"HEAD", b"PUT", b"POST", b"DELETE"}:
            with self._lock:
                self.requests += 1

    def _drain(self, client: socket.socket, begun: bytes) -> None:
        """Read the rest of a request: a client that is still sending might not see the answer."""
        head, _, body = begun.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        left = length - len(body)
        while left > 0 and (data := client.recv(min(left, _PIECE))):
            left -= len(data)


def _end(*connections: socket.socket) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
