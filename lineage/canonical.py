"""Canonical JSON (RFC 8785), quickly for what lin writes.

Python's own encoder writes the same bytes for everything but some numbers and some orders of keys. Only for
these, which are rare, the reference implementation is asked: it is ten times slower, and slow to import.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_INTEGER = 2**53 - 1
"""The largest number up to which every integer has a number of its own in JSON."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


# In what Python's encoder writes: an integer that may be too large, a fraction of zero, an exponent, and no number.
_UNUSUAL = re.compile(rb"[:,\[]-?(?:[0-9]{16}|[0-9]+(?:\.0[,}\]]|\.[0-9]+e|e)|[NI])")


def dumps(document: Any, *, expected: bytes | None = None) -> bytes:
    """Write a document as RFC 8785 says.

    Args:
        document: What to write.
        expected: What it probably is: that this is right is found faster than what else would be.

    Raises:
        ValueError: It holds what JSON has no exact form for: NaN, an infinity, a larger integer, half of a
            surrogate pair, or another type.
    """
    if expected is not None and expected.isascii() and not _UNUSUAL.search(expected):
        # Then every key and number in it is of those that both write alike (`_is_plain`), if it is this document.
        written = _encode(document).encode("utf-8", "surrogatepass")
        if written == expected:
            return written
    if _is_plain(document):
        return _encode(document).encode()
    import rfc8785  # noqa: PLC0415 - 18 ms that few need

    return rfc8785.dumps(document)


def _is_plain(value: Any) -> bool:
    """Tell whether Python's encoder is known to write the canonical form."""
    kind = type(value)
    if kind is dict:
        # Keys are sorted by UTF-16 units there, by code points here: the same at least for ASCII.
        return all(type(key) is str and key.isascii() and _is_plain(item) for key, item in value.items())
    if kind is int:
        return bool(-MAX_INTEGER <= value <= MAX_INTEGER)
    if kind is float:
        # In between, both write the shortest digits without an exponent; integers lose their `.0` there.
        return bool(1e-4 <= abs(value) < 1e16 and value % 1 != 0)  # noqa: PLR2004 - where Python's repr changes
    if kind in {list, tuple}:
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, bool))
