"""Near duplicates of real tables: `python -m benchmarks.near_tables`.

A part of each table that packages carry is put beside the whole; `lin dup` has to find the pair, down to a part of 2 %.
Prints how many of them it finds by part.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pyarrow as pa

from lin.repository import Repository

from .real_tables import files, frame_of

PARTS = (0.9, 0.5, 0.1, 0.02)
LEAST = 100
"""Different rows that a table has at least, so that 2 % of it are two."""


def main() -> int:
    """Put tables and parts of them, and look for the pairs."""
    with tempfile.TemporaryDirectory(prefix="lin-near-") as name:
        folder = Path(name)
        os.environ.update(LIN_CONFIG=str(folder / "config"), LIN_CACHE=str(folder / "cache"), LIN_TABLES="off")
        with Repository.init(folder / "store") as repository:
            wanted: list[tuple[str, float]] = []
            for label, path in files():
                try:
                    frame = frame_of(path).drop_duplicates().reset_index(drop=True)
                    table = pa.Table.from_pandas(frame, preserve_index=False)
                except (ValueError, TypeError, pa.ArrowException):
                    continue  # what pandas cannot hold as a table
                if len(frame) < LEAST or table.num_columns == 0:
                    continue
                _put(repository, folder, f"{label}@whole", table)
                for part in PARTS:
                    rows = frame.sample(frac=part, random_state=7).index
                    _put(repository, folder, f"{label}@{part}", table.take(pa.array(rows)))
                    wanted.append((label, part))
            found = repository.duplicates(at_least=min(PARTS) / 2)
            pairs = {(a.name, b.name) for near in found.near for a in near.old for b in near.new}
            missing = 0
            for part in PARTS:
                asked = [label for label, each in wanted if each == part]
                good = sum(_is_in(pairs, label, part) for label in asked)
                missing += len(asked) - good
                print(f"a part of {part:>4.0%}: {good} of {len(asked)} found")
    return 1 if missing else 0


def _put(repository: Repository, folder: Path, name: str, table: pa.Table) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 - beside its use

    pq.write_table(table, folder / "table.parquet")
    artifact = repository.put(folder / "table.parquet", name=name.replace("@", " ")).artifact
    repository.identify(str(artifact.id))


def _is_in(pairs: set[tuple[str, str]], label: str, part: float) -> bool:
    one, other = f"{label} whole", f"{label} {part}"
    return (one, other) in pairs or (other, one) in pairs


if __name__ == "__main__":
    sys.exit(main())
