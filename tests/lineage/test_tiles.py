"""Which files a tree implies, and what is in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lin.errors import CorruptLogError, InvalidInputError
from lin.lineage.tiles import (
    Tile,
    decode_bundle,
    decode_tile,
    edge_of,
    encode_bundle,
    encode_tile,
    levels,
    tile_at,
    tiles_of,
)


@pytest.mark.parametrize(
    ("tile", "name"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 999), "tile/0/999"),
        (Tile(0, 1000), "tile/0/x001/000"),
        (Tile(1, 1_234_067), "tile/1/x001/x234/067"),
        (Tile(None, 5), "tile/entries/005"),
        (Tile(None, 273, 112), "tile/entries/273.p/112"),
        (Tile(2, 1_234, 1), "tile/2/x001/234.p/1"),
    ],
)
def test_names_are_as_specified(tile, name):
    """Index 1234067 is x001/x234/067, and partial tiles lie in a folder."""
    assert tile.name == name


def test_the_specifications_example():
    """A tree of 70,000 leaves has the tiles that the specification lists."""
    tiles = list(tiles_of(70_000))
    count: dict[tuple[int | None, int], list[int]] = {}
    for tile in tiles:
        count.setdefault((tile.level, tile.width), []).append(tile.index)
    assert count == {
        (None, 256): list(range(273)),
        (None, 112): [273],
        (0, 256): list(range(273)),
        (0, 112): [273],
        (1, 256): [0],
        (1, 17): [1],
        (2, 1): [0],
    }


def test_a_full_tile_implies_a_partial_one_above():
    """A tree of 256 leaves has a full tile and one of width 1 above it; an empty tree has no file."""
    assert [tile.name for tile in tiles_of(256)] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
    assert not list(tiles_of(0))
    assert [levels(size) for size in (0, 1, 255, 256, 65_535, 65_536)] == [0, 1, 1, 2, 2, 3]


@given(st.integers(0, 200_000))
def test_every_leaf_and_every_full_tile_is_covered_once(size):
    """The widths of a level add up to the number of full tiles below it."""
    below = size
    for level in range(levels(size) + 1):
        widths = [tile.width for tile in tiles_of(size) if tile.level == level]
        assert sum(widths) == below
        assert all(width == 256 for width in widths[:-1])
        below = widths.count(256)
    assert sum(tile.width for tile in tiles_of(size) if tile.level is None) == size


@given(st.integers(0, 70_000), st.integers(0, 70_000))
def test_since_leaves_out_exactly_what_was_there(one, two):
    """Together with the older tree's files, the newer ones are all."""
    old, new = sorted((one, two))
    fresh = set(tiles_of(new, since=old))
    assert fresh == set(tiles_of(new)) - set(tiles_of(old))


@given(st.integers(0, 200_000))
def test_the_edge_is_what_is_partial(size):
    """The edge holds every partial tile, and nothing else."""
    assert list(edge_of(size)) == [tile for tile in tiles_of(size) if tile.width < 256]


def test_tiles_beyond_the_tree_are_refused():
    """There is no empty tile."""
    for level, index, size in ((0, 0, 0), (0, 1, 256), (1, 0, 255), (0, -1, 10)):
        with pytest.raises(InvalidInputError):
            tile_at(level, index, size)


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_bundles_survive(leaves):
    """Decoding gives back what was encoded, empty entries included."""
    assert decode_bundle(encode_bundle(leaves), expected=len(leaves)) == tuple(leaves)


def test_lengths_are_big_endian():
    """As the specification says."""
    assert encode_bundle([b"x" * 258])[:3] == b"\x01\x02x"


def test_the_longest_entry_fits_and_a_longer_one_is_refused():
    """The length prefix has 16 bits."""
    assert decode_bundle(encode_bundle([b"x" * 65_535])) == (b"x" * 65_535,)
    with pytest.raises(InvalidInputError):
        encode_bundle([b"x" * 65_536])


@given(st.data())
def test_a_bundle_cut_short_is_found(data):
    """Wherever a bundle breaks off, the entries are too few or the last is too short."""
    leaves = data.draw(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
    whole = encode_bundle(leaves)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(CorruptLogError):
        decode_bundle(whole[:cut], expected=len(leaves))


def test_a_tile_of_the_wrong_length_is_found():
    """A tile holds 32 bytes for each digest."""
    digests = (b"a" * 32, b"b" * 32)
    assert decode_tile(encode_tile(digests), expected=2) == digests
    for expected in (1, 3):
        with pytest.raises(CorruptLogError):
            decode_tile(encode_tile(digests), expected=expected)
