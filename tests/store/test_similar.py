"""What part of the previous version a part of the new one resembles."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lin.store.similar import Previous

SIZE = 1000


def content(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def previous(data: bytes, size: int = SIZE) -> tuple[Previous, list[bytes]]:
    """Cut every `size` bytes; a chunk's name is its place in 32 bytes."""
    chunks = {start.to_bytes(32, "big"): data[start : start + size] for start in range(0, len(data), size)}
    asked: list[bytes] = []

    def read(name: bytes) -> bytes | None:
        asked.append(name)
        return chunks[name]

    return Previous([(name, len(chunk)) for name, chunk in chunks.items()], read), asked


def test_an_edited_part_is_found_at_its_place():
    """A few changed bytes leave a part where it was, and its counterpart alone is read."""
    old = content(1, 20 * SIZE)
    new = bytearray(old)
    new[5100:5110] = b"0123456789"
    before, asked = previous(old)
    window = before.window(5000, bytes(new[5000:6000]))
    assert window is not None
    assert window.seen
    assert (window.plain, window.skip) == (old[5000:6000], 0)
    assert len(asked) == 1


def test_a_part_behind_an_insertion_is_found():
    """Parts shift by what was inserted before them."""
    old = content(1, 20 * SIZE)
    new = old[:3000] + b"x" * 300 + old[3000:]
    before, _ = previous(old)
    window = before.window(9300, new[9300:10300])
    assert window is not None
    assert window.seen
    assert old[9000:10000] in window.plain
    again = before.window(10300, new[10300:11300])
    assert again is not None
    assert again.plain == old[10000:11000]


def test_a_known_part_tells_where_the_next_one_is():
    """After a part that is there unchanged, the next one is expected behind it, however far both moved."""
    old = content(1, 1000 * SIZE)
    before, asked = previous(old)
    name = (700_000).to_bytes(32, "big")
    before.known(0, name, SIZE)
    window = before.window(SIZE, old[701_000:702_000])
    assert window is not None
    assert window.seen
    assert [int.from_bytes(each, "big") for each in asked] == [701_000]


def test_a_part_that_moved_far_is_found_by_its_border():
    """A part that begins as a chunk of the old version does is found, wherever that is."""
    old = content(1, 1000 * SIZE)
    before, _ = previous(old)
    part = bytearray(old[900_000:901_000])
    part[100:110] = b"0123456789"
    window = before.window(0, bytes(part))
    assert window is not None
    assert window.seen
    assert old[900_000:901_000] in window.plain


def test_without_a_likeness_the_place_alone_is_given():
    """Numbers that all changed resemble nothing, and are compared with what was at their place."""
    old = content(1, 20 * SIZE)
    before, _ = previous(old)
    window = before.window(4500, content(2, SIZE))
    assert window is not None
    assert not window.seen
    assert (window.plain, window.skip) == (old[4000:6000], 500)


def test_what_resembles_nothing_is_soon_left_alone():
    """After some parts without a likeness only one in eight is tried, so new content is put as fast as any."""
    before, _ = previous(content(1, 100 * SIZE))
    tried = [before.window(index * SIZE, content(index + 2, SIZE)) is not None for index in range(88)]
    assert tried[:8] == [True] * 8
    assert sum(tried[8:]) == 10


@pytest.mark.parametrize("read", [lambda name: None, lambda name: bytes(SIZE - 1)], ids=["none", "other bytes"])
def test_a_chunk_that_cannot_be_had_is_not_made_use_of(read):
    """Where the previous version is damaged, nothing is kept against it: not even zeros, which would fit."""
    before = Previous([(bytes(32), SIZE)], read)
    for data in (bytes(SIZE), bytes(SIZE // 2) + content(1, SIZE // 2)):
        assert before.window(0, data) is None


def test_nothing_resembles_what_is_behind_the_end():
    """Appended parts have no counterpart."""
    before, _ = previous(content(1, 4 * SIZE))
    assert before.window(5 * SIZE, content(2, SIZE)) is None


@given(
    old=st.binary(max_size=400),
    pieces=st.lists(st.tuples(st.integers(0, 500), st.binary(max_size=120)), max_size=12),
    size=st.integers(1, 90),
)
def test_any_window_is_bytes_of_the_previous_version(old, pieces, size):
    """Whatever is asked, the window is what its parts say, and its place within them."""
    before, _ = previous(old, size)
    for offset, data in pieces:
        window = before.window(offset, data)
        if window is not None:
            start = int.from_bytes(window.parts[0][0], "big")
            assert window.plain == old[start : start + len(window.plain)]
            assert len(window.plain) == sum(length for _, length in window.parts)
            assert window.skip >= 0
            before.paid(offset, len(data), window)
