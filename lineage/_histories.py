"""Hypothesis strategies for events: random histories as real repositories could hold them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from hypothesis import strategies as st

from lin.store.digest import Digest

from .events import (
    AliasMoved,
    ArtifactRecorded,
    EvaluationRecorded,
    Event,
    EventId,
    KeepingChanged,
    KeyChanged,
    RunFinished,
    RunStarted,
    RunUsed,
    Scalar,
    Statement,
    TableIdentified,
    Tombstone,
    Use,
    format_time,
)
from .table_id import TableId
from .words import ArtifactKind, Evidence, Keeping, Role, RunStatus, Shape

_START = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS = st.sampled_from(["churn", "flights", "Model", "été", "train.py"])
_ALIASES = st.sampled_from(["prod", "best"])
_PATHS = st.none() | st.sampled_from(["data.csv", "out/model.joblib", "ü b.txt"])
_EVIDENCE = st.sampled_from(Evidence)


def scalars() -> st.SearchStrategy[Scalar]:
    """Draw what a parameter, metric or attribute may be."""
    numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=True, allow_infinity=True)
    return st.booleans() | numbers | st.text(max_size=5)


def mappings() -> st.SearchStrategy[dict[str, Scalar]]:
    """Draw parameters, metrics or attributes."""
    return st.dictionaries(st.text("abcé/", min_size=1, max_size=3), scalars(), max_size=3)


def digests() -> st.SearchStrategy[Digest]:
    """Draw one of a few digests, so that some content occurs often."""
    return st.integers(0, 5).map(lambda number: Digest.of(b"%d" % number))


@dataclass
class _World:
    """What a history has said so far."""

    versions: dict[str, int] = field(default_factory=dict)
    artifacts: dict[ArtifactKind, list[EventId]] = field(default_factory=dict)
    runs: list[EventId] = field(default_factory=list)
    running: list[EventId] = field(default_factory=list)
    heads: dict[tuple[str, str], tuple[EventId, ...]] = field(default_factory=dict)
    named: dict[str, list[EventId]] = field(default_factory=dict)
    kept: list[tuple[EventId, EventId, Keeping]] = field(default_factory=list)
    contents: list[Digest] = field(default_factory=list)

    def of(self, *kinds: ArtifactKind) -> list[EventId]:
        return [artifact for kind in kinds or ArtifactKind for artifact in self.artifacts.get(kind, [])]


@st.composite
def statements(draw: st.DrawFn, world: Any = None) -> Statement:
    """Draw a statement that is valid after what `world` holds; on its own, one that refers to nothing."""
    world = world if world is not None else _World()
    choices = ["artifact", "artifact", "started"]
    if world.runs and world.of():
        choices += ["used", "used"]
    if world.running:
        choices.append("finished")
    if world.runs and world.of(ArtifactKind.MODEL) and world.of(ArtifactKind.DATASET):
        choices.append("evaluation")
    if world.named:
        choices.append("alias")
    choices += ["tombstone", "table", "keeping"] if world.of() else []
    drawn: Statement = _DRAWERS[draw(st.sampled_from(choices))](draw, world)
    return drawn


@st.composite
def histories(draw: st.DrawFn, max_events: int = 15, actor: str | None = None) -> tuple[Event, ...]:
    """Draw events in an order in which a log could hold them: later ones refer to earlier ones.

    Args:
        draw: Hypothesis's own.
        max_events: At most so many.
        actor: The id of the one who says all of it; otherwise a `key` event comes first, for a key of nobody.
    """
    world = _World()
    events: list[Event] = []
    if actor is None:
        key = bytes(range(32))
        actor = sha256(key).hexdigest()
        events.append(Event(format_time(_START), actor, KeyChanged("add", key.hex())))
    for number in range(draw(st.integers(1, max_events))):
        # Clocks jump and stand still; order is the log's.
        at = format_time(_START + timedelta(microseconds=number + draw(st.integers(-3, 3))))
        event = Event(at, actor, draw(statements(world)))
        if event not in events:
            events.append(event)
            _remember(world, event)
    return tuple(events)


def _remember(world: _World, event: Event) -> None:
    match event.statement:
        case ArtifactRecorded() as artifact:
            world.versions[artifact.name] = artifact.version
            world.artifacts.setdefault(artifact.kind, []).append(event.id)
            world.named.setdefault(artifact.name, []).append(event.id)
            world.contents.append(artifact.digest)
        case RunStarted():
            world.runs.append(event.id)
            world.running.append(event.id)
        case RunFinished(run=run):
            world.running.remove(run)
        case KeepingChanged(artifact=artifact, action=action):
            world.kept.append((artifact, event.id, action))
        case AliasMoved(name=name, alias=alias):
            world.heads[name, alias] = (event.id,)
        case _:
            pass


def _artifact(draw: st.DrawFn, world: _World) -> Statement:
    name = draw(_WORDS)
    run = draw(st.sampled_from([None, *world.runs]))
    return ArtifactRecorded(
        kind=draw(st.sampled_from(ArtifactKind)),
        name=name,
        version=world.versions.get(name, 0) + 1,
        digest=draw(digests()),
        shape=draw(st.sampled_from(Shape)),
        size=draw(st.integers(0, 9)),
        run=run,
        path=draw(_PATHS) if run else None,
        evidence=draw(_EVIDENCE) if run else None,
        experiment=draw(st.none() | _WORDS),
        attributes=draw(mappings()),
    )


def _started(draw: st.DrawFn, _: _World) -> Statement:
    return RunStarted(draw(_WORDS), draw(_WORDS), draw(st.text("0123456789abcdef", min_size=32, max_size=32)), {})


def _used(draw: st.DrawFn, world: _World) -> Statement:
    use = st.builds(Use, st.sampled_from(world.of()), st.sampled_from(Role), _EVIDENCE, _PATHS)
    return RunUsed(draw(st.sampled_from(world.runs)), tuple(draw(st.lists(use, min_size=1, max_size=3))))


def _finished(draw: st.DrawFn, world: _World) -> Statement:
    status = draw(st.sampled_from([RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.INTERRUPTED]))
    return RunFinished(draw(st.sampled_from(world.running)), status, draw(st.none() | st.just(1)), draw(mappings()))


def _evaluation(draw: st.DrawFn, world: _World) -> Statement:
    return EvaluationRecorded(
        draw(st.sampled_from(world.of(ArtifactKind.MODEL))),
        draw(st.sampled_from(world.of(ArtifactKind.DATASET))),
        draw(st.sampled_from(world.runs)),
        draw(mappings()),
    )


def _alias(draw: st.DrawFn, world: _World) -> Statement:
    name, alias = draw(st.sampled_from(sorted(world.named))), draw(_ALIASES)
    heads = world.heads.get((name, alias), ())
    targets: list[EventId | None] = [*world.named[name]]
    return AliasMoved(name, alias, draw(st.sampled_from([*targets, None] if heads else targets)), heads)


def _keeping(draw: st.DrawFn, world: _World) -> Statement:
    standing = [kept for kept in world.kept if kept[2] in {Keeping.TRASH, Keeping.HOLD}]
    takes_back: bool = draw(st.booleans())
    if standing and takes_back:
        which: int = draw(st.integers(0, len(standing) - 1))
        taken_back = standing[which]
        back = Keeping.RESTORE if taken_back[2] is Keeping.TRASH else Keeping.RELEASE
        return KeepingChanged(taken_back[0], back, (taken_back[1],))
    action: Keeping = draw(st.sampled_from([Keeping.TRASH, Keeping.HOLD]))
    return KeepingChanged(draw(st.sampled_from(world.of())), action)


def _tombstone(draw: st.DrawFn, _: _World) -> Statement:
    return Tombstone(draw(digests()), draw(st.sampled_from(["asked for", "too large"])))


def _table(draw: st.DrawFn, world: _World) -> Statement:
    number = draw(st.integers(0, 2))  # few tables, so that some content holds the same one, and some is disputed
    return TableIdentified(
        content=draw(st.sampled_from(world.contents)),
        set=TableId("set", bytes([number]) * 32),
        seq=TableId("seq", bytes([draw(st.integers(0, 1))]) * 32),
        rows=number,
        columns=1,
        reader=draw(st.sampled_from(["csv", "parquet"])),
        schema=draw(digests()),
        part=draw(st.none() | st.just("sheet")),
        options=draw(mappings()),
        keys=draw(st.none() | digests()),
    )


_DRAWERS: dict[str, Any] = {
    "artifact": _artifact,
    "started": _started,
    "used": _used,
    "finished": _finished,
    "evaluation": _evaluation,
    "alias": _alias,
    "tombstone": _tombstone,
    "keeping": _keeping,
    "table": _table,
}
