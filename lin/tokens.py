"""Page tokens: where a page ended, bound to the question that it was a page of.

A token is the place of the last item, (`created`, `id`), with a few bytes of a digest of the question. So a
token goes on where its page ended, however the list has grown, and one of another question is refused and not
answered with the wrong page. It is no secret and no proof: whoever makes one up gets a page of what they may read.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from lin.errors import InvalidInputError
from lin.lineage.graph import Cursor

from .records import to_json

_PLACE = 8 + 32
_BOUND = 6


def bind(question: Mapping[str, Any]) -> bytes:
    """Return what binds tokens to a question.

    Args:
        question: All that decides what the answer is, but for how long a page is: names and values, as records have
            them. Values that are None, False or empty do not count, nor does their order.
    """
    meant = {name: value for name, value in question.items() if value is not None and value not in (False, (), [])}
    text = json.dumps(to_json(meant), sort_keys=True, default=str)
    return sha256(b"lin page\0" + text.encode()).digest()[:_BOUND]


def encode(cursor: Cursor, bound: bytes) -> str:
    """Write a token for the place at which a page ended of the answer to the question that `bind` bound."""
    place = cursor.created.to_bytes(8, "big", signed=True) + cursor.id
    return base64.urlsafe_b64encode(place + bound).decode().rstrip("=")


def decode(
    token: str | None,
    bound: bytes,
    *,
    what: str = "page token",
    hint: str = "Pass the one that the page before ended with.",
) -> Cursor | None:
    """Read a token of the same question; None for None.

    Args:
        token: What `encode` wrote.
        bound: What `bind` made of the question.
        what: The word for a token in messages.
        hint: The way out for what is no token.

    Raises:
        InvalidInputError: It is no token, or one of another question.
    """
    if token is None:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _PLACE + _BOUND or base64.urlsafe_b64encode(raw).decode().rstrip("=") != token:
        raise InvalidInputError(f"not a {what}: {token!r:.80}", hint=hint)
    if raw[_PLACE:] != bound:
        raise InvalidInputError(
            f"the {what} {token[:12]!r}… belongs to another question",
            hint="Keep everything else as it was when you got it, or begin without one.",
        )
    return Cursor(int.from_bytes(raw[:8], "big", signed=True), raw[8:_PLACE])
