"""What a process of the soak does: `python soak_worker.py write|read FOLDER NUMBER`, until it is killed."""

import json
import os
import resource
import sys
import time
from itertools import count
from pathlib import Path

from lin.errors import BackendError
from lin.lineage import _sqlite_adjacency, _sqlite_file, _sqlite_search
from lin.lineage.events import ArtifactRecorded, EventId, RunFinished, RunStarted, RunUsed, Use
from lin.lineage.graph import PROVENANCE, Direction, NodeKind
from lin.lineage.index import FILE_NAME
from lin.lineage.keys import ActorKey, LogKey
from lin.lineage.ledger import Ledger
from lin.lineage.log import Log
from lin.lineage.sqlite import SqliteGraph
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus, Shape
from lin.store.digest import Digest
from lin.store.local import LocalPlace

LOG_KEY = LogKey.from_seed("lin/soak", bytes(31) + b"s")


def open_ledger(folder, actor):
    log = Log(LocalPlace(folder / "repository"), LOG_KEY.verifier)
    key = ActorKey.from_seed(bytes(31) + bytes([actor]))
    return Ledger(log, folder / "cache", log_key=lambda: LOG_KEY, actor_key=lambda: key)


def write(folder, number):
    """Record run after run, and note what was acknowledged; now and then make a snapshot of the index."""
    ledger = open_ledger(folder, number)
    acknowledged = (folder / f"write.{number}").open("a")
    for turn in count():

        def build(draft, graph):
            name = f"model {number}"
            base = graph.find(kinds=[NodeKind.MODEL], name=name, newest_first=True, limit=1)
            run = draft.add(RunStarted("soak", "run", os.urandom(8).hex()))
            uses = tuple(Use(EventId(node.id), Role.BASE_MODEL, Evidence.OBSERVED) for node in base)
            if uses:
                draft.add(RunUsed(run, uses))
            version = graph.max_version(name) + 1
            digest = Digest.parse(f"b3:{os.urandom(32).hex()}")
            draft.add(ArtifactRecorded(ArtifactKind.MODEL, name, version, digest, Shape.BLOB, 1, run=run))
            draft.add(RunFinished(run, RunStatus.SUCCEEDED, 0))
            return [str(signed.id) for signed in draft.signed]

        acknowledged.write("".join(f"{event}\n" for event in ledger.record(build)))
        acknowledged.flush()
        if turn % 20 == 19:
            ledger.graph()
            SqliteGraph(ledger.index).make_snapshot()


def waited():
    """Return the seconds that this process could have run and another did."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def measured(work):
    """Return (wall, blocked, stolen) of some work, in seconds.

    In `blocked` and `stolen` it neither ran nor stood in the queue for a processor. If it let go of the processor by
    itself, as who waits for a lock or a disk must, it was blocked; if not, the machine itself stood still for it.
    """

    def read():
        return time.perf_counter(), time.process_time(), waited(), resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw

    began = read()
    work()
    wall, ran, stood, slept = (end - begin for begin, end in zip(began, read(), strict=True))
    lost = max(0.0, wall - ran - stood)
    return (wall, lost, 0.0) if slept else (wall, 0.0, lost)


def spin():
    """Take about as much processor time as a question does, and nothing else."""
    end = time.process_time() + 0.0004
    while time.process_time() < end:
        pass


def read(folder, number):
    """Ask again and again; note how long each question was blocked, and look that nothing goes backwards.

    Nobody waits for a lock here: where a question finds one, it is refused, asks again at once, and is counted. Beside
    each question stands work that needs no file: what that was blocked is the machine's doing.
    """
    _sqlite_adjacency.WORTHWHILE = 10**9  # use snapshots, but leave making them to the writers
    _sqlite_search.SMALL_CLOSURE = 3
    _sqlite_file._BUSY_SECONDS = 0
    noted = (folder / f"read.{number}").open("a")
    seen = {"size": 0, "refused": 0, "problem": False}

    def ask(graph):
        while True:
            try:
                size = graph.position().size
                newest = graph.find(kinds=[NodeKind.MODEL], newest_first=True, limit=1)
                reached = [graph.closure_size([node.id], Direction.UP, PROVENANCE) for node in newest]
            except BackendError as error:
                if "locked" not in error.message:
                    raise
                seen["refused"] += 1
            else:
                seen["problem"] = size < seen["size"] or bool(reached and reached[0] < 1)
                seen["size"] = size
                return

    while True:
        try:
            graph = SqliteGraph(folder / "cache" / FILE_NAME)
        except BackendError:
            continue
        for _ in range(50):
            seen["refused"] = 0
            wall, blocked, stolen = measured(lambda: ask(graph))  # noqa: B023 - called at once
            _, *control = measured(spin)
            noted.write(json.dumps([wall, blocked, stolen, sum(control), seen["refused"], seen["problem"]]) + "\n")
            noted.flush()
        graph.close()


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
