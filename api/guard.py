"""Refuse what should not reach the API, before anything reads it.

Without a token everyone on this machine may ask, but no web page may: a page that some browser here has open could
send requests to a loopback address, or make its own host name mean one (DNS rebinding). So the `Host`
must be a loopback name, and whatever says where it comes from must come from there. With a token, the
token decides.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

import orjson
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lin.errors import InvalidInputError

from .failures import failure

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN_METHODS = frozenset({"GET", "HEAD"})
"""What answers to these holds nothing of the repository's: pages, the schema, whether the server is well."""

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


def checked_token(token: str | None) -> str | None:
    """Return a token that can be sent in a header.

    Raises:
        InvalidInputError: It is empty, or holds white space or anything but ASCII.
    """
    if token is not None and (not token.isascii() or not token.isprintable() or " " in token or not token):
        raise InvalidInputError(
            "the token is empty or holds white space or characters that are not ASCII",
            hint="Make one with: python -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    return token


class Guard:
    """Let a request through, or answer it with 401 or 403; adds the security headers to every answer.

    Args:
        app: What is guarded.
        token: What `Authorization: Bearer` must carry in requests that may see the repository; None for loopback.
    """

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self._app = app
        self._token = checked_token(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request as an ASGI application does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, method: str, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if self._token is None and host_name(host) not in LOOPBACK:
            return refuse(
                403,
                f"the host {host!r} is not this server's",
                "PERMISSION",
                "Without a token, lin answers to localhost and 127.0.0.1 only.",
            )
        if method in OPEN_METHODS:
            return None
        origin = headers.get("origin")
        if (origin is not None and urlsplit(origin).netloc != host) or headers.get("sec-fetch-site") == "cross-site":
            return refuse(
                403,
                f"requests from pages of {origin!r} are not allowed",
                "PERMISSION",
                "Ask from a program, or from the page that lin serves.",
            )
        if self._token is not None and not self._authorized(headers.get("authorization", "")):
            return refuse(
                401,
                "the token is missing or wrong",
                "PERMISSION",
                "Send the header 'Authorization: Bearer TOKEN'.",
                {"www-authenticate": 'Bearer realm="lin"'},
            )
        return None

    def _authorized(self, header: str) -> bool:
        scheme, _, given = header.partition(" ")
        # Bytes, since text that is not ASCII cannot be compared in constant time.
        same = hmac.compare_digest(given.strip().encode("latin-1", "replace"), (self._token or "").encode())
        return same and scheme.lower() == "bearer"


def host_name(host: str) -> str:
    """Return the name in a `Host` header, without port and brackets, in lower case."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def refuse(status: int, message: str, code: str, hint: str = "", headers: dict[str, str] | None = None) -> Response:
    """Return an answer to a request that is not executed, in GraphQL's form."""
    body = orjson.dumps(failure(message, code, hint))
    return Response(body, status, {"cache-control": "no-store", **(headers or {})}, "application/json")
