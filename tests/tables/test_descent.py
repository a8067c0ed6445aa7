"""Where rows came from, and where they went."""

from __future__ import annotations

import pytest

from lin.errors import InvalidInputError, NotATableError
from lin.lineage.words import ArtifactKind


def test_blame(repository, tables, make_rows):
    """Each row is of the oldest dataset upstream, or earlier version, that holds it; the rest is the dataset's own."""
    raw = tables.put("raw.csv", make_rows(0, 100))
    extra = tables.put("extra.parquet", make_rows(100, 130)[::-1])
    tables.put("clean.csv", make_rows(500, 510))
    tables.write("clean.csv", [*make_rows(50, 120), *make_rows(500, 510), *make_rows(900, 903)])
    tables.made("clean.csv", raw, extra, kind=ArtifactKind.DATASET)
    found = repository.blame("clean.csv", rows=[1, 51, 52, 71, 81])
    assert [(o.artifact.label if o.artifact else None, o.rows, o.declared) for o in found.origins] == [
        ("raw.csv@v1", 50, True),
        ("extra.parquet@v1", 20, True),
        ("clean.csv@v1", 10, False),
        (None, 3, False),
    ]
    assert [(r.row, r.artifact.label if r.artifact else None, r.source_row) for r in found.rows] == [
        (1, "raw.csv@v1", 51),
        (51, "extra.parquet@v1", 30),
        (52, "extra.parquet@v1", 29),
        (71, "clean.csv@v1", 1),
        (81, None, None),
    ]
    with pytest.raises(InvalidInputError, match="there is no row 84"):
        repository.blame("clean.csv", rows=[84])


def test_blame_of_other_columns(repository, tables, make_rows):
    """Where a column was added, rows are found by the others if that is asked for; else it is said."""
    raw = tables.put("raw.csv", make_rows(0, 9))
    tables.write("more.csv", [(*row, 1) for row in make_rows(0, 9)], ("id", "name", "value", "flag"))
    tables.made("more.csv", raw, kind=ArtifactKind.DATASET)
    found = repository.blame("more.csv")
    assert [(each.label, reason) for each, reason in found.uncompared] == [("raw.csv@v1", "the columns differ")]
    (origin,) = repository.blame("more.csv", common_columns=True).origins
    assert (origin.artifact, origin.rows) == (raw, 9)


def test_blame_of_what_is_no_table(repository, home):
    """Bytes have no rows to ask about."""
    (home / "a.bin").write_bytes(b"\0\1\2")
    repository.put("a.bin")
    with pytest.raises(NotATableError):
        repository.blame("a.bin")


def test_contaminated(repository, tables, make_rows):
    """Every dataset with one of the rows is found, copied by a known run or not, and what was learned and measured."""
    raw = tables.put("raw.csv", make_rows(0, 100))
    tables.write("derived.parquet", make_rows(0, 60)[::-1])
    tables.made("derived.parquet", raw, kind=ArtifactKind.DATASET)
    quiet = tables.put("quiet.csv", [*make_rows(40, 60), *make_rows(700, 800)])
    clean = tables.put("clean.csv", make_rows(200, 300))
    model = tables.made("model", quiet)
    tables.made("innocent", clean)
    tables.write("part.csv", make_rows(70, 90))
    tables.made("spared", tables.made("part.csv", raw, kind=ArtifactKind.DATASET))  # a part without these rows
    tables.tested(model, clean, accuracy=0.5)
    tables.write("withdrawn.csv", make_rows(55, 65))
    found = repository.contaminated("withdrawn.csv")
    assert {h.artifact.label: (h.rows, h.declared) for h in found.holders} == {
        "raw.csv@v1": (10, False),
        "derived.parquet@v1": (5, False),
        "quiet.csv@v1": (5, False),
    }
    assert [each.label for each in found.models] == ["model@v1"]
    assert [(e.model.label, e.dataset.label) for e in found.evaluations] == [("model@v1", "clean.csv@v1")]
    declared = {h.artifact.label: h.declared for h in repository.contaminated("raw.csv").holders}
    made = dict.fromkeys(("raw.csv@v1", "derived.parquet@v1", "part.csv@v1"), True)
    assert declared == {**made, "quiet.csv@v1": False}
    tables.write("none.csv", make_rows(5_000, 5_010))
    assert not repository.contaminated("none.csv").found
