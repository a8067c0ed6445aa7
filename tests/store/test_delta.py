"""Numbers that are kept as their difference from other numbers."""

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lin.store import delta, zstd


def weights(seed: int, count: int) -> list[float]:
    source = random.Random(seed)
    return [source.gauss(0, 0.02) for _ in range(count)]


def packed(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


@given(data=st.binary(max_size=300), bases=st.binary(max_size=300), skip=st.integers(0, 310), width=st.integers(1, 16))
def test_what_was_combined_is_separated_again(data, bases, skip, width):
    """Any bytes come back, whatever they were combined with: too little, too much, or from behind its end."""
    stored = delta.combine(data, bases, skip, width)
    assert delta.separate(stored, bases, len(data)) == data


@given(stored=st.binary(max_size=200), size=st.integers(0, 100))
def test_any_bytes_are_read_or_refused(stored, size):
    """What is no combination gives None, and never an exception or another number of bytes."""
    found = delta.separate(stored, b"base", size)
    assert found is None or len(found) == size


@pytest.mark.parametrize(
    "spoil",
    [
        lambda stored: stored[:-1],
        lambda stored: stored + b"\0",
        lambda stored: b"\x00" + stored[1:],
        lambda stored: b"\x11" + stored[1:],
        lambda stored: stored[:5] + b"\xff\xff\xff\xff" + stored[9:],
        lambda stored: b"",
    ],
    ids=["cut short", "too long", "width 0", "width 17", "a plane behind the end", "nothing"],
)
def test_a_damaged_combination_is_refused(spoil):
    """Whatever is wrong with what is stored, no bytes come of it."""
    data, base = packed(weights(1, 500)), packed(weights(2, 500))
    stored = delta.combine(data, base, 0, 4)
    assert delta.separate(spoil(stored), base, len(data)) is None


def test_a_combination_never_makes_more_bytes_than_were_said_to_come():
    """A plane that would be gigabytes is refused when it gives one byte too many."""
    bomb = zstd.compress(bytes(100_000_000))
    stored = struct.pack("<BI", 1, 0) + struct.pack("<I", len(bomb)) + bomb
    assert delta.separate(stored, b"", 1000) is None


def test_the_width_of_numbers_is_found():
    """Samples tell float32 from float64, and that random bytes or text gain nothing."""
    old = weights(1, 40_000)
    new = [value * 1.0001 for value in old]
    assert delta.width_of(packed(new), packed(old), 0) == 4
    double = struct.pack("<40000d", *new), struct.pack("<40000d", *old)
    assert delta.width_of(*double, 0) == 8
    source = random.Random(1)
    assert delta.width_of(source.randbytes(100_000), source.randbytes(100_000), 0) is None


def test_weights_that_moved_a_little_take_less_room():
    """Where every weight moved a little, four sevenths of the bytes are left; by themselves nine tenths are."""
    old = weights(1, 40_000)
    new = packed([value + 1e-5 * step for value, step in zip(old, weights(2, 40_000), strict=True)])
    assert len(zstd.compress(new)) > 0.9 * len(new)
    assert len(delta.combine(new, packed(old), 0, 4)) < 0.58 * len(new)
