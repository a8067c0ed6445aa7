"""Trees: one encoding for each directory, and nothing else is accepted."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lin.errors import InvalidInputError, UnsafePathError, UnsupportedFormatError
from lin.store.digest import Digest
from lin.store.tree import Mode, TreeEntry, check_link, encode_tree, parse_tree, total_size

D = Digest.of(b"")
H = D.hex.encode()
HEADER = b"lin tree 0\n"

names = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=20).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) <= 255
)
entries = st.builds(
    TreeEntry,
    name=names,
    mode=st.sampled_from(Mode),
    digest=st.binary(min_size=32, max_size=32).map(Digest),
    size=st.integers(0, 2**63 - 1),
)


@given(st.lists(entries, unique_by=lambda entry: entry.name, max_size=8), st.randoms())
def test_reads_what_it_writes_in_one_order(listed: list[TreeEntry], random: object) -> None:
    """Whatever order the entries come in, the bytes are the same, and reading them gives the sorted entries."""
    data = encode_tree(listed)
    random.shuffle(listed)  # type: ignore[attr-defined]
    assert encode_tree(listed) == data
    assert parse_tree(data) == tuple(sorted(listed, key=lambda entry: entry.name.encode()))


@given(st.lists(entries, unique_by=lambda entry: entry.name, max_size=4), st.data())
def test_another_byte_is_another_tree_or_none(listed: list[TreeEntry], data: st.DataObject) -> None:
    """A changed byte gives other entries or a refusal: no two encodings mean the same."""
    encoded = bytearray(encode_tree(listed))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    try:
        found = parse_tree(bytes(encoded))
    except InvalidInputError:
        return
    assert encode_tree(found) == bytes(encoded)
    assert set(found) != set(listed)


def test_sorts_by_utf8_bytes() -> None:
    """The order is that of UTF-8 bytes, where UTF-16's would differ."""
    listed = [TreeEntry(name, Mode.FILE, D, 0) for name in ("\U0001f600", "\uffee", "a", "B")]
    assert [entry.name for entry in parse_tree(encode_tree(listed))] == ["B", "a", "\uffee", "\U0001f600"]


def test_empty() -> None:
    """An empty directory is the header alone."""
    assert encode_tree([]) == HEADER
    assert parse_tree(HEADER) == ()


BAD = {
    "nothing": b"",
    "no header": b"f " + H + b" 0 a\0",
    "a header cut short": b"lin tree 0",
    "a version with a zero in front": b"lin tree 00\n",
    "a version that is no number": b"lin tree x\n",
    "bytes after the last entry": HEADER + b"f " + H + b" 0 a\0\n",
    "an entry cut short": HEADER + b"f " + H + b" 0 a",
    "an unknown mode": HEADER + b"g " + H + b" 0 a\0",
    "upper-case digits": HEADER + b"f " + H.upper() + b" 0 a\0",
    "a short digest": HEADER + b"f " + H[:-1] + b" 0 a\0",
    "a size with a zero in front": HEADER + b"f " + H + b" 01 a\0",
    "a negative size": HEADER + b"f " + H + b" -1 a\0",
    "a size out of range": HEADER + b"f " + H + b" 9223372036854775808 a\0",
    "no name": HEADER + b"f " + H + b" 0 \0",
    "a dot": HEADER + b"f " + H + b" 0 .\0",
    "two dots": HEADER + b"d " + H + b" 0 ..\0",
    "a slash": HEADER + b"f " + H + b" 0 a/b\0",
    "a name that is not UTF-8": HEADER + b"f " + H + b" 0 \xff\0",
    "an encoded surrogate": HEADER + b"f " + H + b" 0 \xed\xa0\x80\0",
    "a name too long": HEADER + b"f " + H + b" 0 " + b"a" * 256 + b"\0",
    "the wrong order": HEADER + b"f " + H + b" 0 b\0" + b"f " + H + b" 0 a\0",
    "a name twice": HEADER + b"f " + H + b" 0 a\0" + b"d " + H + b" 0 a\0",
    "two spaces": HEADER + b"f  " + H + b" 0 a\0",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_refuses_what_is_not_canonical(data: bytes) -> None:
    """Bytes that are not the one encoding of a directory are refused."""
    with pytest.raises(InvalidInputError) as caught:
        parse_tree(data)
    assert caught.value.kind in {"invalid_input", "unsafe_path"}


def test_refuses_a_newer_version() -> None:
    """A tree of a version to come asks for a newer lin."""
    with pytest.raises(UnsupportedFormatError, match="version 1") as caught:
        parse_tree(b"lin tree 1\nwhatever")
    assert "newer lin" in caught.value.hint


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a\0", "\ud800", "a" * 256, "ä" * 128])
def test_refuses_to_write_bad_names(name: str) -> None:
    """A name that is not one part of a path is not written."""
    with pytest.raises(UnsafePathError):
        encode_tree([TreeEntry(name, Mode.FILE, D, 0)])


def test_refuses_to_write_a_name_twice() -> None:
    """Two entries of one name are no directory."""
    with pytest.raises(InvalidInputError, match="'a'"):
        encode_tree([TreeEntry("a", Mode.FILE, D, 0), TreeEntry("a", Mode.FOLDER, D, 0)])


@pytest.mark.parametrize("size", [-1, 2**63])
def test_refuses_to_write_impossible_sizes(size: int) -> None:
    """A size is a count of bytes that 63 bits can hold."""
    with pytest.raises(InvalidInputError, match="out of range"):
        encode_tree([TreeEntry("a", Mode.FILE, D, size)])


def test_total_size_counts_files_only() -> None:
    """A folder is as large as its files; the text of links does not count."""
    listed = [TreeEntry(mode.name, mode, D, 10**index) for index, mode in enumerate(Mode)]
    assert total_size(listed) == 1 + 10 + 1000


@pytest.mark.parametrize(
    ("depth", "target"),
    [(0, "a"), (0, "a/b"), (0, "."), (0, "./a//b/"), (1, "../a"), (2, "../../a"), (2, "../.."), (0, "..a"), (0, "a..")],
)
def test_links_that_stay_inside(depth: int, target: str) -> None:
    """A link down, or up no further than the tree's top, is kept as it is."""
    assert check_link(depth, target) == target.encode()


@pytest.mark.parametrize(
    ("depth", "target"),
    [(0, ""), (0, "/"), (0, "/a"), (5, "/a"), (0, ".."), (0, "../a"), (1, "../../a"), (0, "a/../b"), (3, "a/.."),
     (0, "./../a"), (0, "a\0b"), (0, "\ud800")],
)  # fmt: skip
def test_links_that_lead_out(depth: int, target: str) -> None:
    """A link that is absolute, climbs out, or climbs after going down is refused."""
    with pytest.raises(UnsafePathError):
        check_link(depth, target)


parts = st.sampled_from(["..", ".", "a", "b", "d", "d/e", "d/e/l", "l", "m", "d/n"])


@given(
    st.dictionaries(st.sampled_from(["l", "m", "d/n", "d/e/l"]), st.lists(parts, min_size=1, max_size=4), min_size=1)
)
def test_accepted_links_never_lead_out_however_they_chain(links: dict[str, list[str]]) -> None:
    """Following accepted links through one another, as a kernel does, never leaves the tree."""
    targets = {}
    for path, words in links.items():
        try:
            targets[path] = check_link(path.count("/"), "/".join(words)).decode()
        except UnsafePathError:
            continue
    for start in targets:
        where: list[str] = []
        todo = start.split("/")
        for _ in range(100):
            if not todo:
                break
            part = todo.pop(0)
            if part in {"", "."}:
                continue
            if part == "..":
                assert where, f"{targets} lead out from {start}"
                where.pop()
            elif (link := posixpath.join(*where, part)) in targets:
                todo = targets[link].split("/") + todo
            else:
                where.append(part)
