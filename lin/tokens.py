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


def encode(cursor: Cursor, question: Mapping[str, Any]) -> str:
    """Write a token for the place at which a page of the answer to this question ended.

    Args:
        cursor: The place.
        question: All that decides what the answer is, but for how long a page is: names and values, as records have
            them. Values that are None or False do not count, nor does their order.
    """
    place = cursor.created.to_bytes(8, "big", signed=True) + cursor.id
    return base64.urlsafe_b64encode(place + _digest(question)).decode().rstrip("=")


def decode(token: str | None, question: Mapping[str, Any]) -> Cursor | None:
    """Read a token of the same question; None for None.

    Raises:
        InvalidInputError: It is no token, or one of another question.
    """
    if token is None:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    canonical = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    if len(raw) != _PLACE + _BOUND or canonical != token:
        raise InvalidInputError(
            f"not a page token: {token[:80]!r}", hint="Pass the one that the page before ended with, or none."
        )
    if raw[_PLACE:] != _digest(question):
        raise InvalidInputError(
            f"the page token {token[:12]!r}… belongs to another question",
            hint="Keep everything else as it was when you got it, or begin without one.",
        )
    return Cursor(int.from_bytes(raw[:8], "big", signed=True), raw[8:_PLACE])


def _digest(question: Mapping[str, Any]) -> bytes:
    meant = {name: value for name, value in question.items() if value is not None and value is not False}
    text = json.dumps(to_json(meant), sort_keys=True, default=str)
    return sha256(b"lin page\0" + text.encode()).digest()[:_BOUND]
