"""Write names, numbers and times for people, so that nothing stored can act on their terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from unicodedata import combining, east_asian_width

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MINUTE = 60
_HOUR = 3600
_TENTHS_BELOW = 10
# Bytes that are not UTF-8 reach Python as these code points (PEP 383).
_FIRST_SURROGATE, _LAST_SURROGATE = 0xDC80, 0xDCFF
_BYTE_OFFSET = 0xDC00
_ASCII = str.maketrans({"├": "|", "└": "`", "│": "|", "─": "-", "…": "~", "→": ">", "↑": "^", "·": "."})


def plain(text: object) -> str:
    r"""Return a text on one line in which every character that is not printable is written as an escape.

    Control characters, line breaks, characters that turn the writing direction, and bytes that are not
    UTF-8 come out as `\n`, `\x1b`, `\u202e`: they are shown and never executed.
    """
    line = str(text)
    return line if line.isprintable() else "".join(map(_shown, line))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if _FIRST_SURROGATE <= code <= _LAST_SURROGATE:
        return f"\\x{code - _BYTE_OFFSET:02x}"
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the widths of the escapes


def columns(text: str) -> int:
    """Return how many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def shorten(text: str, width: int) -> str:
    """Cut a printable text to so many columns; what was cut ends in `…`."""
    if columns(text) <= width:
        return text
    kept, used = [], 1
    for character in text:
        used += columns(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept) + "…"


def size(count: int) -> str:
    """Write a number of bytes: `812 B`, `1.4 MiB`."""
    value, power = float(count), 0
    while value >= _STEP and power < len(_UNITS) - 1:
        value, power = value / _STEP, power + 1
    return f"{value:.1f} {_UNITS[power]}" if power else f"{count} B"


def number(count: int, one: str, many: str = "") -> str:
    """Write a number of things: `1 file`, `3 files`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Write a time span: `0.31 s`, `12.4 s`, `3 min 12 s`, `2 h 5 min`."""
    if round(seconds, 2) < _TENTHS_BELOW:
        return f"{seconds:.2f} s"
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def moment(time: str) -> str:
    """Write an event's time (RFC 3339, UTC, microseconds) to the second."""
    return plain(time.split(".", maxsplit=1)[0] + "Z" if "." in time else time)


def minute(time: str) -> str:
    """Write an event's time to the minute."""
    return plain(f"{time[:16]}Z")


def value(scalar: object) -> str:
    """Write a parameter or metric: floats with the six digits that people compare, the rest as it is."""
    if isinstance(scalar, bool):
        return "true" if scalar else "false"
    return f"{scalar:.6g}" if isinstance(scalar, float) else plain(scalar)


def pairs(mapping: Mapping[str, object]) -> str:
    """Write names and values on one line: `lr=0.1, depth=8`."""
    return ", ".join(f"{plain(name)}={value(item)}" for name, item in mapping.items())


def drawable(text: str, encoding: str | None = None) -> str:
    """Return a text with lines and arrows in ASCII where the output (by default standard output) has no others."""
    try:
        "├└│─…→↑·".encode(encoding or sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return text.translate(_ASCII)
    return text
