"""Turn errors into what a client sees.

Errors of lin's own tree are answers: their `kind` becomes `extensions.code`, with the hint and, for an ambiguous
ref, the candidates. Anything else is a fault of the server: the client gets an id, the log gets the rest.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from graphql import GraphQLError

from lin.errors import AmbiguousRefError, LinError

Report = Callable[[str, BaseException], None]
"""Is told the id that the client gets, and the error."""

INVALID_QUERY = "INVALID_QUERY"
"""The code of a document that is not valid GraphQL for this schema, or whose variables do not fit."""


def extensions_of(error: LinError) -> dict[str, Any]:
    """Return `code`, and where there are any, `hint` and `candidates`."""
    extensions: dict[str, Any] = {"code": error.kind.upper()}
    if error.hint:
        extensions["hint"] = error.hint
    if isinstance(error, AmbiguousRefError):
        extensions["candidates"] = list(error.candidates)
    return extensions


def describe(error: GraphQLError, report: Report) -> dict[str, Any]:
    """Return an error as the response holds it; what no client should see is reported instead."""
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, LinError):
        message, extensions = cause.message, extensions_of(cause)
    elif cause is None or isinstance(cause, GraphQLError):
        message, extensions = error.message, {"code": INVALID_QUERY, **(error.extensions or {})}
    else:
        masked = internal(cause, report)
        message, extensions = masked["message"], masked["extensions"]
    described: dict[str, Any] = {"message": message}
    if error.locations:
        described["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        described["path"] = list(error.path)
    return {**described, "extensions": extensions}


def internal(error: BaseException, report: Report) -> dict[str, Any]:
    """Report a fault of the server under a new id; return what the client sees."""
    number = secrets.token_hex(6)
    report(number, error)
    return {
        "message": "internal error",
        "extensions": {
            "code": "INTERNAL",
            "id": number,
            "hint": f"The server's log has the reason under the id {number}.",
        },
    }


def failure(message: str, code: str, hint: str = "") -> dict[str, Any]:
    """Return a response for a request that never came to be executed."""
    return {"errors": [{"message": message, "extensions": {"code": code, **({"hint": hint} if hint else {})}}]}
