"""Digests: the one way to write them, and the right algorithm behind them."""

from __future__ import annotations

import io

import pytest

from lin.errors import InvalidInputError
from lin.store.digest import Digest
from lin.store.pump import pump

EMPTY = "b3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


@pytest.mark.parametrize(
    ("size", "digits"),
    [
        (0, EMPTY[3:]),
        (1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"),
        (1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"),
        (102_400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"),
    ],
)
def test_is_blake3(size: int, digits: str) -> None:
    """Digests are those that BLAKE3's authors publish for their test pattern."""
    data = bytes(index % 251 for index in range(size))
    assert Digest.of(data).hex == digits
    assert pump(io.BytesIO(data)) == (Digest.of(data), size)


def test_reads_what_it_writes() -> None:
    """Text and digest stand for each other."""
    digest = Digest.of(b"abc")
    assert Digest.parse(str(digest)) == digest
    assert digest.short == str(digest)[:15]
    assert repr(digest) == f"Digest('{digest}')"


@pytest.mark.parametrize(
    "text",
    ["", "b3:", EMPTY[3:], EMPTY.upper(), EMPTY[:-1], EMPTY + "0", EMPTY + "\n", " " + EMPTY, "b3:" + "g" * 64],
)
def test_refuses_other_text(text: str) -> None:
    """Anything but `b3:` and 64 lower-case digits is refused, and shown."""
    with pytest.raises(InvalidInputError, match="not a digest"):
        Digest.parse(text)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_refuses_other_sizes(size: int) -> None:
    """A digest has 32 bytes."""
    with pytest.raises(InvalidInputError, match="32 bytes"):
        Digest(bytes(size))
