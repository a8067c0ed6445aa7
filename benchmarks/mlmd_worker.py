"""Answer from a store of ML Metadata: run by a Python that has `ml-metadata`, by `mlmd.py`. No imports from lin."""

from __future__ import annotations

import resource
import sys
import time

from ml_metadata import metadata_store  # type: ignore[import-not-found]
from ml_metadata.proto import metadata_store_pb2 as pb  # type: ignore[import-not-found]

BATCH = 5_000
HOPS = 200


def main() -> None:
    """Do what each line of the input says, and print how long that took and the most memory needed."""
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = sys.argv[1]
    config.sqlite.connection_mode = 3  # READWRITE_OPENCREATE
    worker = Worker(metadata_store.MetadataStore(config))
    for line in sys.stdin:
        word, argument = line.split()
        started = time.perf_counter()
        seconds = getattr(worker, word)(argument) or time.perf_counter() - started
        print(seconds, peak(), flush=True)


def peak() -> int:
    """Return the most resident memory in bytes that this process has needed."""
    try:
        with open("/proc/self/status") as file:  # noqa: PTH123 - plain Python of any age
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Worker:
    """A store and what of lin's graph is in it."""

    def __init__(self, store: metadata_store.MetadataStore) -> None:
        self.store = store
        self.artifact = store.put_artifact_type(pb.ArtifactType(name="artifact"))
        self.execution = store.put_execution_type(pb.ExecutionType(name="run"))
        self.ids: dict[int, int] = {}

    def load(self, path: str) -> float:
        """Put everything in a file into the store, in large batches; return the seconds that the store took."""
        artifacts, runs, events = [], [], []
        with open(path) as file:  # noqa: PTH123 - plain Python of any age
            for line in file:
                word, *numbers = line.split()
                if word == "run":
                    runs.append(int(numbers[0]))
                elif word in ("dataset", "model"):
                    artifacts.append(int(numbers[0]))
                else:
                    events.append((word, int(numbers[0]), int(numbers[1])))
        events = list(dict.fromkeys(events))  # it has no roles: training and testing on the same is one event
        seconds = 0.0
        for start in range(0, len(artifacts), BATCH):
            some = artifacts[start : start + BATCH]
            items = [pb.Artifact(type_id=self.artifact, uri=f"lin:{number}") for number in some]
            began = time.perf_counter()
            ids = self.store.put_artifacts(items)
            seconds += time.perf_counter() - began
            self.ids.update(zip(some, ids))  # noqa: B905 - also before Python 3.10
        for start in range(0, len(runs), BATCH):
            some = runs[start : start + BATCH]
            items = [pb.Execution(type_id=self.execution) for _ in some]
            began = time.perf_counter()
            ids = self.store.put_executions(items)
            seconds += time.perf_counter() - began
            self.ids.update(zip(some, ids))  # noqa: B905 - also before Python 3.10
        for start in range(0, len(events), BATCH):
            items = []
            for word, one, other in events[start : start + BATCH]:
                artifact, run = (one, other) if word == "used" else (other, one)
                kind = pb.Event.INPUT if word == "used" else pb.Event.OUTPUT
                items.append(pb.Event(artifact_id=self.ids[artifact], execution_id=self.ids[run], type=kind))
            began = time.perf_counter()
            self.store.put_events(items)
            seconds += time.perf_counter() - began
        return seconds

    def trace(self, number: str) -> None:
        """Ask for all that made a model."""
        options = pb.LineageSubgraphQueryOptions(
            max_num_hops=HOPS, direction=pb.LineageSubgraphQueryOptions.Direction.UPSTREAM
        )
        options.starting_artifacts.filter_query = f"id = {self.ids[int(number)]}"
        self.store.get_lineage_subgraph(options)


if __name__ == "__main__":
    main()
