"""Building the index of a whole log anew: `lin index rebuild`, beside only reading and digesting the log's leaves."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lin.lineage.envelope import sign
from lin.lineage.events import (
    ArtifactRecorded,
    EvaluationRecorded,
    Event,
    EventId,
    KeyChanged,
    RunFinished,
    RunStarted,
    RunUsed,
    Statement,
    Use,
    format_time,
)
from lin.lineage.index import rebuild
from lin.lineage.keys import ActorKey, LogKey
from lin.lineage.log import Log
from lin.lineage.merkle import Frontier, leaf_digest
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus, Shape
from lin.store.digest import Digest
from lin.store.local import LocalPlace

from .measuring import Contender, Folder, Sample, Scenario, processor_time, timed

EVENTS = 60_000


def rebuilding(folder: Folder, *, events: int = EVENTS, runs: int = 3) -> Scenario:
    """Return the scenario."""
    log = _log(folder.fresh("log"), events)
    graph = SqliteGraph(folder.fresh("rebuilt") / "graph.sqlite3")
    processor: list[Sample] = []

    def build() -> Sample:
        sample, used = processor_time(lambda: rebuild(log, graph))
        processor.append(used)
        return sample

    def read() -> Sample:
        return timed(lambda: Frontier().extend(leaf_digest(leaf.data) for leaf in log.read()))

    return Scenario(
        f"build the index of a log of {log.checkpoint().size:,} events anew",
        [
            Contender("read and digest the leaves", read),
            Contender("SQLite", build),
            Contender("SQLite, processor time", lambda: processor[-1] if processor else build()),
        ],
        runs=runs,
    )


def _log(folder: Path, events: int) -> Log:
    log_key, key = LogKey.from_seed("lin/benchmark", bytes(32)), ActorKey.from_seed(bytes(32))
    log = Log(LocalPlace(folder), log_key.verifier)
    log.create(log_key)
    leaves: list[bytes] = []
    for statement in _history(leaves, key):
        signed = sign(statement, key)
        leaves.append(signed.leaf)
        if len(leaves) >= events:
            break
    log.extend(leaves, log_key)
    return log


def _history(leaves: list[bytes], key: ActorKey) -> Iterator[Event]:
    """Yield what a team does: runs with three inputs, two outputs and an evaluation, on a hundred datasets."""
    source = random.Random(0)

    def say(statement: Statement) -> Event:
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=len(leaves))
        return Event(format_time(moment), key.id, statement)

    def artifact(kind: ArtifactKind, name: str, version: int, run: EventId | None = None) -> Event:
        digest = Digest.parse(f"b3:{source.randbytes(32).hex()}")
        path, evidence = (f"{name}.bin", Evidence.OBSERVED) if run else (None, None)
        return say(ArtifactRecorded(kind, name, version, digest, Shape.BLOB, 1, run=run, path=path, evidence=evidence))

    yield say(KeyChanged("add", key.public.hex()))
    data: list[EventId] = []
    for number in range(100):
        event = artifact(ArtifactKind.DATASET, f"data {number}", 1)
        data.append(event.id)
        yield event
    version = 0
    while True:
        version += 1
        begun = say(RunStarted("benchmark", "train", source.randbytes(8).hex(), {"rate": 0.1, "depth": 3}))
        yield begun
        run = begun.id
        roles = (Role.TRAIN, Role.TEST, Role.CODE)
        uses = (Use(source.choice(data), role, Evidence.OBSERVED, f"data/{role}.csv") for role in roles)
        yield say(RunUsed(run, tuple(uses)))
        model = artifact(ArtifactKind.MODEL, "model", version, run)
        yield model
        yield artifact(ArtifactKind.REPORT, "report", version, run)
        yield say(RunFinished(run, RunStatus.SUCCEEDED, 0, {"accuracy": source.random(), "loss": source.random()}))
        yield say(EvaluationRecorded(model.id, source.choice(data), run, {"accuracy": source.random()}))
