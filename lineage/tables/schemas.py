"""What a schema must be to have an identity, and the canonical order of its columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lin.errors import InvalidInputError

if TYPE_CHECKING:
    import pyarrow as pa


def canonical_order(names: list[str]) -> list[int]:
    """Give the indices of columns by ascending UTF-8 bytes of their names.

    Raises:
        InvalidInputError: Two have the same name.
    """
    encoded = [name.encode("utf-8", "surrogateescape") for name in names]
    if len(set(encoded)) < len(encoded):
        twice = [name for name, count in Counter(names).items() if count > 1]
        raise InvalidInputError(
            f"several columns are called {', '.join(map(repr, twice[:3]))}: a table needs different names",
            hint="Rename them.",
        )
    return sorted(range(len(names)), key=encoded.__getitem__)


def check(schema: pa.Schema) -> None:
    """Refuse what has no identity: columns or fields of one name, unions, intervals.

    Raises:
        InvalidInputError: It names the column.
    """
    import pyarrow as pa  # noqa: PLC0415 - 40 ms that only tables need

    plain = {
        pa.int64(),
        pa.int32(),
        pa.float64(),
        pa.string(),
        pa.bool_(),
        pa.float32(),
        pa.date32(),
        pa.large_string(),
    }
    for field in schema:
        if field.type in plain:
            continue
        for inner in _walk(field.type):
            if pa.types.is_union(inner) or pa.types.is_interval(inner):
                raise InvalidInputError(
                    f"the column {field.name!r} holds {inner}, which has no place in a table's identity",
                    hint="Leave the column out, or write it as another type.",
                )
            if pa.types.is_struct(inner):
                names = [inner.field(i).name for i in range(inner.num_fields)]
                if len(set(names)) < len(names):
                    raise InvalidInputError(f"the column {field.name!r} holds structs with two fields of one name")


def has_nul(schema: pa.Schema) -> bool:
    """Tell whether a field's name holds a NUL byte, which a C string cannot."""
    return any("\0" in field.name or "\0" in str(field.type) for field in schema)


def storage(kind: pa.DataType) -> pa.DataType:
    """Take away extension types around a type."""
    import pyarrow as pa  # noqa: PLC0415

    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return kind


def _walk(kind: pa.DataType) -> Iterable[pa.DataType]:
    import pyarrow as pa  # noqa: PLC0415

    kind = storage(kind)
    yield kind
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        yield from _walk(kind.value_type)
    for i in range(kind.num_fields):
        yield from _walk(kind.field(i).type)
