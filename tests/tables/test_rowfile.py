"""Row digests, sorted on disk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lin.errors import DamagedIndexError
from lin.tables import rowfile


@st.composite
def digests(draw):
    """Draw digests of which some are repeated, and some begin alike and end differently."""
    count = draw(st.integers(0, 60))
    kinds = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=count, max_size=count))
    return np.array([[head] * 8 + [tail] * 24 for head, tail in kinds], np.uint8).reshape(-1, 32)


@given(digests(), st.integers(1, 70), st.integers(1, 9))
@settings(max_examples=150)
def test_sorted_whatever_the_memory(tmp_path_factory, some, run, batch):
    """Any number of runs gives the order of the digests, with equal ones in the order of the rows."""
    path = tmp_path_factory.mktemp("rows") / "r"
    file = rowfile.write(path, [some[at : at + batch] for at in range(0, len(some), batch)], run=run)
    wanted = sorted((bytes(digest), number) for number, digest in enumerate(some))
    found = [
        (int(h).to_bytes(8, "big") + t.tobytes(), int(n))
        for h, t, n in zip(file.heads, file.tails, file.numbers, strict=True)
    ]
    assert found == wanted
    assert [each.name for each in path.parent.iterdir()] == ["r"]
    firsts = [place for place in range(len(wanted)) if place == 0 or wanted[place][0] != wanted[place - 1][0]]
    assert file.firsts().tolist() == firsts
    assert file.ends(file.firsts()).tolist() == [*firsts[1:], len(wanted)][: len(firsts)]
    asked = np.vstack([some, np.full((1, 32), 9, np.uint8)])
    heads = np.ascontiguousarray(asked[:, :8]).view(">u8").reshape(-1).astype("<u8")
    places = file.places(heads, asked[:, 8:])
    assert places[-1] == -1
    assert [wanted[place][0] for place in places[:-1]] == [bytes(each) for each in some]
    assert set(places[:-1].tolist()) <= set(firsts)


def test_what_is_no_such_file(tmp_path):
    """A cut or foreign file is refused, not read."""
    path = tmp_path / "r"
    rowfile.write(path, [np.zeros((5, 32), np.uint8)])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedIndexError):
        rowfile.RowFile(path)


def test_many_copies_of_one_row(tmp_path):
    """A row that fills many runs is merged without being held in memory, and in order."""
    some = np.zeros((5_000, 32), np.uint8)
    some[::100] = 7
    file = rowfile.write(tmp_path / "r", [some], run=300)
    assert file.numbers[:4950].tolist() == [n for n in range(5_000) if n % 100]
    assert file.ends(file.firsts()).tolist() == [4950, 5000]
