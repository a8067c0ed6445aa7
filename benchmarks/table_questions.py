"""Questions about tables at size: `python -m benchmarks.table_questions [--tables 5000] [--rows 5000000]`.

All pairs among many tables, and the rows that a small table shares with a large one: the first time, when it is read
for that, and from then on. Told are the median time, processor time of this process, and the most memory it has had.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lin.lineage.events import ArtifactRecorded, TableIdentified
from lin.lineage.graph import Graph
from lin.lineage.ledger import Draft
from lin.lineage.table_id import TableId
from lin.lineage.words import ArtifactKind, Shape
from lin.repository import Repository
from lin.store.digest import Digest

FAMILIES = 100
"""Every so many tables are versions of one: the others share nothing."""
BATCH = 250


def fill(repository: Repository, count: int, random: np.random.Generator) -> None:
    """Record tables of 2,000 to 50,000 random rows; every tenth keeps between 2 % and all of another's rows."""
    schema = json.dumps([{"name": "x", "type": "int64"}]).encode()
    before: list[Any] = []
    for start in range(0, count, BATCH):
        made: list[tuple[Digest, Digest, Digest, Digest, int, bytes]] = []
        with repository.store.writer() as writer:
            described = writer.put_bytes(schema)
            for number in range(start, min(start + BATCH, count)):
                keys = random.integers(0, 2**64, int(random.integers(2_000, 50_000)), dtype=np.uint64)
                if number % 10 == 9:
                    base = before[int(random.integers(len(before)))]
                    kept = base[random.random(len(base)) < random.uniform(0.02, 1)]
                    keys = np.concatenate([kept, keys[: int(len(base) * random.uniform(0, 1))]])
                elif len(before) < FAMILIES * 10:
                    before.append(keys)
                keys = np.sort(keys).astype("<u8")
                header = (b"lin-rk/1" + len(keys).to_bytes(8, "little")).ljust(64, b"\0")
                sketch = writer.put_bytes(np.unique(keys)[:4096].tobytes())
                content = writer.put_bytes(b"table %d" % number)
                kept_keys = writer.put_bytes(header + keys.tobytes())
                made.append((content, described, sketch, kept_keys, len(keys), number.to_bytes(32, "big")))

        def build(draft: Draft, _: Graph, made: Sequence[Any] = made, first: int = start) -> None:
            for offset, (content, described, sketch, keys, rows, name) in enumerate(made):
                draft.add(ArtifactRecorded(ArtifactKind.DATASET, f"t{first + offset}", 1, content, Shape.BLOB, 8))
                ids = TableId("set", name), TableId("seq", name)
                draft.add(TableIdentified(content, *ids, rows, 1, "parquet", described, sketch=sketch, keys=keys))

        repository.record(build)


def write(path: Path, start: int, stop: int) -> None:
    """Write rows of four columns, the same for the same number."""
    fields = [("id", pa.int64()), ("day", pa.int32()), ("x", pa.float64()), ("who", pa.string())]
    with pq.ParquetWriter(path, pa.schema(fields)) as writer:
        for low in range(start, stop, 500_000):
            numbers = np.arange(low, min(low + 500_000, stop))
            who = pa.array(numbers % 997).cast(pa.string())
            columns = [pa.array(numbers), pa.array((numbers % 365).astype(np.int32)), pa.array(numbers / 7), who]
            writer.write_table(pa.table(columns, schema=writer.schema))


def timed(what: str, ask: Callable[[], Any], runs: int) -> Any:
    """Ask a question several times, and print the median and the memory."""
    answer: Any = None
    seconds, work = [], []
    for _ in range(runs):
        start, begun = time.perf_counter(), time.process_time()
        answer = ask()
        seconds.append(time.perf_counter() - start)
        work.append(time.process_time() - begun)
    times = (f"{statistics.median(each) * 1000:>10,.1f} ms" for each in (seconds, work))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:<66} {'   '.join(times)}   {memory:>6,.0f} MiB", flush=True)
    return answer


def main() -> None:
    """Make what is asked about, and ask."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table_questions", description=__doc__)
    parser.add_argument("--tables", type=int, default=5_000)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--test", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lin-bench-"))
    os.environ.update(LIN_CONFIG=str(folder / "config"), LIN_CACHE=str(folder / "cache"), LIN_TABLES="off")
    try:
        with Repository.init(folder / "many") as repository:
            fill(repository, arguments.tables, np.random.default_rng(1))
            _ = repository.graph
            what, dup = f"dup, all pairs of {arguments.tables:,} tables", repository.duplicates
            first = timed(f"{what}, first time", dup, 1)
            timed(f"{what} ({len(first.near)} near)", dup, arguments.runs)
            timed("dup of one of them", partial(dup, "t9"), arguments.runs)
        rows, test = arguments.rows, arguments.test
        with Repository.init(folder / "two") as repository:
            for name, start, stop in (
                ("train", 0, rows),
                ("test", rows - test // 4, rows + 3 * test // 4),
                ("clean", rows + test, rows + 2 * test),
                ("newer", rows // 100, rows + rows // 100),
            ):
                write(folder / f"{name}.parquet", start, stop)
                artifact = repository.put(folder / f"{name}.parquet", name=name).artifact
                timed(f"look at {name}, {stop - start:,} rows", partial(repository.identify, str(artifact.id)), 1)
            what, overlap = f"overlap, {test:,} rows against {rows:,}", repository.overlap
            overlap("clean", "train")
            none = timed(f"{what}, none shared", partial(overlap, "clean", "train"), arguments.runs)
            timed(f"{what}, a quarter shared, first time", partial(overlap, "test", "train"), 1)
            some = timed(f"{what}, a quarter shared", partial(overlap, "test", "train"), arguments.runs)
            assert (none.rows_old, some.rows_old) == (0, test // 4)
            diff = partial(repository.table_diff, "train", "newer", key=["id"])
            found = timed(f"diff by a key, {rows:,} rows each, 2 % differ", diff, 1)
            assert found.added == found.removed == rows // 100
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
