"""Digests: the one way to write them, and the right algorithm behind them."""

from __future__ import annotations

import pytest

from lin.errors import InvalidInputError
from lin.store.digest import Digest

EMPTY = "b3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_is_blake3() -> None:
    """The digest of nothing is the one that BLAKE3's authors publish."""
    assert str(Digest.of(b"")) == EMPTY


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
