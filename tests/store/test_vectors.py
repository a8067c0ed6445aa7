"""The published vectors of the store's format are what the code does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lin.errors import InvalidInputError, UnsafePathError, UnsupportedFormatError
from lin.store.blobs import blob_name
from lin.store.digest import Digest
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
    assert blob_name(Digest.of(data)) == vector["file"]


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
    """The vectors are of version 0, and cover what the page promises."""
    assert VECTORS["format"] == 0
    modes = {entry["mode"] for tree in VECTORS["trees"] for entry in tree["entries"]}
    assert modes == {mode.value for mode in Mode}
    assert [] in [tree["entries"] for tree in VECTORS["trees"]]
