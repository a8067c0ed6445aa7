"""Table ids: the names of tables, which are the same for the same rows in whatever file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from lin.errors import InvalidInputError

_FORM = re.compile(r"lin-fp1:(set|seq):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, order=True)
class TableId:
    """Name a table by what it says: `lin-fp1:set:…` whatever the order of its rows, `lin-fp1:seq:…` in order.

    `docs/formats/table-identity.md` defines it.

    Attributes:
        order: `set` or `seq`.
        value: 32 bytes.
    """

    order: str
    value: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the written form; raises `InvalidInputError` for anything else."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise InvalidInputError(
                f"not a table's id: {text!r}", hint="It is lin-fp1:set: or lin-fp1:seq: and 64 hexadecimal digits."
            )
        return cls(match[1], bytes.fromhex(match[2]))

    @property
    def short(self) -> str:
        """The first 12 digits after `set:` or `seq:`, for people to read, never to store."""
        return f"{self.order}:{self.value.hex()[:12]}"

    def __str__(self) -> str:
        return f"lin-fp1:{self.order}:{self.value.hex()}"

    def __repr__(self) -> str:
        return f"TableId({str(self)!r})"
