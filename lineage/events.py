"""Events: the signed statements that alone change a repository, and their bytes.

An event's payload is RFC 8785 canonical JSON; the specification is `docs/formats/log.md`. Unknown
fields and kinds are refused, never skipped: a reader that ignores half of a statement answers wrongly.
An event's id is the SHA-256 of its DSSE pre-authentication encoding, so the same statement by the same
actor is the same event, and recording it twice is recording it once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, ClassVar, Self, TypeVar

from lin.errors import InvalidInputError, UnsupportedFormatError
from lin.store.digest import Digest

from . import canonical
from .table_id import TableId
from .words import ArtifactKind, Evidence, Keeping, Role, RunStatus, Shape

PAYLOAD_TYPE = "application/vnd.lin.event.v0+json"
VERSION = 0
MAX_LEAF = 65_535
"""Bytes: what the length prefix of a log entry can say."""
MAX_USES = 50
"""Uses in one event, so that as many of the longest paths still fit into a leaf, in base64 and escaped."""
MAX_PATH = 400
"""UTF-8 bytes of a path in an event."""

Scalar = str | int | float | bool
"""What a parameter, metric or attribute may be; see `plain_number` for those that JSON has no number for."""


@dataclass(frozen=True, slots=True, order=True)
class EventId:
    """Name an event, and with it the artifact, run, evaluation or alias move that it made.

    Attributes:
        value: The 32 raw bytes of a SHA-256.
    """

    value: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read 64 lower-case hex digits; raises `InvalidInputError` for anything else."""
        try:
            value = bytes.fromhex(text)
        except ValueError:
            value = b""
        if len(value) != 32 or value.hex() != text:  # noqa: PLR2004 - SHA-256
            raise InvalidInputError(f"not an event id: {text!r}", hint="An id is 64 lower-case hexadecimal digits.")
        return cls(value)

    @classmethod
    def of(cls, payload: bytes) -> Self:
        """Name the event with this payload (the bytes of its canonical JSON)."""
        return cls(sha256(pae(PAYLOAD_TYPE, payload)).digest())

    @property
    def short(self) -> str:
        """The first 12 digits: for people to read, never to store."""
        return self.value.hex()[:12]

    def __str__(self) -> str:
        return self.value.hex()

    def __repr__(self) -> str:
        return f"EventId({str(self)!r})"


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the DSSE v1 pre-authentication encoding (https://github.com/secure-systems-lab/dsse)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def now() -> str:
    """Return the present as an event writes it: RFC 3339, UTC, microseconds."""
    return format_time(datetime.now(UTC))


def format_time(moment: datetime) -> str:
    """Write a moment as an event does: RFC 3339, UTC, microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Read a moment in exactly the form of `format_time`; raises `InvalidInputError` for any other."""
    try:
        # Faster than strptime, and laxer; the comparison below makes up for that.
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(f"not a time as events write it: {text!r}") from error
    # What `format_time` writes, without its price: only the years before 1000 would differ.
    if moment.tzinfo is not UTC or moment.isoformat(timespec="microseconds")[:26] + "Z" != text or moment.year < 1000:  # noqa: PLR2004
        raise InvalidInputError(f"not a time as events write it: {text!r}")
    return moment


# ---------------------------------------------------------------------------- what is said


@dataclass(frozen=True, slots=True)
class ArtifactRecorded:
    """Say that content occurred with a meaning: a file put, or written by a run.

    Attributes:
        kind: What it is to people.
        name: The name its versions share.
        version: 1 for the first artifact of that name, counted up within a repository.
        digest: Of the bytes, or of the tree.
        shape: Whether the digest names a blob or a tree.
        size: Bytes of content; for a tree, of all files below it.
        files: How many files a tree holds; 1 for a blob.
        run: The run that generated it, if lin knows of one.
        path: Where the run wrote it, relative to its folder.
        evidence: How lin knows that the run generated it.
        experiment: The experiment it belongs to.
        attributes: Small facts about it, such as a code artifact's git commit.
        detail: An erasable blob of canonical JSON with what may be personal.
    """

    TYPE: ClassVar[str] = "artifact"

    kind: ArtifactKind
    name: str
    version: int
    digest: Digest
    shape: Shape
    size: int
    files: int = 1
    run: EventId | None = None
    path: str | None = None
    evidence: Evidence | None = None
    experiment: str | None = None
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    detail: Digest | None = None


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Say that an execution began.

    Attributes:
        experiment: The experiment it belongs to.
        name: A name for people, such as the script's.
        parameters: Settings, by name.
        commit: The git commit that was checked out, in hex.
        nonce: Random hex digits, so that two runs that begin alike in one microsecond stay two.
        detail: An erasable blob of canonical JSON: command line, folder, host, user.
    """

    TYPE: ClassVar[str] = "run.started"

    experiment: str
    name: str
    nonce: str
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    commit: str | None = None
    detail: Digest | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """Link a run to an artifact it used.

    Attributes:
        artifact: Which artifact.
        role: What for.
        path: Where the run read it, relative to its folder.
        evidence: How lin knows.
    """

    artifact: EventId
    role: Role
    evidence: Evidence
    path: str | None = None


@dataclass(frozen=True, slots=True)
class RunUsed:
    """Say what a run used; a run may have many such events, of at most `MAX_USES` uses each."""

    TYPE: ClassVar[str] = "run.used"

    run: EventId
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Say how an execution ended.

    Attributes:
        run: Which run.
        status: Anything but `running`.
        exit_status: The command's own, 128 + n for signal n; None where there was no process.
        metrics: Measurements, by name.
        detail: An erasable blob of canonical JSON: the error's text, the last lines printed.
    """

    TYPE: ClassVar[str] = "run.finished"

    run: EventId
    status: RunStatus
    exit_status: int | None = None
    metrics: Mapping[str, Scalar] = field(default_factory=dict)
    detail: Digest | None = None


@dataclass(frozen=True, slots=True)
class EvaluationRecorded:
    """Say how one model did on one dataset, as measured by one run."""

    TYPE: ClassVar[str] = "evaluation"

    model: EventId
    dataset: EventId
    run: EventId
    metrics: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AliasMoved:
    """Point a movable name at an artifact.

    Attributes:
        name: The artifacts' name: `churn` in `churn@prod`.
        alias: The movable part: `prod` in `churn@prod`.
        artifact: What it stands for from now on; None takes the alias away.
        previous: The moves that this one replaces: none for the first, several to settle a conflict.
    """

    TYPE: ClassVar[str] = "alias"

    name: str
    alias: str
    artifact: EventId | None = None
    previous: tuple[EventId, ...] = ()


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Say that a blob was erased on purpose, so that its absence is no loss."""

    TYPE: ClassVar[str] = "tombstone"

    digest: Digest
    reason: str


@dataclass(frozen=True, slots=True)
class KeyChanged:
    """Add or revoke an actor's key.

    Attributes:
        action: `add` or `revoke`.
        key: The 32 raw bytes of the Ed25519 public key, in hex.
        replaces: The id of the actor whose key this one takes over (rotation).
    """

    TYPE: ClassVar[str] = "key"

    action: str
    key: str
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class TableIdentified:
    """Say which table some content holds, so that the same rows are found whatever file they are in.

    Anyone may say so of any content in the log, and several may; what they say of one reading of it should agree,
    since it follows from the bytes. Where it does not, readers show both.

    Attributes:
        content: Of the file or tree that was read.
        set: The table, whatever the order of its rows.
        seq: The table with its rows in this order.
        rows: How many.
        columns: How many.
        reader: What read it, such as `csv` or `parquet`.
        schema: A blob: names and types of the columns as they were read.
        part: Which of several tables that the content holds: a sheet, a database's table, an array, a file of a tree.
        options: How it was read, where that was chosen and changes what is read.
        summary: A blob: each column's digest, nulls, distinct values, least, greatest and quantiles.
        sketch: A blob: the least row keys, each once.
        keys: A blob: the first 8 bytes of every row's digest, sorted, with repeats.
    """

    TYPE: ClassVar[str] = "table"

    content: Digest
    set: TableId
    seq: TableId
    rows: int
    columns: int
    reader: str
    schema: Digest
    part: str | None = None
    options: Mapping[str, Scalar] = field(default_factory=dict)
    summary: Digest | None = None
    sketch: Digest | None = None
    keys: Digest | None = None


@dataclass(frozen=True, slots=True)
class KeepingChanged:
    """Say whether an artifact's content is to be kept: thrown into the trash, held, or neither any more.

    What is said here never concerns lineage, which is kept for ever. A decision stands until a later one names it, so
    two that were taken at once both stand, and a hold wins.

    Attributes:
        artifact: Which artifact.
        action: `trash` or `hold`; `restore` and `release` take these back.
        previous: The decisions on this artifact that this one takes back.
        reason: Why, for people.
    """

    TYPE: ClassVar[str] = "keep"

    artifact: EventId
    action: Keeping
    previous: tuple[EventId, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """Say that the leaves right before this one were taken over from another repository's log.

    What others said is judged by what their log held when they said it: it may hold versions that are taken here, and
    moves of aliases that stand elsewhere. Both are shown, and decided by nobody but people.

    Attributes:
        origin: The other log's name in its checkpoints.
        key: Its verifier key in signed-note form.
        checkpoint: Its signed checkpoint, as it was read: every event taken over is in the log that this names.
        events: How many leaves.
    """

    TYPE: ClassVar[str] = "import"

    origin: str
    key: str
    checkpoint: str
    events: int


Statement = (
    ArtifactRecorded
    | RunStarted
    | RunUsed
    | RunFinished
    | EvaluationRecorded
    | AliasMoved
    | Tombstone
    | KeyChanged
    | TableIdentified
    | KeepingChanged
    | Imported
)

STATEMENTS: Mapping[str, type[Statement]] = {
    statement.TYPE: statement
    for statement in (
        ArtifactRecorded,
        RunStarted,
        RunUsed,
        RunFinished,
        EvaluationRecorded,
        AliasMoved,
        Tombstone,
        KeyChanged,
        TableIdentified,
        KeepingChanged,
        Imported,
    )
}


def named_content(statement: Statement) -> Iterator[tuple[Digest, Shape]]:
    """Yield the blobs and trees that a statement stands on: what has to be where it is said."""
    match statement:
        case ArtifactRecorded(digest=digest, shape=shape, detail=detail):
            yield digest, shape
            blobs: tuple[Digest | None, ...] = (detail,)
        case RunStarted(detail=detail) | RunFinished(detail=detail):
            blobs = (detail,)
        case TableIdentified():
            blobs = (statement.schema, statement.summary, statement.sketch, statement.keys)
        case _:
            blobs = ()
    for blob in blobs:
        if blob is not None:
            yield blob, Shape.BLOB


@dataclass(frozen=True, slots=True)
class Event:
    """A statement with who made it and when they claim to have.

    Attributes:
        at: The actor's own clock, as `format_time` writes it: a claim, never used for order.
        actor: The id of the key that signs it: hex SHA-256 of the raw public key.
        statement: What is said.
    """

    at: str
    actor: str
    statement: Statement
    _body: Mapping[str, Any] | None = field(default=None, init=False, repr=False, compare=False)

    def body(self) -> dict[str, Any]:
        """Return the statement's fields as JSON; those that are absent or empty are left out."""
        if self._body is not None:
            return dict(self._body)
        document: dict[str, Any] = _encode(self.statement)
        return document

    def payload(self) -> bytes:
        """Return the canonical JSON (RFC 8785) of this event: the bytes that are signed.

        Raises:
            InvalidInputError: It says something that JSON can't: a lone surrogate, or a count beyond 2**53.
        """
        kind = self.statement.TYPE
        document: dict[str, Any] = {"actor": self.actor, "at": self.at, "body": self.body(), "kind": kind, "v": VERSION}
        try:
            return canonical.dumps(document)
        except ValueError as error:  # also what the encoders raise by themselves
            raise InvalidInputError(f"a {kind} event can't be written: {error}") from error

    @property
    def id(self) -> EventId:
        """Compute the id from the payload."""
        return EventId.of(self.payload())

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read a payload.

        Raises:
            UnsupportedFormatError: The version or kind is one this lin does not know.
            InvalidInputError: It is not a canonical event: bad JSON, an unknown or missing field, a value
                out of range, or bytes that differ from the canonical form of what they say.
        """
        try:
            document = json.loads(payload.decode("utf-8", "surrogatepass"))
            version, kind = document["v"], str(document["kind"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidInputError(f"not an event: {payload[:80]!r}") from error
        if version != VERSION or kind not in STATEMENTS:
            raise UnsupportedFormatError(
                f"event of version {version!r} and kind {kind!r} is not known to this lin", hint="Install a newer lin."
            )
        try:
            parse_time(document["at"])
            body = document["body"]
            event = cls(document["at"], _id(document["actor"]), _decode(STATEMENTS[kind], body))
            _check(event.statement)
            # Every field was read by a decoder that takes one form only, and none is there that says nothing. So what
            # the event would be written as is this document, and it remains to see that these are its bytes.
            written = canonical.dumps(document, expected=payload)
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInputError(f"not a valid {kind} event: {error}") from error
        if written != payload or type(version) is not int or document.keys() != _EVENT_FIELDS:
            raise InvalidInputError(f"the {kind} event {EventId.of(payload)} is not in canonical form")
        object.__setattr__(event, "_body", body)
        return event


_EVENT_FIELDS = {"actor", "at", "body", "kind", "v"}


# ---------------------------------------------------------------------------- to and from JSON


def plain_number(value: Scalar) -> Scalar:
    """Return a value that JSON can hold: what has no exact number there becomes a string of it."""
    if isinstance(value, int) and abs(value) > 2**53 - 1:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, float) and value.is_integer() and abs(value) > 2**53 - 1:
        return repr(value)  # canonical JSON would write it as an integer, which reads back as no exact number
    return value


def _encode(value: Any) -> Any:
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (EventId, Digest, TableId)):
        return str(value)
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain_number(item) for key, item in value.items()}
    pairs = ((name, getattr(value, name)) for name in _FIELDS[type(value)])
    # Absent and default mean the same; one of them has to be the canonical form.
    return {name: _encode(item) for name, item in pairs if item is not None and item not in ((), {})}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, found {value!r}")
    return value


def _id(value: Any) -> str:
    return str(EventId.parse(_text(value)))


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected an integer, found {value!r}")
    return value


def _scalars(value: Any) -> dict[str, Scalar]:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, found {value!r}")
    for key, item in value.items():
        if not isinstance(item, (str, int, float, bool)):
            raise TypeError(f"{key}: expected a string, number or boolean, found {item!r}")
        if type(item) is not str and plain_number(item) is not item:
            raise ValueError(f"{key}: {item!r} is written as a string")
    return value


def _uses(value: Any) -> tuple[Use, ...]:
    return tuple(_decode(Use, item) for item in _list(value))


def _ids(value: Any) -> tuple[EventId, ...]:
    return tuple(EventId.parse(item) for item in _list(value))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {value!r}")
    return value


_DECODERS: Mapping[str, Callable[[Any], Any]] = {
    "ArtifactKind": ArtifactKind,
    "Role": Role,
    "Evidence": Evidence,
    "Evidence | None": Evidence,
    "RunStatus": RunStatus,
    "Keeping": Keeping,
    "Shape": Shape,
    "str": _text,
    "str | None": _text,
    "int": _count,
    "int | None": _count,
    "Digest": Digest.parse,
    "Digest | None": Digest.parse,
    "EventId": EventId.parse,
    "EventId | None": EventId.parse,
    "TableId": TableId.parse,
    "Mapping[str, Scalar]": _scalars,
    "tuple[Use, ...]": _uses,
    "tuple[EventId, ...]": _ids,
}


def _check(statement: Statement) -> None:
    """Refuse values out of range, which the types alone don't."""
    match statement:
        case ArtifactRecorded():
            _require(statement.name != "", "an artifact has a name")
            _require(statement.version >= 1, "versions count from 1")
            _require(min(statement.size, statement.files) >= 0, "no size and no number of files is negative")
            _check_path(statement.path)
        case RunUsed():
            _require(len(statement.uses) <= MAX_USES, f"at most {MAX_USES} uses go into one event")
            for use in statement.uses:
                _check_path(use.path)
        case RunFinished():
            _require(statement.status is not RunStatus.RUNNING, "a run that finished is not running")
        case AliasMoved():
            _require(statement.name != "" and statement.alias != "", "an alias has both of its names")
        case KeyChanged():
            _require(statement.action in {"add", "revoke"}, f"keys have no action {statement.action!r}")
            _id(statement.key)  # as many digits as an id
            _id(statement.replaces or statement.key)
        case TableIdentified():
            _require((statement.set.order, statement.seq.order) == ("set", "seq"), "a table has a set and a seq")
            _require(min(statement.rows, statement.columns) >= 0, "no number of rows or columns is negative")
            _require(statement.reader != "", "something read the table")
            _require(statement.part != "", "a part has a name")
        case KeepingChanged():
            takes_back = statement.action in {Keeping.RESTORE, Keeping.RELEASE}
            _require(takes_back == bool(statement.previous), "what is taken back is named, and only then")
        case Imported():
            _require(statement.events >= 1, "something was taken over")
            _require(statement.origin != "", "a log has an origin")
        case _:
            pass


def _check_path(path: str | None) -> None:
    _require(path is None or 0 < len(path.encode()) <= MAX_PATH, f"a path has 1 to {MAX_PATH} bytes: {path!r}")


def _require(truth: bool, otherwise: str) -> None:
    if not truth:
        raise ValueError(otherwise)


T = TypeVar("T")


_FIELDS: Mapping[type[Any], Mapping[str, Callable[[Any], Any]]] = {
    cls: {f.name: _DECODERS[str(f.type)] for f in fields(cls)} for cls in (*STATEMENTS.values(), Use)
}
"""How to read each field of each class, in the order of its fields."""


_EMPTY: tuple[Any, ...] = ((), {})
_ALWAYS: Mapping[type[Any], frozenset[str]] = {
    cls: frozenset(f.name for f in fields(cls) if f.default not in (None, ()) and f.default_factory is MISSING)
    for cls in _FIELDS
}
"""The fields of each class that are written whatever they say: absent means absent or empty, never a default."""


def _decode(cls: type[T], document: Any) -> T:
    if not isinstance(document, dict):
        raise TypeError(f"expected an object, found {document!r}")
    decoders = _FIELDS[cls]
    unknown = document.keys() - decoders.keys()
    if unknown:
        raise ValueError(f"unknown field {min(unknown)!r}")
    if not _ALWAYS[cls] <= document.keys():
        raise ValueError(f"missing field {min(_ALWAYS[cls] - document.keys())!r}")
    values = {name: decoders[name](item) for name, item in document.items()}
    for name, value in values.items():
        if value in _EMPTY:
            raise ValueError(f"{name} is empty, and is left out then")
    return cls(**values)
