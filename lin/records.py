"""What the use cases return: plain, frozen values in lin's words, free of graph and log.

Every record has `to_json()`, the one form that `--json`, the API's tests and notebooks share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from lin.lineage.events import EventId, Scalar, Statement, parse_time
from lin.lineage.graph import Cursor
from lin.lineage.table_id import TableId
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus, Shape
from lin.store.digest import Digest


def to_json(value: Any) -> Any:  # noqa: PLR0911 - one line a type
    """Turn a record, or anything made of records, into what `json.dumps` takes."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (Digest, EventId, Path, TableId)):
        return str(value)
    if isinstance(value, Cursor):
        return f"{value.created}:{value.id.hex()}"
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value) if not f.name.startswith("_")}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list, set, frozenset)):
        return [to_json(item) for item in value]
    return value


class Record:
    """What all records can do."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Return this record as a JSON object; the word for its type is under `type`."""
        return {"type": type(self).__name__.lower(), **to_json(self)}


@dataclass(frozen=True, slots=True)
class Artifact(Record):
    """An immutable occurrence of content with a meaning.

    Attributes:
        id: The event that recorded it.
        kind: What it is to people.
        name: The name its versions share.
        version: From 1 up.
        digest: Of the bytes, or of the tree.
        shape: `blob` or `tree`.
        size: Bytes of content; for a tree, of all files below it.
        files: How many files; 1 for a blob.
        created: When it was recorded, as the actor's clock said (RFC 3339, UTC).
        actor: The id of the key that signed it.
        run: The run that generated it.
        path: Where the run wrote it, relative to the run's folder.
        evidence: How lin knows that the run generated it.
        experiment: The experiment it belongs to.
        attributes: Small facts, such as a code artifact's git commit.
        detail: An erasable blob of JSON with what may be personal.
    """

    id: EventId
    kind: ArtifactKind
    name: str
    version: int
    digest: Digest
    shape: Shape
    size: int
    files: int
    created: str
    actor: str
    run: EventId | None = None
    path: str | None = None
    evidence: Evidence | None = None
    experiment: str | None = None
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    detail: Digest | None = None

    @property
    def label(self) -> str:
        """`name@v3`: a ref that means exactly this artifact."""
        return f"{self.name}@v{self.version}"


@dataclass(frozen=True, slots=True)
class Run(Record):
    """One execution.

    Attributes:
        id: The event that started it.
        name: For people, such as the script's name.
        experiment: The experiment it belongs to.
        status: `running` until it is known how it ended.
        parameters: Settings, by name.
        metrics: Measurements, by name.
        commit: The git commit that was checked out, in hex.
        started: RFC 3339, UTC.
        finished: RFC 3339, UTC; None while it runs.
        exit_status: The command's own; 128 + n for signal n.
        actor: The id of the key that signed it.
        detail: Erasable JSON: command line, folder, host, user.
        outcome: Erasable JSON: the error's text, the last lines printed.
    """

    id: EventId
    name: str
    experiment: str
    status: RunStatus
    parameters: Mapping[str, Scalar]
    metrics: Mapping[str, Scalar]
    started: str
    actor: str
    commit: str | None = None
    finished: str | None = None
    exit_status: int | None = None
    detail: Digest | None = None
    outcome: Digest | None = None

    @property
    def label(self) -> str:
        """The first 12 digits of the id: a ref that means this run."""
        return self.id.short

    @property
    def seconds(self) -> float | None:
        """How long it took, by the actor's clock; None while it runs."""
        if self.finished is None:
            return None
        return (parse_time(self.finished) - parse_time(self.started)).total_seconds()


@dataclass(frozen=True, slots=True)
class Experiment(Record):
    """A named group of runs that owns models.

    Attributes:
        id: 32 bytes.
        name: Its name.
        began: When the first of its runs or artifacts was made, in microseconds since 1970; 0 where that was not asked.
    """

    id: bytes
    name: str
    began: int = field(default=0, compare=False)

    @property
    def label(self) -> str:
        """Its name."""
        return self.name

    def to_json(self) -> dict[str, Any]:
        """Return `type`, `id` (hex) and `name`."""
        return {"type": "experiment", "id": self.id.hex(), "name": self.name}


@dataclass(frozen=True, slots=True)
class Evaluation(Record):
    """One model measured on one dataset by one run."""

    id: EventId
    model: Artifact
    dataset: Artifact
    run: EventId
    metrics: Mapping[str, Scalar]
    created: str
    actor: str

    @property
    def label(self) -> str:
        """The first 12 digits of the id: a ref that means this evaluation."""
        return self.id.short


@dataclass(frozen=True, slots=True)
class Content(Record):
    """Bytes that artifacts share.

    Attributes:
        digest: Their name.
        artifacts: Every artifact that holds them, oldest first.
        erased: Why the bytes were erased, if they were.
    """

    digest: Digest
    artifacts: tuple[Artifact, ...]
    erased: str | None = None

    @property
    def label(self) -> str:
        """The whole digest."""
        return str(self.digest)


@dataclass(frozen=True, slots=True)
class Alias(Record):
    """A movable name for an artifact.

    Attributes:
        name: `churn` in `churn@prod`.
        alias: `prod` in `churn@prod`.
        artifacts: Where it stands: one; several when concurrent moves conflict; none when taken away.
        moves: The events that put it there.
        moved: When the newest of them happened, by its actor's clock.
    """

    name: str
    alias: str
    artifacts: tuple[Artifact, ...]
    moves: tuple[EventId, ...]
    moved: str

    @property
    def label(self) -> str:
        """`churn@prod`."""
        return f"{self.name}@{self.alias}"


@dataclass(frozen=True, slots=True)
class Used(Record):
    """An artifact that a run used."""

    artifact: Artifact
    role: Role
    evidence: Evidence
    path: str | None = None


@dataclass(frozen=True, slots=True)
class PutResult(Record):
    """What came of a put.

    Attributes:
        artifact: The artifact that now stands for what was put.
        added: False when the newest version of that name held these very bytes already.
        same_bytes: Other artifacts with the same bytes, oldest first.
    """

    artifact: Artifact
    added: bool
    same_bytes: tuple[Artifact, ...] = ()


@dataclass(frozen=True, slots=True)
class TreeEntry(Record):
    """One line of a directory listing: `path` is relative to the artifact, `mode` one of `f x l d`."""

    path: str
    mode: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class TraceEdge(Record):
    """Link two nodes of a trace, in the direction data flows.

    Attributes:
        source: The upstream node's id: an artifact that was used, or the run that generated.
        target: The downstream node's id.
        relation: `used` or `generated`.
        role: What for, where the relation is `used`.
        paths: Where the run read or wrote it, relative to the run's folder.
        evidence: How lin knows.
    """

    source: EventId
    target: EventId
    relation: str
    role: Role | None
    paths: tuple[str, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Trace(Record):
    """How something came to be, or what stands on it.

    Attributes:
        roots: Where it begins.
        direction: `up` or `down`.
        nodes: Artifacts and runs, each once, nearest first. Nodes that are named but not known here are
            in `unseen`.
        edges: Each once, between `nodes`.
        distance: Hops from the nearest root, by id.
        total: How many nodes there are within the depth.
        truncated: `depth` or `nodes` if something was left out by that bound, else None.
        unseen: Ids that edges name but whose events are not in this repository.
    """

    roots: tuple[EventId, ...]
    direction: str
    nodes: tuple[Artifact | Run, ...]
    edges: tuple[TraceEdge, ...]
    distance: Mapping[EventId, int]
    total: int
    truncated: str | None = None
    unseen: tuple[EventId, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return flat `nodes` and `edges`, ids only in edges."""
        return {
            "type": "trace",
            "roots": to_json(self.roots),
            "direction": self.direction,
            "nodes": [{**node.to_json(), "distance": self.distance[node.id]} for node in self.nodes],
            "edges": to_json(self.edges),
            "total": self.total,
            "truncated": self.truncated,
            "unseen": to_json(self.unseen),
        }


@dataclass(frozen=True, slots=True)
class TrainedModel(Record):
    """A model that was trained on some content.

    Attributes:
        model: Which model.
        direct: Whether a run used that very content and generated the model.
        roles: What that run used it for; empty where it is not direct.
    """

    model: Artifact
    direct: bool
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class Page(Record):
    """Some of many.

    Attributes:
        items: The records.
        next: Where the next page starts; None on the last one.
        total: How many there are in all, where that was asked for.
        stopped: Whether it is shorter than was asked for because looking for them took too long; `next` is where to
            go on.
    """

    items: Sequence[Any]
    next: Cursor | None = None
    total: int | None = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Impact(Record):
    """What stands on an artifact: how much, and the first of each sort.

    Attributes:
        models: Made from it, directly or not, the oldest first; at most as many as were asked for.
        evaluations: Of those models, or on it, the oldest first; at most as many as were asked for.
        aliases: All that point at anything downstream of it.
        model_count: How many models there are in all.
        evaluation_count: How many evaluations there are in all.
        runs: How many runs lie downstream.
        artifacts: How many artifacts lie downstream.
    """

    models: tuple[Artifact, ...]
    evaluations: tuple[Evaluation, ...]
    aliases: tuple[Alias, ...]
    model_count: int
    evaluation_count: int
    runs: int
    artifacts: int


@dataclass(frozen=True, slots=True)
class Way(Record):
    """A shortest way from one thing to another, in the direction data flows.

    Attributes:
        nodes: From the upstream end to the downstream end, both of them included; as many as there are edges, and one.
            What is named here but was recorded elsewhere is None.
        edges: From each node to the next.
        backwards: Whether the way leads from what was named second to what was named first.
    """

    nodes: tuple[Artifact | Run | Evaluation | Content | None, ...]
    edges: tuple[TraceEdge, ...]
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class LeakedFrom(Record):
    """How many test rows came from one artifact that a model learned from.

    Attributes:
        artifact: Which.
        rows: How many of the test's rows it holds; None where they share their bytes and nobody has counted rows.
    """

    artifact: Artifact
    rows: int | None


@dataclass(frozen=True, slots=True)
class MetricPair(Record):
    """A metric over all test rows, and without those that leaked.

    Attributes:
        name: Such as `accuracy`.
        all: Over all test rows.
        clean: Over those that the model had not learned from; None where none is left.
    """

    name: str
    all: float
    clean: float | None


@dataclass(frozen=True, slots=True)
class Leak(Record):
    """An evaluation of a model on what it learned from.

    Attributes:
        evaluation: The evaluation.
        learned: The artifacts among the model's own ancestors that hold the dataset's bytes, or rows of it.
        by: `bytes`; `table` where one of them holds the same rows in other bytes; `rows` where only some are shared.
        tested: Rows of the dataset; None where it is no table that lin knows of.
        leaked: How many of them the model learned from.
        sources: How many from which artifact, most first.
        metrics: With those rows and without them, where predictions were kept.
        rows: Their numbers in the dataset, from 1, where they were asked for.
    """

    evaluation: Evaluation
    learned: tuple[Artifact, ...]
    by: str = "bytes"
    tested: int | None = None
    leaked: int | None = None
    sources: tuple[LeakedFrom, ...] = ()
    metrics: tuple[MetricPair, ...] = ()
    rows: tuple[int, ...] = ()

    @property
    def share(self) -> float | None:
        """Which part of the test rows leaked, from 0 to 1."""
        return None if not self.tested or self.leaked is None else self.leaked / self.tested


@dataclass(frozen=True, slots=True)
class Uncompared(Record):
    """Two datasets that should have been compared row by row, and could not be.

    Attributes:
        tested: What a model was tested on.
        learned: What it learned from.
        reason: Why.
    """

    tested: Artifact
    learned: Artifact
    reason: str


@dataclass(frozen=True, slots=True)
class MetricsTable(Record):
    """Models × datasets: the newest evaluation of each pair.

    Attributes:
        models: The rows.
        datasets: The columns.
        metrics: The names of all metrics, sorted.
        cells: The evaluations, at most one for each (model id, dataset id).
    """

    models: tuple[Artifact, ...]
    datasets: tuple[Artifact, ...]
    metrics: tuple[str, ...]
    cells: tuple[Evaluation, ...]

    def cell(self, model: Artifact, dataset: Artifact) -> Evaluation | None:
        """Return the evaluation of this model on this dataset, if there is one."""
        return next((c for c in self.cells if c.model.id == model.id and c.dataset.id == dataset.id), None)


@dataclass(frozen=True, slots=True)
class LogEntry(Record):
    """One event with its place in the log."""

    position: int
    id: EventId
    kind: str
    at: str
    actor: str
    statement: Statement


@dataclass(frozen=True, slots=True)
class Finding(Record):
    """Something wrong.

    Attributes:
        kind: A stable word: `missing_blob`, `corrupt_blob`, `missing_tile`, …
        subject: The file, digest or event it concerns.
        message: A sentence for people.
    """

    kind: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class VerifyReport(Record):
    """What `verify` looked at and found.

    Attributes:
        events: Events in the log.
        blobs: Blobs whose bytes were read and compared with their digest.
        bytes: Bytes read for that.
        erased: Digests that a tombstone explains.
        removed: Digests of what was thrown away and collected.
        findings: What is wrong; empty when all is well.
    """

    events: int
    blobs: int
    bytes: int
    erased: tuple[Digest, ...]
    findings: tuple[Finding, ...]
    removed: tuple[Digest, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Exchange(Record):
    """What came from one repository to another.

    Attributes:
        events: Events that were not known there.
        blobs: Blobs that were not there.
        bytes: Their size.
        moved: How many of these bytes came from there; the rest lay here, in other blobs.
        missing: Digests that are named but were not there to be taken, and whose absence no tombstone explains.
        conflicts: Aliases that stand in several places now; moving one settles it.
        ambiguous: Versions, such as `churn@v3`, that two artifacts have now; their ids tell them apart.
    """

    events: int = 0
    blobs: int = 0
    bytes: int = 0
    moved: int = 0
    missing: tuple[Digest, ...] = ()
    conflicts: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mirrored(Record):
    """How a mirror was brought up to date.

    Attributes:
        location: Where it is.
        events: Events in its log now.
        files: Files of content that it lacked.
        bytes: Their size.
    """

    location: str
    events: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Collected(Record):
    """What `gc` freed, or would free.

    Attributes:
        freed: Bytes of packs that were doomed long enough ago and are deleted.
        deleted: How many packs these are.
        doomed: Bytes that nothing needs, in packs that are doomed now; the next `gc` after the grace period frees them.
        waiting: Bytes of packs that were doomed before, not long enough ago.
        young: Bytes that nothing needs, in packs that were written lately: a put may be about to name them.
        scattered: Bytes that nothing needs, in packs of which too much is needed to write the rest anew.
        spared: How many doomed packs turned out to be needed.
        kept: How many artifacts in the trash keep their content, by the reason.
    """

    freed: int
    deleted: int
    doomed: int
    waiting: int
    young: int
    scattered: int
    spared: int
    kept: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Erased(Record):
    """What was erased.

    Attributes:
        blobs: Blobs whose bytes are gone.
        shared: Blobs of it that stay, since other content holds them.
        bytes: How much smaller the store is.
    """

    blobs: int
    shared: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Repaired(Record):
    """What was mended, and what is still wrong.

    Attributes:
        mended: Digests and files that are whole again.
        findings: What `verify` finds now.
    """

    mended: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Usage(Record):
    """What the versions of a name take.

    Attributes:
        name: The artifacts' name.
        versions: How many.
        size: Bytes of all versions as they are outside.
        stored: Bytes of the store that they need.
        alone: Those of them that nothing else needs.
    """

    name: str
    versions: int
    size: int
    stored: int
    alone: int


@dataclass(frozen=True, slots=True)
class Stats(Record):
    """What all content takes; sizes in bytes.

    Attributes:
        artifacts: How many there are.
        logical: Their sizes together, as if each were a file.
        distinct: As if equal content were kept once.
        records: Chunks and small blobs.
        unique: Their sizes together: as if equal chunks were kept once.
        stored: What they take, compressed or as differences.
        files: Of the store's files.
        codings: Stored bytes by how they are coded.
    """

    artifacts: int
    logical: int
    distinct: int
    records: int
    unique: int
    stored: int
    files: int
    codings: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class IndexStatus(Record):
    """How far an index has followed the log.

    Attributes:
        engine: `sqlite` or `neo4j`.
        location: A file, or a server's address.
        events: Events it holds; None where it cannot say.
        behind: Events of the log that it lacks; None where it cannot say.
        problem: Why it cannot say.
    """

    engine: str
    location: str
    events: int | None
    behind: int | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Advice(Record):
    """One line of `lin doctor`: `level` is `ok`, `warning` or `error`."""

    level: str
    subject: str
    message: str
    hint: str = ""
