"""What is told of a table's columns is right, and the same in whatever file and order the rows are."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lin.lineage import canonical
from lin.tabular import summary
from lin.tabular.identify import identified, rows_of
from lin.tabular.reading import open_table
from lin.tabular.summary import KEPT, SHARES, Watcher
from lin.tabular.table import Table

VECTORS = json.loads((Path(__file__).parents[2] / "docs" / "formats" / "table-vectors.json").read_text())


def table_of(data: pa.Table, rows: int = 1000) -> Table:
    return Table("arrow", data.schema, lambda: iter(data.to_batches(max_chunksize=rows)))


def columns(data: pa.Table, rows: int = 1000) -> dict[str, dict[str, Any]]:
    with identified(table_of(data, rows)) as found:
        return {column["name"]: column for column in json.loads(found.summary)["columns"]}


@pytest.mark.parametrize("vector", VECTORS["tables"], ids=lambda vector: vector["name"])
def test_the_blobs_are_as_specified(vector, memory):
    """Schema, summary, sketch and row keys of the vectors come out byte for byte."""
    with identified(open_table(memory(vector["csv"].encode()))) as found:
        assert found.schema == canonical.dumps(vector["schema"])
        assert found.summary == canonical.dumps(vector["summary"])
        assert found.sketch.hex() == vector["sketch"]
        assert found.keys.read().hex() == vector["keys"]


def test_numbers_are_summed_up_exactly_while_there_are_few():
    """Nulls, different values, bounds and quantiles are those that pandas finds."""
    rng = np.random.default_rng(5)
    values = rng.integers(-400, 400, 2000)
    frame = pd.DataFrame({"i": values, "f": values / 8, "n": pd.array(values, "Int64")})
    frame.loc[::7, "n"] = pd.NA
    found = columns(pa.Table.from_pandas(frame))
    for name, column in found.items():
        series = frame[name].dropna()
        assert column["nulls"] == frame[name].isna().sum()
        assert (column["distinct"], column["exact"]) == (series.nunique(), True)
        assert (column["min"], column["max"]) == (series.min(), series.max())
        ordered = sorted(series)
        assert column["quantiles"] == [ordered[int(share * len(ordered))] for share in SHARES]


@pytest.mark.parametrize("count", [1_000, 1_024, 1_025, 1_100, 20_000, 300_000])
def test_different_values_are_counted_within_their_error(count):
    """Exactly up to the number kept, and within 12 % (four standard errors) beyond, whatever they are."""
    data = pa.table({"i": np.arange(count), "f": np.arange(count) + 0.5, "s": [f"text {n}" for n in range(count)]})
    for column in columns(pa.concat_tables([data, data]), 50_000).values():
        assert column["exact"] is (count <= KEPT)
        assert abs(column["distinct"] - count) <= (0 if count <= KEPT else 0.12 * count)


def test_quantiles_of_many_rows_are_near():
    """An even sample tells each quantile within three hundredths of its rank, also of periodic and sorted rows."""
    rows = 200_000
    data = pa.table(
        {
            "sorted": np.arange(rows),
            "period": np.arange(rows) % 1024,
            "mixed": np.random.default_rng(3).permutation(rows),
        }
    )
    for name, column in columns(data, 65_536).items():
        ordered = np.sort(data.column(name).to_numpy())
        for share, value in zip(SHARES, column["quantiles"], strict=True):
            low, high = np.searchsorted(ordered, value, "left") / rows, np.searchsorted(ordered, value, "right") / rows
            assert low - 0.03 <= share <= high + 0.03, (name, share, value)


def test_times_text_and_bytes_have_bounds():
    """In the form that people write, whatever the unit; long text is cut; a mixture has none."""
    data = pa.table(
        {
            "t": pa.array(
                [dt.datetime.fromisoformat("2020-01-02"), dt.datetime.fromisoformat("1969-07-20 20:17:40.5"), None]
            ),
            "s": pa.array([1, None, 10**11], pa.timestamp("s", "UTC")),
            "d": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
            "c": pa.array([dt.time(1, 2, 3), dt.time(0, 0, 0, 5), None]),
            "e": pa.array([dt.timedelta(hours=-30), dt.timedelta(seconds=1), None]),
            "x": ["b", "é" * 200, None],
            "b": [b"\xff", b"", None],
            "m": ["1", "text", None],
            "l": [[1], [1, 2], None],
            "z": pa.nulls(3),
            "q": [Decimal("0.10"), Decimal("12345678901234567890.5"), None],
        }
    )
    found = columns(data)
    assert (found["t"]["min"], found["t"]["max"]) == ("1969-07-20 20:17:40.5", "2020-01-02")
    assert (found["s"]["min"], found["s"]["max"]) == ("1970-01-01 00:00:01Z", "5138-11-16 09:46:40Z")
    assert (found["d"]["min"], found["d"]["max"]) == ("0001-01-01", "9999-12-31")
    assert (found["c"]["min"], found["c"]["max"]) == ("00:00:00.000005", "01:02:03")
    assert (found["e"]["min"], found["e"]["max"]) == ("-30:00:00", "00:00:01")
    assert (found["x"]["min"], found["x"]["max"]) == ("b", "é" * 50 + "…")
    assert (found["b"]["min"], found["b"]["max"]) == ("", "ff")
    assert "min" not in found["m"]
    assert "min" not in found["l"]
    assert (found["l"]["distinct"], found["z"]["distinct"]) == (2, 0)
    assert found["q"]["distinct"] == 2


def test_extremes_of_numbers_are_written_as_text_where_json_has_none():
    """Infinities, and whole numbers beyond what JSON holds exactly."""
    found = columns(pa.table({"f": [float("inf"), 1.0, -1e300], "i": [2**63 - 1, 0, -(2**60)]}))
    assert (found["f"]["min"], found["f"]["max"]) == ("-1e+300", "inf")
    assert (found["i"]["min"], found["i"]["max"]) == (str(-(2**60)), str(2**63 - 1))


cells = st.one_of(
    st.none(),
    st.integers(-5, 5),
    st.sampled_from([0.5, -0.0, 1e300, float("nan")]),
    st.sampled_from(["a", "b", "5", "2020-01-01"]),
)


@settings(max_examples=60)
@given(st.lists(cells, max_size=30), st.randoms(use_true_random=False), st.integers(1, 9))
def test_the_order_and_the_batches_do_not_matter(values, random, size):
    """Small tables are summed up alike in whatever order and batches their rows come."""
    shuffled = random.sample(values, len(values))

    def found(rows, batch):
        text = pa.array([None if value is None else str(value) for value in rows], pa.string())
        column = columns(pa.table({"a": text}), batch)["a"]
        return {name: value for name, value in column.items() if name != "digest"}

    assert found(values, 1000) == found(shuffled, size)


def test_without_the_kernel_there_is_less(monkeypatch):
    """Names, types, digests and nulls are told; what takes the kernel is left out."""
    monkeypatch.setattr(summary, "have_kernel", lambda: False)
    found = columns(pa.table({"a": [1, None]}))["a"]
    assert set(found) == {"name", "type", "digest", "nulls", "kinds"}
    assert Watcher(3).seen(1) is None


def test_rows_can_be_had_with_their_digests(memory):
    """Equal rows have equal digests, in whatever file, also where a column's sort shows late."""
    text = "a,b\n" + "1,x\n" * 70_000 + "0.5,y\n"
    (first, *_), *_ = digests = [(batch, found) for batch, found in rows_of(open_table(memory(text.encode())))]
    assert sum(len(found) for _, found in digests) == 70_001
    other = table_of(pa.table({"b": ["x"], "a": [1.0]}))
    ((_, expected),) = rows_of(other)
    assert first.num_rows
    assert bytes(digests[0][1][0]) == bytes(expected[0])
