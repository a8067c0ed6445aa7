"""The published vectors of the store's format are what the code does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lin.errors import InvalidInputError, UnsafePathError, UnsupportedFormatError
from lin.store import bundle, lists, zstd
from lin.store.blobs import BlobStore
from lin.store.cutting import CUTTER
from lin.store.digest import Digest
from lin.store.local import LocalPlace
from lin.store.pack import Coding, Kind, pack_name, parse_table, tail_size
from lin.store.packs import loose_file
from lin.store.tree import Mode, TreeEntry, check_link, encode_tree, parse_tree, total_size

VECTORS = json.loads(
    (Path(__file__).parents[2] / "docs" / "formats" / "store-vectors.json").read_text(encoding="utf-8")
)


def ids(vector: dict[str, Any]) -> str:
    return str(vector["name"])


@pytest.mark.parametrize("vector", VECTORS["blobs"], ids=ids)
def test_blobs(vector: dict[str, Any]) -> None:
    """A blob's digest and file are as published."""
    given = bytes.fromhex(vector.get("hex", ""))
    data = given + bytes(index % 251 for index in range(vector.get("pattern", 0)))
    assert len(data) == vector["size"]
    assert str(Digest.of(data)) == vector["digest"]
    assert loose_file(Digest.of(data).value) == vector["loose_file"]


def content(vector: dict[str, Any]) -> bytes:
    """Return the bytes that a vector describes."""
    if "splitmix64" in vector:
        out, state, most = bytearray(), vector["splitmix64"], (1 << 64) - 1
        while len(out) < vector["size"]:
            state = (state + 0x9E3779B97F4A7C15) & most
            mixed = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & most
            mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & most
            out += (mixed ^ mixed >> 31).to_bytes(8, "little")
        return bytes(out[: vector["size"]])
    return bytes(vector["size"]) if "zeros" in vector else bytes(index % 251 for index in range(vector["size"]))


@pytest.mark.parametrize("vector", VECTORS["cutting"]["cuts"], ids=ids)
def test_cutting(vector: dict[str, Any]) -> None:
    """Chunks end where published, by whichever library: other borders would share nothing with what is there."""
    data = content(vector)
    assert str(Digest.of(data)) == vector["digest"]
    assert list(CUTTER.borders(memoryview(data), last=True)) == vector["ends"]
    assert CUTTER.describe() == VECTORS["cutting"]["algorithm"]


def test_cutting_as_it_is_written() -> None:
    """The page's rule, followed step by step in Python, gives the published borders."""
    told = VECTORS["cutting"]
    gear = [int(number, 16) for number in told["gear"]]
    small, large = int(told["small_mask"], 16), int(told["large_mask"], 16)
    least, normal, most = (told["algorithm"][name] for name in ("min", "normal", "max"))
    for vector in told["cuts"][:3]:
        data = content(vector)
        ends, start = [], 0
        while start < len(data):
            end = min(start + most, len(data))
            mixed = 0
            for index in range(start + least, end):
                mixed = (2 * mixed + gear[data[index]]) & (1 << 64) - 1
                if not mixed & (small if index - start < normal else large):
                    end = index
                    break
            ends.append(end)
            start = end
        assert ends == vector["ends"]


@pytest.mark.parametrize("vector", VECTORS["packs"], ids=ids)
def test_packs(vector: dict[str, Any], tmp_path: Path) -> None:
    """A pack's table says what is published, and its records are read back from it."""
    data = bytes.fromhex(vector["hex"])
    assert pack_name(vector["file"]) == vector["pack"]
    table = parse_table(data[-tail_size(data[-40:], vector["pack"]) :], vector["pack"])
    assert table.size == len(data)
    found = [
        {
            "digest": str(Digest(entry.digest)),
            "size": entry.size,
            "stored": entry.stored,
            "offset": entry.offset,
            "kind": Kind(entry.kind).name.lower(),
            "coding": Coding(entry.coding).name.lower(),
            "depth": entry.depth,
            "bases": [str(Digest(entry.bases[at : at + 32])) for at in range(0, len(entry.bases), 32)],
        }
        for entry in table.entries
    ]
    assert found == vector["records"]
    place = LocalPlace(tmp_path)
    place.create(vector["file"], data)
    store = BlobStore(place)
    assert list(store.check()) == []
    blobs = {record["digest"]: record["size"] for record in vector["records"] if record["kind"] != "chunk"}
    assert {str(digest): size for digest, size in store.list()} == blobs
    for digest in blobs:
        store.verify(Digest.parse(digest))


def test_numbers_as_they_are_written() -> None:
    """The page's rule, followed byte by byte, gives what the published differences of numbers stand for."""
    for pack in VECTORS["packs"]:
        data = bytes.fromhex(pack["hex"])
        stored = {each["digest"]: data[each["offset"] :][: each["stored"]] for each in pack["records"]}
        for record in pack["records"]:
            if record["coding"] == "numbers":
                bases = b"".join(stored[base] for base in record["bases"])  # all of them are raw
                planes: list[bytes] = []
                width, rest = stored[record["digest"]][0], stored[record["digest"]][5:]
                skip = int.from_bytes(stored[record["digest"]][1:5], "little")
                while rest:
                    length = int.from_bytes(rest[:4], "little")
                    size = len(range(len(planes), record["size"], width))
                    planes.append(zstd.decompress(rest[4 : 4 + length], size) or b"")
                    rest = rest[4 + length :]
                counterpart = (bases[skip:] + bytes(record["size"]))[: record["size"]]
                plain = bytes(planes[at % width][at // width] ^ byte for at, byte in enumerate(counterpart))
                assert str(Digest.of(plain)) == record["digest"]
                assert len(planes) == width


@pytest.mark.parametrize("vector", VECTORS["lists"], ids=ids)
def test_lists(vector: dict[str, Any]) -> None:
    """A list names the parts that are published, both ways."""
    parts = [(Digest.parse(digest).value, size) for digest, size in vector["parts"]]
    assert lists.parse_list(bytes.fromhex(vector["hex"]), vector["size"]) == (vector["level"], parts)
    assert lists.pack_list(parts, vector["level"]).hex() == vector["hex"]
    if "segment_hex" in vector:
        assert Digest.of(bytes.fromhex(vector["segment_hex"])).value == parts[0][0]


@pytest.mark.parametrize("vector", VECTORS["index_files"], ids=ids)
def test_index_files(vector: dict[str, Any]) -> None:
    """An index file holds the tables of the published packs, both ways."""
    data = bytes.fromhex(vector["hex"])
    name = bundle.index_name(vector["file"])
    assert name is not None
    tables = list(bundle.parse_index(data, name))
    assert [table.name for table in tables] == vector["packs"]
    assert bundle.make_index(tables) == (name, data)


@pytest.mark.parametrize("vector", VECTORS["trees"], ids=ids)
def test_trees(vector: dict[str, Any]) -> None:
    """A directory's encoding, size and digest are as published, both ways."""
    entries = tuple(
        TreeEntry(entry["name"], Mode(entry["mode"]), Digest.parse(entry["digest"]), entry["size"])
        for entry in vector["entries"]
    )
    encoded = bytes.fromhex(vector["encoded_hex"])
    assert encode_tree(entries) == encoded
    assert parse_tree(encoded) == entries
    assert total_size(entries) == vector["size"]
    assert str(Digest.of(encoded)) == vector["digest"]


@pytest.mark.parametrize("vector", VECTORS["refused_trees"], ids=ids)
def test_refused_trees(vector: dict[str, Any]) -> None:
    """What is published as no tree is refused, a newer version as such."""
    with pytest.raises((InvalidInputError, UnsupportedFormatError)) as caught:
        parse_tree(bytes.fromhex(vector["encoded_hex"]))
    assert isinstance(caught.value, UnsupportedFormatError) == ("newer" in vector["name"])


def test_links() -> None:
    """Links are kept and refused as published."""
    for depth, target in VECTORS["links"]["kept"]:
        assert check_link(depth, target) == target.encode()
    for depth, target in VECTORS["links"]["refused"]:
        with pytest.raises(UnsafePathError):
            check_link(depth, target)


def test_the_format_is_this_version() -> None:
    """The vectors are of version 1, and cover what the page promises."""
    assert VECTORS["format"] == 1
    records = [record for pack in VECTORS["packs"] for record in pack["records"]]
    assert {record["kind"] for record in records} == {kind.name.lower() for kind in Kind}
    assert {record["coding"] for record in records} == {coding.name.lower() for coding in Coding}
    modes = {entry["mode"] for tree in VECTORS["trees"] for entry in tree["entries"]}
    assert modes == {mode.value for mode in Mode}
    assert [] in [tree["entries"] for tree in VECTORS["trees"]]
