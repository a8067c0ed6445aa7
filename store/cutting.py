"""Cut bytes where their content says so, so that an edit moves few borders.

FastCDC with normalized chunking (Xia et al., 2020, https://ieeexplore.ieee.org/document/9055082); the
parameters are part of the repository's format, and golden vectors hold every border.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from lin.errors import UnsupportedFormatError


@dataclass(frozen=True, slots=True)
class Cutter:
    """Say how large blobs are cut into chunks.

    Attributes:
        min: Bytes below which nothing is cut.
        normal: Bytes from which on a border is more likely.
        max: Bytes of the largest chunk.
        level: How much more likely, as a power of four.
    """

    min: int = 65_536
    normal: int = 131_072
    max: int = 524_288
    level: int = 2

    def describe(self) -> dict[str, Any]:
        """Return what `lin.json` says of it."""
        return {
            "algorithm": "fastcdc",
            "min": self.min,
            "normal": self.normal,
            "max": self.max,
            "level": self.level,
        }

    def borders(self, data: memoryview, *, last: bool) -> Iterator[int]:
        """Yield where each chunk ends.

        Args:
            data: Bytes from the start of a chunk on.
            last: Whether the blob ends with them. Otherwise what is cut off by the end of `data` is no chunk yet.
        """
        size = len(data)
        end = 0
        for chunk in _fastcdc(self.min, self.normal, self.max, self.level).cut_buf(data):
            if not last and size - end < self.max:
                return  # more bytes could move this border
            end += chunk.length
            yield end


CUTTER = Cutter()
"""The one way that format 1 cuts."""


def parse_cutter(document: object, where: str) -> Cutter:
    """Read what `lin.json` says.

    Raises:
        UnsupportedFormatError: It is another way of cutting.
        TypeError: It is none.
    """
    if not isinstance(document, Mapping):
        raise TypeError(f"chunker is {document!r}")
    if dict(document) != CUTTER.describe():
        raise UnsupportedFormatError(
            f"{where} cuts blobs in a way that this lin does not know: {dict(document)}", hint="Install a newer lin."
        )
    return CUTTER


@cache
def _fastcdc(smallest: int, normal: int, largest: int, level: int) -> Any:
    from pyfastcdc import FastCDC  # noqa: PLC0415 - start-up: 60 ms that small files need not pay

    return FastCDC(normal, min_size=smallest, max_size=largest, normalized_chunking=level)  # type: ignore[arg-type]
