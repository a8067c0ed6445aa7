"""The kernel against the reference, which is written from the specification alone."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lin.lineage.tables import TextMode, engine, kernel, reference
from lin.lineage.tables.schemas import canonical_order

I64 = st.integers(-(2**63), 2**63 - 1)
CANONICAL_TEXTS = st.sampled_from(
    [
        "", "0", "-0", "5", "-5", "05", "+5", "5.0", "1e5", "9223372036854775807", "-9223372036854775808",
        "9223372036854775808", "99999999999999999999", "12345678", "123456789", "1234567a", "-", "--5", "1-2",
        "2020-01-01", "2020-02-29", "2019-02-29", "2020-13-01", "0000-01-01", "0001-01-01", "9999-12-31", "2020-1-01",
        "2020-01-01 00:00:00", "2020-01-01T23:59:59.123456789Z", "2020-01-01 00:00:00+02:00",
        "2020-01-01 00:00:00-0230",
        "2020-01-01 00:00:00+02", "2020-01-01 00:00:00+24", "2020-01-01 00:00:60", "2020-01-01 24:00:00",
        "2020-01-01 00:00:00.", "2020-01-01 00:00:00.1234567890", "2020-01-01 00:00:00 +02:00",
        "2020-01-01 00:00:00+2:00",
        "0001-01-01 00:00:00.000001", "0001-01-01 00:00:00.0000001", "0001-01-01 00:00:00+23:59",
        "9999-12-31 23:59:59-23:59",
        "1677-09-21 00:12:43.145224192", "1677-09-21 00:12:43.145224191", "2262-04-11 23:47:16.854775807",
        "2262-04-11 23:47:16.854775808", "12:34:56", "12:34:56.7", "24:00:00", "12:34:56.1234567890", "12:34",
        "1:02:03",
        "NA", "N/A", "NULL", "null", "NaN", "nan", "None", "#N/A", "na", "true", "False", "TRUE", "é", "e\u0301",
        "a\0b", "x" * 40,
    ]
)  # fmt: skip
NUMERALS = st.sampled_from(
    ["0.5", "-0.5", ".5", "5.", ".", "-", "1e5", "1E-5", "1e+5", "1e", "0.1e1", "00.5", "0", "-0", "-0.0", "1e400",
    "1e-400", "inf",
     "-Infinity", "Inf", "INF", "iNf", "1.7976931348623157e308", "1.7976931348623159e308", "4.9e-324", "2.4e-324",
     "0.1000000000000000055511151231257827",
     "1.000000000000000056e-01", "9007199254740993", "9007199254740993.0", "12345678901234567890",
     "100000000000000000000.0",
     "0." + "0" * 30 + "1", "1" + "0" * 30, "0x10", "1_0", " 1", "NaN", "", "1.5.2", "1e5e5", "1e99999999999999999999"]
)  # fmt: skip


def texts() -> st.SearchStrategy[str]:
    parts = st.text(st.sampled_from("0123456789-:.T Z+eE"), max_size=30)
    shaped = st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]([ T][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,10})?"
        r"(Z|[+-][0-2][0-9](:?[0-9]{2})?)?)?",
        fullmatch=True,
    )
    return st.one_of(
        CANONICAL_TEXTS, parts, shaped, st.integers().map(str), st.text(max_size=20), st.text(min_size=15, max_size=120)
    )


def numerals() -> st.SearchStrategy[str]:
    digits = st.integers(0, 10**19).map(str)
    return st.one_of(
        NUMERALS,
        st.floats(allow_nan=False).map(repr),
        st.floats(allow_nan=False, width=32).map(lambda x: f"{x:.9g}"),
        st.floats(allow_nan=False, allow_infinity=False).map(lambda x: f"{x:.17g}"),
        st.tuples(digits, digits, st.integers(-330, 330)).map(lambda t: f"{t[0]}.{t[1]}e{t[2]}"),
        st.integers().map(str),
    )


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    most = 10**precision - 1
    few = st.integers(-999, 999).map(lambda x: max(-most, min(most, x)))
    zeros = (
        st.tuples(few, st.integers(0, precision - 1)).map(lambda t: t[0] * 10 ** t[1]).filter(lambda x: abs(x) <= most)
    )
    return st.one_of(st.integers(-most, most), few, zeros).map(lambda x: Decimal(f"{x}e{-scale}"))


def numbers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(low, high), st.sampled_from([low, high, max(low, -1), 0, min(high, 1)]))


FLOATS = st.one_of(
    st.floats(width=64),
    st.sampled_from(
        [0.0, -0.0, 1.5, 2.0**53, 2.0**53 + 2, -(2.0**53), -(2.0**53) - 2, 1e300, 5e-324, float("nan"), float("inf")]
    ),
    st.integers(-1000, 1000).map(lambda x: x / 8),
)


def views(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Days, moments and spans, as the integers that they are stored as."""
    bits = kind.bit_width
    near = st.integers(-400000, 400000)
    edges = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
    if bits == 64:
        edges += [x // s + d for x in (2**63 - 1, -(2**63)) for s in (10**3, 10**6, 10**9) for d in (-1, 0, 1)]
    return st.one_of(near, st.integers(min(edges), max(edges)), st.sampled_from(edges))


def flat() -> dict[pa.DataType, st.SearchStrategy[Any]]:
    kinds: dict[pa.DataType, st.SearchStrategy[Any]] = {
        pa.null(): st.none(),
        pa.bool_(): st.booleans(),
        pa.float16(): st.floats(width=16).map(np.float16),
        pa.float32(): st.floats(width=32),
        pa.float64(): FLOATS,
        pa.string(): texts(),
        pa.large_string(): texts(),
        pa.string_view(): texts(),
        pa.binary(): st.binary(max_size=30),
        pa.large_binary(): st.binary(max_size=30),
        pa.binary_view(): st.binary(max_size=30),
        pa.binary(3): st.binary(min_size=3, max_size=3),
    }
    for bits in (8, 16, 32, 64):
        kinds[getattr(pa, f"int{bits}")()] = numbers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        kinds[getattr(pa, f"uint{bits}")()] = numbers(0, 2**bits - 1)
    for precision, scale, make in (
        (5, 2, pa.decimal32), (18, 4, pa.decimal64), (38, 20, pa.decimal128), (20, 0, pa.decimal128),
        (10, -3, pa.decimal128),
        (76, 40, pa.decimal256), (38, 38, pa.decimal128), (76, 0, pa.decimal256),
    ):  # fmt: skip
        kinds[make(precision, scale)] = decimals(precision, scale)
    for unit in ("s", "ms", "us", "ns"):
        kinds[pa.timestamp(unit)] = views(pa.timestamp(unit))
        kinds[pa.timestamp(unit, "Europe/Zurich")] = views(pa.timestamp(unit))
        kinds[pa.duration(unit)] = views(pa.duration(unit))
    for kind in (pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")):
        kinds[kind] = views(kind)
    return kinds


FLAT = flat()


def build(values: Sequence[Any], kind: pa.DataType) -> pa.Array:  # noqa: PLR0911 - a case each
    """Make an array; of moments and their like from the integers that they are stored as."""
    if pa.types.is_temporal(kind):
        raw = pa.int32() if kind.bit_width == 32 else pa.int64()
        return pa.array(values, raw).view(kind)
    if (
        pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
        or pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
    ):
        lengths = [0 if value is None else len(value) for value in values]
        flat_values = build([item for value in values if value is not None for item in value], kind.value_type)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        mask = pa.array([value is None for value in values], pa.bool_())
        wide = pa.int64() if pa.types.is_large_list(kind) or pa.types.is_large_list_view(kind) else pa.int32()
        if pa.types.is_list(kind):
            return pa.ListArray.from_arrays(pa.array(offsets, wide), flat_values, mask=mask)
        if pa.types.is_large_list(kind):
            return pa.LargeListArray.from_arrays(pa.array(offsets, wide), flat_values, mask=mask)
        make = pa.ListViewArray if pa.types.is_list_view(kind) else pa.LargeListViewArray
        return make.from_arrays(pa.array(offsets[:-1], wide), pa.array(lengths, wide), flat_values, mask=mask)
    if pa.types.is_fixed_size_list(kind):
        width = kind.list_size
        items = build([item for value in values for item in (value or [None] * width)], kind.value_type)
        return pa.FixedSizeListArray.from_arrays(
            items, width, mask=pa.array([value is None for value in values], pa.bool_())
        )
    if pa.types.is_struct(kind):
        fields = [build([None if v is None else v[f.name] for v in values], f.type) for f in kind]
        return pa.StructArray.from_arrays(
            fields, fields=list(kind), mask=pa.array([v is None for v in values], pa.bool_())
        )
    if pa.types.is_map(kind):
        there = [[] if value is None else value for value in values]
        keys, items = ([pair[i] for value in there for pair in value] for i in (0, 1))
        starts = [
            None if v is None else int(x)
            for v, x in zip([*values, []], np.concatenate([[0], np.cumsum([len(v) for v in there])]), strict=True)
        ]
        return pa.MapArray.from_arrays(
            pa.array(starts, pa.int32()), build(keys, kind.key_type), build(items, kind.item_type)
        )
    return pa.array(values, kind)


def nested(
    inner: pa.DataType, values: st.SearchStrategy[Any]
) -> st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]]:
    item = st.one_of(st.none(), values)
    lists = st.lists(item, max_size=4)
    second = st.one_of(st.none(), texts())
    return st.sampled_from(
        [
            (pa.list_(inner), lists),
            (pa.large_list(inner), lists),
            (pa.list_view(inner), lists),
            (pa.large_list_view(inner), lists),
            (pa.list_(inner, 2), st.lists(item, min_size=2, max_size=2)),
            (
                pa.struct([("b", inner), ("a", pa.string()), ("é", pa.int8())]),
                st.fixed_dictionaries({"b": item, "a": second, "é": st.none()}),
            ),
            (pa.struct([]), st.just({})),
            (pa.map_(pa.string(), inner), st.lists(st.tuples(texts(), item), max_size=4)),
        ]
    )


@st.composite
def typed(draw: st.DrawFn) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    kind = draw(st.sampled_from(list(FLAT)))
    values = FLAT[kind]
    for _ in range(draw(st.integers(0, 2)) if draw(st.booleans()) else 0):
        kind, values = draw(nested(kind, values))
    return kind, values


@st.composite
def arrays(draw: st.DrawFn, rows: int) -> pa.Array:
    """Any array of so many rows: of any type, perhaps a slice, a dictionary or run-end encoded."""
    kind, values = draw(typed())
    before, after = draw(st.integers(0, 9)), draw(st.integers(0, 2))
    nullable = st.one_of(st.none(), values) if draw(st.booleans()) else values
    total = rows + before + after
    array = build(draw(st.lists(nullable, min_size=total, max_size=total)), kind)
    form = draw(st.sampled_from(["plain", "plain", "dictionary", "runs"]))
    if form == "dictionary" and not pa.types.is_null(kind):
        indices = draw(
            st.lists(st.one_of(st.none(), st.integers(0, max(0, total - 1))), min_size=total, max_size=total)
        )
        index = draw(st.sampled_from([pa.int8(), pa.uint8(), pa.int32(), pa.int64()]))
        array = pa.DictionaryArray.from_arrays(pa.array(indices if total else [], index), array)
    elif form == "runs" and total:
        step = draw(st.integers(1, 4))
        ends = [min(step * (i + 1), total) for i in range((total + step - 1) // step)]
        width = draw(st.sampled_from([pa.int16(), pa.int32(), pa.int64()]))
        with contextlib.suppress(
            pa.ArrowInvalid
        ):  # it checks its values: no fractions of a day, no times past midnight
            array = pa.RunEndEncodedArray.from_arrays(pa.array(ends, width), array.slice(0, len(ends)))
    return array.slice(before, rows)


@st.composite
def batches(draw: st.DrawFn) -> pa.RecordBatch:
    rows = draw(st.integers(0, 40))
    columns = draw(st.lists(arrays(rows), min_size=1, max_size=4))
    names = draw(
        st.lists(
            st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=3),
            min_size=len(columns),
            max_size=len(columns),
            unique=True,
        )
    )
    batch = pa.RecordBatch.from_arrays(columns, names=names)
    start = draw(st.integers(0, 3))
    return batch.slice(start) if start < rows else batch


def run(make: Any, batch: pa.RecordBatch, modes: dict[int, TextMode] | None = None) -> tuple[Any, ...]:
    """Take everything that an engine says of a batch."""
    order = canonical_order(batch.schema.names)
    made: engine.Engine = make(batch.schema, order, modes or {})
    made.begin(batch)
    out = np.zeros((batch.num_rows, 32), np.uint8)
    streams: dict[tuple[int, int], bytes] = {}
    done = 0
    stopped = -1
    while done < len(out) and stopped < 0:
        some, stopped = made.encode(done, out[done:])
        done += some
        for column, which, piece in made.drain():
            streams[column, which] = streams.get((column, which), b"") + bytes(piece)
    counts = [list(made.counts(i)) for i in order]
    made.close()
    return out[:done].tobytes(), streams, counts, stopped


@settings(max_examples=300, deadline=None)
@given(batches())
def test_kernel_is_the_reference(batch: pa.RecordBatch):
    """Row digests, column streams and counts of any batch are the reference's."""
    assert run(kernel.KernelEngine, batch) == run(reference.ReferenceEngine, batch)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.none(), numerals(), texts()), max_size=30),
    st.sampled_from([TextMode.CELLS]),
    st.sampled_from([pa.string(), pa.large_string()]),
)
def test_cells_of_text_files(values: list[str | None], mode: TextMode, kind: pa.DataType):
    """Cells of a text file are typed as the reference types them."""
    batch = pa.RecordBatch.from_arrays([pa.array(values, kind)], names=["x"])
    assert run(kernel.KernelEngine, batch, {0: mode}) == run(reference.ReferenceEngine, batch, {0: mode})


@settings(max_examples=500, deadline=None)
@given(st.lists(numerals(), min_size=1, max_size=5))
def test_floats_of_text_files(values: list[str]):
    """A numeral is read as the float64 that Python reads, and what is none stops both."""
    for value in values:
        batch = pa.RecordBatch.from_arrays([pa.array([value])], names=["x"])
        modes = {0: TextMode.FLOAT}
        assert run(kernel.KernelEngine, batch, modes) == run(reference.ReferenceEngine, batch, modes), value


@settings(max_examples=500, deadline=None)
@given(st.one_of(texts(), numerals()))
def test_kinds_of_text(value: str):
    """The kernel sees in a cell of text what the reference sees."""
    batch = pa.RecordBatch.from_arrays([pa.array(["", value])], names=["x"])
    found = []
    for make in (kernel.KernelEngine, reference.ReferenceEngine):
        made = make(batch.schema, [0], {0: TextMode.GUESS})
        made.begin(batch)
        found.append(made.classify(1, [0])[0])
        made.close()
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "length", [0, 1, 10, 50, 51, 52, 54, 59, 60, 120, 1018, 1019, 1020, 2043, 2044, 3000, 5000, 65536, 70000, 200000]
)
def test_long_rows(length: int):
    """Rows of every number of blocks and chunks are digested right, beside short ones."""
    batch = pa.RecordBatch.from_arrays(
        [pa.array(["y" * length, "z", "y" * (length + 1), "w" * (length // 2)])], names=["x"]
    )
    assert run(kernel.KernelEngine, batch) == run(reference.ReferenceEngine, batch)


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 255, 511, 512, 513, 1025, 3000])
def test_numbers_of_rows(rows: int):
    """However many rows a batch has, each is digested right."""
    values = list(range(rows))
    batch = pa.RecordBatch.from_arrays(
        [pa.array(values), pa.array([str(x) * (x % 7) or None for x in values])], names=["b", "a"]
    )
    assert run(kernel.KernelEngine, batch) == run(reference.ReferenceEngine, batch)


def test_wide_rows():
    """A table of 3,000 columns is digested as the reference does."""
    batch = pa.RecordBatch.from_arrays(
        [pa.array([i, i + 1, None]) for i in range(3000)], names=[f"c{i}" for i in range(3000)]
    )
    assert run(kernel.KernelEngine, batch) == run(reference.ReferenceEngine, batch)


def test_extension_types_are_their_storage():
    """An extension type counts as what it stores."""
    storage = pa.array([b"0123456789abcdef", None], pa.binary(16))
    uuid = pa.ExtensionArray.from_storage(pa.uuid(), storage)
    one, two = (run(kernel.KernelEngine, pa.RecordBatch.from_arrays([array], names=["x"])) for array in (storage, uuid))
    assert one == two == run(reference.ReferenceEngine, pa.RecordBatch.from_arrays([uuid], names=["x"]))


def test_dates_and_python_values():
    """Arrays made of Python's own values are no special case."""
    zone = dt.timezone(dt.timedelta(hours=2))
    array = pa.array([{"t": dt.datetime(2020, 1, 1, tzinfo=zone), "d": dt.date(1, 1, 1)}, None])
    batch = pa.RecordBatch.from_arrays([array, pc.cast(pa.array([1, 2]), pa.float32())], names=["s", "f"])
    assert run(kernel.KernelEngine, batch) == run(reference.ReferenceEngine, batch)
