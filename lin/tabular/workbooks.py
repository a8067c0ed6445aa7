"""Workbooks (`.xlsx`, `.xlsm`, `.xlsb`, `.xls`, `.ods`): each sheet with cells is a table; `python-calamine` reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from lin.errors import NotATableError

from .delimited import refuse_duplicates
from .missing import need
from .mixed import Sorts, column, written
from .options import Options
from .sniffing import is_header
from .source import FileSource
from .table import Table, batch_rows

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST = 1 << 26
"""Bytes of a workbook: its reader holds a sheet in memory, which takes some 20 times as much."""
CELLS = 20_000_000
"""Cells of a sheet."""


def read(source: FileSource, options: Options) -> Sequence[Table]:
    """Open each sheet of a workbook that has cells as a table.

    Raises:
        NotATableError: It is damaged, too large, or has no sheet with a row; or `python-calamine` is not there.
    """
    calamine = need("python_calamine", "excel", "workbooks")
    if source.size > LARGEST:
        raise NotATableError(
            f"{source.name} is a workbook of {source.size} bytes, beyond {LARGEST}", hint="Export it as CSV or Parquet."
        )
    tables: list[Table] = []
    reasons: list[str] = []
    with _opened(calamine, source) as book:
        for name in book.sheet_names:
            if options.part not in {None, name}:
                continue
            try:
                table = _sheet(calamine, source, options, name, book.get_sheet_by_name(name))
            except NotATableError as error:
                reasons.append(error.message)
            else:
                tables.append(table)
    if not tables:
        raise NotATableError(reasons[0] if reasons else f"{source.name} has no sheet {options.part!r}")
    return tables


class _opened:  # noqa: N801 - used as a function
    def __init__(self, calamine: Any, source: FileSource) -> None:
        self._source = source
        self._file = source.open()
        try:
            self._book = calamine.CalamineWorkbook.from_filelike(self._file)
        except Exception as error:  # it has many, also Rust's panics
            self._file.close()
            raise NotATableError(f"{source.name} cannot be read as a workbook: {error}") from error

    def __enter__(self) -> Any:
        return self._book

    def __exit__(self, *_: object) -> None:
        self._book.close()
        self._file.close()


def _sheet(calamine: Any, source: FileSource, options: Options, name: str, sheet: Any) -> Table:
    import pyarrow as pa  # noqa: PLC0415 - takes 200 ms

    where = f"{source.name}, sheet {name!r}"
    if sheet.height * sheet.width > CELLS:
        raise NotATableError(f"{where} has more than {CELLS} cells", hint="Export it as CSV or Parquet.")
    rows = _rows(sheet)
    first = next(rows, None)
    if first is None:
        raise NotATableError(f"{where} is empty")
    header = (
        options.header if options.header is not None else is_header(["" if c is None else written(c) for c in first])
    )
    names = ["" if cell is None else written(cell) for cell in first] if header else list(map(str, range(len(first))))
    refuse_duplicates(where, names)
    sorts = [Sorts() for _ in names]
    for row in rows if header else chain([first], rows):
        for sort, cell in zip(sorts, row, strict=False):
            if cell is not None:
                sort.see((cell,))
    schema = pa.schema([(each, sort.type()) for each, sort in zip(names, sorts, strict=True)])
    width = len(names)

    def batches() -> Iterator[pa.RecordBatch]:
        with _opened(calamine, source) as book:
            data = _rows(book.get_sheet_by_name(name))
            for _ in range(header):
                next(data, None)
            while piece := list(islice(data, batch_rows(width, 64 * width))):
                cells = [[row[number] for row in piece] for number in range(width)]
                arrays = [column(values, field.type) for values, field in zip(cells, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return Table("excel", schema, batches, part=name, options=options.scalars())


def _rows(sheet: Any) -> Iterator[list[Any]]:
    """Yield a sheet's rows from its first cell on, empty cells as None; rows without a cell are left out."""
    for row in sheet.to_python(skip_empty_area=True) if not hasattr(sheet, "iter_rows") else sheet.iter_rows():
        cells = [None if cell == "" else cell for cell in row]
        if any(cell is not None for cell in cells):
            yield cells
