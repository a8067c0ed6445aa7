"""The vectors beside the specification hold for both implementations."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lin.lineage.tables import Digester, TextMode, reference, row_digests
from lin.lineage.tables.texts import settle

VECTORS = json.loads((Path(__file__).parents[3] / "docs/formats/table-identity-vectors.json").read_text())

pytestmark = pytest.mark.usefixtures("each_engine")


def _types() -> dict[str, pa.DataType]:
    names = ["null", "bool_", "float16", "float32", "float64", "string", "large_string", "string_view", "binary"]
    names += ["large_binary", "binary_view", "date32", "date64"]
    names += [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
    found = [getattr(pa, name)() for name in names]
    for unit in ("s", "ms", "us", "ns"):
        found += [pa.timestamp(unit), pa.timestamp(unit, "UTC"), pa.timestamp(unit, "Europe/Zurich"), pa.duration(unit)]
    found += [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"), pa.binary(2)]
    found += [
        pa.decimal128(10, 2),
        pa.decimal128(38, 0),
        pa.decimal128(38, 20),
        pa.decimal128(20, 17),
        pa.decimal128(5, -2),
    ]
    found += [pa.decimal256(76, 0), pa.decimal256(76, 40)]
    found += [pa.list_(pa.float32()), pa.list_(pa.int64()), pa.large_list(pa.string()), pa.list_view(pa.int8())]
    found += [pa.large_list_view(pa.int8()), pa.list_(pa.int8(), 2), pa.list_(pa.list_(pa.int8())), pa.struct([])]
    found += [pa.struct([("b", pa.int8()), ("a", pa.string())]), pa.struct([("é", pa.int8()), ("z", pa.int8())])]
    found += [pa.map_(pa.string(), pa.int8())]
    return {str(kind): kind for kind in found}


TYPES = _types()


def value(kind: pa.DataType, written: Any) -> Any:  # noqa: PLR0911 - a case each
    """Read a value of the vectors."""
    is_ = pa.types
    if written is None:
        return None
    if is_.is_floating(kind):
        return np.float16(written) if is_.is_float16(kind) else float(written)
    if is_.is_decimal(kind):
        return Decimal(written)
    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind) or kind == pa.binary_view():
        return bytes.fromhex(written)
    if is_.is_map(kind):
        return [(value(kind.key_type, key), value(kind.item_type, item)) for key, item in written]
    if is_.is_struct(kind):
        return {field.name: value(field.type, written[field.name]) for field in kind}
    return [value(kind.value_type, item) for item in written] if is_.is_nested(kind) else written


def array(kind: pa.DataType, written: Any) -> pa.Array:
    """Make an array of one cell."""
    if pa.types.is_temporal(kind):
        return pa.array([written], pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)
    return pa.array([value(kind, written)], kind)


def encodes(column: pa.Array, cells: list[str], mode: TextMode | None = None) -> bool:
    """Tell whether a column's cells are these: by the digests of rows that hold nothing else."""
    batch = pa.RecordBatch.from_arrays([column], names=["x"])
    found = row_digests(batch, None if mode is None else {"x": mode})
    return [row.tobytes() for row in found] == [reference.row_digest(bytes.fromhex(cell)) for cell in cells]


@pytest.mark.parametrize(
    "vector", VECTORS["cells"], ids=lambda vector: f"{vector['type']}: {str(vector['value'])[:30]}"
)
def test_cells(vector: dict[str, Any]):
    """A value of each type becomes the cell that the vectors say."""
    column = array(TYPES[vector["type"]], vector["value"])
    assert encodes(column, [vector["cell"]])
    assert reference.cells(column) == [bytes.fromhex(vector["cell"])]


def test_texts():
    """Text is typed as the vectors say."""
    assert encodes(
        pa.array([vector["text"] for vector in VECTORS["texts"]]), [vector["cell"] for vector in VECTORS["texts"]]
    )


@pytest.mark.parametrize("vector", VECTORS["text columns"], ids=lambda vector: ",".join(vector["column"])[:40])
def test_text_columns(vector: dict[str, Any]):
    """A column of a text file is read in the mode, and as the cells, that the vectors say."""
    column = pa.array(vector["column"], pa.string())
    kinds = reduce(or_, (reference.kind(text.encode()) for text in vector["column"]), 0)
    assert settle([kinds]) == [TextMode(vector["mode"])]
    assert encodes(column, vector["cells"], TextMode(vector["mode"]))
    batch = pa.RecordBatch.from_arrays([column], names=["x"])
    with Digester(batch.schema, texts={"x": TextMode.GUESS}) as digester:
        digester.update(batch)
        digester.finish()
        assert digester.text_modes == {"x": TextMode(vector["mode"])}


@pytest.mark.parametrize("vector", VECTORS["tables"], ids=lambda vector: vector["about"])
def test_tables(vector: dict[str, Any]):
    """A table has the digests and the row keys that the vectors say."""
    table = pa.table({c["name"]: pa.array(c["values"], TYPES[c["type"]]) for c in vector["columns"]})
    keys = io.BytesIO()
    with Digester(table.schema) as digester:
        for batch in table.to_batches():
            digester.update(batch)
        found = digester.finish()
        digester.write_row_keys(keys)
    assert (found.set.hex(), found.seq.hex()) == (vector["set"], vector["seq"])
    assert [column.digest.hex() for column in found.columns] == vector["column digests"]
    assert keys.getvalue().hex() == vector["row keys"]
