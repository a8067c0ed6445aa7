"""What people can say about how a table is to be read; what they don't say is found out from the bytes."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from lin.errors import InvalidInputError
from lin.lineage.events import Scalar

FORMATS = ("csv", "jsonl", "parquet", "arrow", "orc", "excel", "sqlite", "duckdb", "npy", "npz")
"""The names of the formats of files; a folder is read as its files are."""

TYPES = ("text", "bool", "int64", "double", "decimal", "date", "timestamp", "binary")
"""The types that a column of text can be given."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to read a table, where that is chosen; None and empty leave it to the bytes.

    Attributes:
        format: One of `FORMATS`.
        delimiter: What stands between the cells of a CSV: one character.
        quote: What a cell is quoted with: one character; empty for no quoting.
        escape: The character that takes the next one's meaning away; most writers double the quote instead.
        encoding: Of text, as Python names it; UTF-8, or what a byte order mark says.
        header: Whether the first row holds the names.
        nulls: How an absent value is spelt in a CSV, besides the usual spellings.
        types: One of `TYPES` for each column of a CSV that is not to be typed cell by cell.
        part: Which of several tables: a sheet, a database's table, an array, a split.
    """

    format: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    encoding: str | None = None
    header: bool | None = None
    nulls: tuple[str, ...] | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    part: str | None = None

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in FORMATS:
            raise InvalidInputError(f"no table format is called {self.format!r}", hint=f"One of: {', '.join(FORMATS)}.")
        for what, text, least in (
            ("delimiter", self.delimiter, 1),
            ("quote", self.quote, 0),
            ("escape", self.escape, 1),
        ):
            if text is not None and not (least <= len(text) <= 1 and text not in {"\n", "\r", "\0"} and text.isascii()):
                raise InvalidInputError(
                    f"a {what} is one ASCII character, not {text!r}", hint="A tab can be written as $'\\t' in a shell."
                )
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError as error:
                raise InvalidInputError(
                    f"no encoding is called {self.encoding!r}", hint="Name one as Python does: latin-1, cp1252, utf-16."
                ) from error
        for column, kind in self.types.items():
            if kind not in TYPES:
                raise InvalidInputError(
                    f"column {column!r} cannot be of type {kind!r}", hint=f"One of: {', '.join(TYPES)}."
                )

    def scalars(self) -> dict[str, Scalar]:
        """Return what is chosen as an event holds it; lists and mappings as JSON text."""
        answer: dict[str, Scalar] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None or (each.name == "types" and not value) or each.name == "part":
                continue
            plain = isinstance(value, (str, bool))
            answer[each.name] = value if plain else json.dumps(value, ensure_ascii=False, sort_keys=True)
        return answer

    @classmethod
    def of(cls, recorded: Mapping[str, Scalar], part: str | None = None) -> Self:
        """Read what an event holds.

        Raises:
            InvalidInputError: There is an option that this lin does not know.
        """
        values: dict[str, Any] = {"part": part}
        known = {each.name for each in fields(cls)}
        for name, value in recorded.items():
            if name not in known:
                raise InvalidInputError(
                    f"this lin does not know the reading option {name!r}", hint="Install a newer lin."
                )
            if name == "nulls":
                values[name] = tuple(json.loads(str(value)))
            elif name == "types":
                values[name] = json.loads(str(value))
            else:
                values[name] = value
        return cls(**values)
