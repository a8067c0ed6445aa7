"""Digests: how lin names bytes.

A digest is BLAKE3-256 of the bytes (https://github.com/BLAKE3-team/BLAKE3-specs), written `b3:` and 64
lower-case hexadecimal digits. It is a type of its own, so that no bare string can stand in for one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from blake3 import blake3

from lin.errors import InvalidInputError

PREFIX = "b3:"
SIZE = 32
SHORT = 12

_TEXT = re.compile(r"b3:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """Name a sequence of bytes by its BLAKE3-256.

    Attributes:
        value: The 32 raw bytes.
    """

    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) != SIZE:
            raise InvalidInputError(f"a digest has {SIZE} bytes, this one has {len(self.value)}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `b3:` and 64 lower-case hex digits.

        Raises:
            InvalidInputError: The text is anything else, a shortened digest included.
        """
        if not _TEXT.fullmatch(text):
            raise InvalidInputError(
                f"not a digest: {text!r}", hint="A digest is 'b3:' followed by 64 lower-case hexadecimal digits."
            )
        return cls(bytes.fromhex(text[len(PREFIX) :]))

    @classmethod
    def of(cls, data: bytes | memoryview) -> Self:
        """Digest bytes that are in memory."""
        return cls(blake3(data).digest())

    @property
    def hex(self) -> str:
        """The 64 hexadecimal digits, without `b3:`."""
        return self.value.hex()

    @property
    def short(self) -> str:
        """`b3:` and the first 12 digits: for people to read, never to store."""
        return PREFIX + self.hex[:SHORT]

    def __str__(self) -> str:
        return PREFIX + self.hex

    def __repr__(self) -> str:
        return f"Digest({str(self)!r})"
