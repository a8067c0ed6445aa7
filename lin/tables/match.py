"""When two datasets count as the same."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lin.errors import InvalidInputError


class By(StrEnum):
    """When two datasets count as the same."""

    BYTES = "bytes"
    TABLE = "table"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Match:
    """When two datasets count as the same.

    Attributes:
        by: Equal bytes; the same rows, whatever file and order they are in; or enough of the rows.
        least: By rows: which part of the data's rows a table must hold, from 0 (not itself) to 1.
    """

    by: By = By.BYTES
    least: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1:
            raise InvalidInputError(f"a share of rows is more than 0 and at most 1, not {self.least}")

    def __str__(self) -> str:
        return f"{self.by}>={self.least:g}" if self.by is By.ROWS else self.by.value

    @classmethod
    def parse(cls, text: str) -> Match:
        """Read `bytes`, `table`, `rows` or `rows>=0.9` (also `rows>=90%`)."""
        word, at_least, number = text.partition(">=")
        try:
            by = By(word.strip())
            if not at_least:
                return cls(by)
            if by is By.ROWS:
                percent = number.strip().endswith("%")
                return cls(by, float(number.strip().removesuffix("%")) / (100 if percent else 1))
        except ValueError:
            pass
        raise InvalidInputError(f"no way to match is called {text!r}", hint="bytes, table, rows, or rows>=0.9.")
