"""Tables batch by batch: order, batches, memory, and columns of text whose mode nobody knows."""

from __future__ import annotations

import io
import random
from functools import reduce
from operator import or_
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lin.errors import InvalidInputError
from lin.lineage.tables import (
    Digester,
    Reconsider,
    TableIdentity,
    TextMode,
    TextScanner,
    digest_table,
    engine,
    kernel,
    reference,
    row_digests,
    spill,
)
from lin.lineage.tables.texts import settle

pytestmark = pytest.mark.usefixtures("each_engine")

TABLE = pa.table({"b": [3, 1, 2, 1], "a": ["x", "y", None, "y"], "c": [0.5, 2.0, None, 2.0]})


def test_order_of_rows():
    """Rows in another order are the same set and another sequence."""
    one, two = digest_table(TABLE), digest_table(TABLE.take([2, 1, 0, 3]))
    assert one.set == two.set
    assert one.seq != two.seq


def test_order_of_columns():
    """Columns in another order change nothing but the order in which they are told."""
    one, two = digest_table(TABLE), digest_table(TABLE.select(["c", "a", "b"]))
    assert (one.set, one.seq) == (two.set, two.seq)
    assert {column.name: column for column in one.columns} == {column.name: column for column in two.columns}


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_batches(rows: int):
    """How a table is cut into batches changes nothing."""
    whole = digest_table(TABLE)
    assert digest_table(pa.Table.from_batches(TABLE.to_batches(max_chunksize=rows))) == whole
    assert digest_table(pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches(max_chunksize=rows))) == whole


@pytest.mark.parametrize(
    "other",
    [
        TABLE.slice(1),
        pa.concat_tables([TABLE, TABLE.slice(3)]),
        TABLE.rename_columns(["b", "a", "d"]),
        TABLE.drop_columns("c"),
        TABLE.set_column(0, "b", pa.array([3, 1, 2, 2])),
        TABLE.set_column(1, "a", pa.array(["x", "y", None, "z"])),
        TABLE.append_column("d", pa.nulls(4)),
    ],
)
def test_edits(other: pa.Table):
    """A row less, a row twice, a name, a cell, a column of nothing: each makes another table."""
    assert digest_table(other).set != digest_table(TABLE).set
    assert digest_table(other).seq != digest_table(TABLE).seq


def test_columns():
    """A column's digest is free of its name and of the other columns, and knows the order of rows."""
    found = digest_table(pa.table({"a": [1, 2, None], "b": [1, 2, None], "c": [2, 1, None], "d": ["1", "2", ""]}))
    a, b, c, d = found.columns
    assert a.digest == b.digest == d.digest != c.digest
    assert [a.nulls, a.kinds, a.type, d.type] == [1, ("int",), "int64", "string"]


def test_rows_without_columns():
    """A table without columns has its number of rows."""
    one, two = (pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([]))) for rows in (3, 4))
    assert digest_table(one).rows == 3
    assert digest_table(one).set != digest_table(two).set


@pytest.mark.parametrize(
    "schema",
    [
        pa.schema([("a", pa.int8()), ("a", pa.int8())]),
        pa.schema([("a", pa.month_day_nano_interval())]),
        pa.schema([("a", pa.list_(pa.dense_union([pa.field("x", pa.int8())])))]),
        pa.schema([("a", pa.struct([("x", pa.int8()), ("x", pa.int8())]))]),
    ],
)
def test_no_identity(schema: pa.Schema):
    """Two columns or fields of one name, intervals and unions are refused, and the column is named."""
    with pytest.raises(InvalidInputError, match="'a'"):
        Digester(schema)


def test_other_batches():
    """A batch of other columns is refused."""
    with Digester(TABLE.schema) as digester, pytest.raises(InvalidInputError, match="columns"):
        digester.update(TABLE.select(["a"]).to_batches()[0])


def test_names_with_nul():
    """Names that hold NUL bytes, which C cuts short, are told apart."""
    one, two = (pa.table({"s": pa.array([{name: 1}], pa.struct([(name, pa.int8())]))}) for name in ("a\0b", "a\0c"))
    assert digest_table(one).set != digest_table(two).set
    assert digest_table(pa.table({"a\0b": [1]})).set != digest_table(pa.table({"a\0c": [1]})).set


def _numbers(rows: int) -> pa.Table:
    generator = np.random.default_rng(1)
    return pa.table({"n": generator.integers(0, rows // 2, rows), "t": pa.array(map(str, range(rows)))})


def test_spilling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A table that does not fit into memory has the same identity, keys and sketch, and leaves nothing behind."""
    monkeypatch.setattr(spill, "PIECE", 512)
    monkeypatch.setattr(spill, "_LEAST_READ", 50)
    monkeypatch.setattr(spill, "_MERGED", 700)
    table = _numbers(20_000 if engine.have_kernel() else 3_000)
    results = []
    for memory in (1 << 30, 1):
        folder = tmp_path / str(memory)
        with Digester(table.schema, spill=folder, memory=memory) as digester:
            for batch in table.to_batches(max_chunksize=999):
                digester.update(batch)
            assert memory > 1 or any(folder.rglob("*"))
            keys = io.BytesIO()
            results.append((digester.finish(), digester.sketch, digester.write_row_keys(keys), keys.getvalue()))
        assert not folder.exists() or not list(folder.iterdir())
    assert results[0] == results[1]


def test_spilled_files_go_when_something_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A digester that is left by an exception removes what it spilled."""
    monkeypatch.setattr(spill, "PIECE", 512)

    def fail() -> None:
        with Digester(_numbers(2).schema, spill=tmp_path, memory=1) as digester:
            for _ in range(20):
                digester.update(_numbers(5_000).to_batches()[0])
            assert list(tmp_path.iterdir())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list(tmp_path.iterdir())


def test_sketch_and_keys():
    """The keys are the first 8 bytes of the rows' digests, sorted; the sketch is the least 4,096 different ones."""
    table = _numbers(9_000 if engine.have_kernel() else 5_000).select(["n"])
    with Digester(table.schema) as digester:
        for batch in table.to_batches():
            digester.update(batch)
        digester.finish()
        target = io.BytesIO()
        digester.write_row_keys(target)
        sketch = np.frombuffer(digester.sketch, "<u8")
    rows = row_digests(table.combine_chunks().to_batches()[0])
    expected = sorted(int.from_bytes(row[:8].tobytes(), "big") for row in rows)
    assert np.frombuffer(target.getvalue()[64:], "<u8").tolist() == expected
    assert sketch.tolist() == sorted(set(expected))[:4096]


@pytest.mark.parametrize("shared", [0, 1, 8, 31, 32])
def test_digests_that_share_their_first_bytes(shared: int, monkeypatch: pytest.MonkeyPatch):
    """Digests that someone made to begin alike are sorted as well, in memory and merged, in little more time."""
    count = 200_000 if engine.have_kernel() else 2_000
    monkeypatch.setattr(spill, "PIECE", 512)
    rows = np.random.default_rng(2).integers(0, 256, (count, 32), np.uint8)
    rows[:, :shared] = 7
    for memory in (1 << 30, count * 16):
        sorter = spill.DigestSorter(None, memory)
        done = 0
        while done < count:
            space = sorter.space(count - done)
            space[:] = rows[done : done + len(space)]
            sorter.took(len(space))
            done += len(space)
        found = np.concatenate([piece.copy() for piece in sorter.finish()])
        sorter.close()
        words = rows.view(">u8").reshape(count, 4)
        assert np.array_equal(found, rows[np.lexsort((words[:, 3], words[:, 2], words[:, 1], words[:, 0]))])


def test_row_digests_project():
    """The digests of some columns are those of a table that has no others."""
    batch = TABLE.combine_chunks().to_batches()[0]
    found = row_digests(batch.select(["a", "b"]))
    assert np.array_equal(found, row_digests(batch.select(["b", "a"])))
    assert not np.array_equal(found, row_digests(batch))
    assert row_digests(batch.slice(0, 0)).shape == (0, 32)


CELLS = st.sampled_from(
    ["", "NA", "1", "-5", "0.5", "1e3", "inf", "9007199254740993", "12345678901234567890",
     "-0", "true", "false", "True",
     "TRUE",
     "x", "2020-01-01", "007"]
)  # fmt: skip


def texts_identity(
    columns: dict[str, list[str | None]], rows: int, modes: dict[str, TextMode]
) -> tuple[TableIdentity, dict[str, TextMode]]:
    """Digest columns of text in batches of so many rows."""
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    with Digester(table.schema, texts=modes) as digester:
        for batch in table.to_batches(max_chunksize=rows):
            digester.update(batch)
        return digester.finish(), digester.text_modes


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.one_of(st.none(), CELLS), min_size=8, max_size=8), min_size=1, max_size=3),
    st.integers(1, 8),
    st.randoms(),
)
def test_guesses(lists: list[list[str | None]], rows: int, shuffle: random.Random):
    """Whatever a column of text begins with, its mode is found, after one reading more at most for each column."""
    columns: dict[str, list[str | None]] = {str(i): values for i, values in enumerate(lists)}
    for values in columns.values():
        if shuffle.random() < 0.7:  # mostly alike
            values[:] = [values[0] or "1"] * 7 + [values[7]]
    expected = dict(
        zip(
            columns,
            settle(reduce(or_, (reference.kind(v.encode()) for v in c if v is not None), 0) for c in columns.values()),
            strict=True,
        )
    )
    modes = dict.fromkeys(columns, TextMode.GUESS)
    told: list[tuple[TextMode, bool]] = []
    found = None
    for _ in range(len(columns) + 1):
        try:
            found = texts_identity(columns, rows, modes)
            break
        except Reconsider as again:
            told.append((modes[again.column], again.mode is expected[again.column]))
            modes[again.column] = again.mode
    assert set(told) <= {(TextMode.GUESS, True)}
    assert found == texts_identity(columns, 8, expected)
    scanner = TextScanner(list(columns))
    for batch in pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}).to_batches(
        max_chunksize=rows
    ):
        scanner.update(batch)
    assert scanner.finish() == expected


def test_most_columns_need_no_second_reading():
    """Integers that become fractions are no reason to start again."""
    found, modes = texts_identity({"x": ["1", "2", "", "0.5", "3"]}, 1, {"x": TextMode.GUESS})
    assert modes == {"x": TextMode.FLOAT}
    assert found.set == digest_table(pa.table({"x": [1, 2, None, 0.5, 3]})).set


@pytest.mark.parametrize("mode", [TextMode.FLOAT, TextMode.BOOL])
def test_certain_modes_are_checked(mode: TextMode):
    """A cell that does not suit a mode that was called certain is not passed over."""
    with pytest.raises(Reconsider, match="cells"):
        texts_identity({"x": ["?"]}, 1, {"x": mode})
    with pytest.raises(Reconsider, match="cells"):
        row_digests(pa.RecordBatch.from_arrays([pa.array(["?"])], names=["x"]), {"x": mode})


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
def test_text_in_other_types(kind: pa.DataType):
    """Text from a text file may lie in any type of string."""
    plain = pa.table({"x": ["1.5", None, "NA"]})
    other = pa.table({"x": plain["x"].cast(kind)})
    results = []
    for table in (plain, other):
        with Digester(table.schema, texts={"x": TextMode.GUESS}) as digester:
            digester.update(table.to_batches()[0])
            results.append(digester.finish())
    assert results[0] == results[1]
    with pytest.raises(InvalidInputError, match="int64"):
        Digester(pa.schema([("x", pa.int64())]), texts={"x": TextMode.GUESS})


def test_bytes_that_are_no_text():
    """Bytes in a column of strings that are no UTF-8 count as they are."""
    bad = pa.array([b"\xff", b"\xfe"]).view(pa.string())
    first, second = row_digests(pa.RecordBatch.from_arrays([bad], names=["x"]))
    assert first.tobytes() == reference.row_digest(b"\x04\x01\0\0\0\xff") != second.tobytes()


def test_engines_agree_on_which_is_used(each_engine: str):
    """With a kernel it is used, without one plain Python."""
    made = engine.open_engine(TABLE.schema, [1, 0, 2], {})
    assert isinstance(made, kernel.KernelEngine if each_engine == "kernel" else reference.ReferenceEngine)
    made.close()
