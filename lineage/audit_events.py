"""Check what the leaves of a log say: form, signatures, repeats, and references between events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lin.errors import CorruptLogError, InvalidInputError, LinError, UnsupportedFormatError
from lin.store.digest import Digest

from .checkpoint import Checkpoint
from .envelope import SignedEvent, parse, verify
from .events import (
    AliasMoved,
    ArtifactRecorded,
    EvaluationRecorded,
    EventId,
    Imported,
    KeepingChanged,
    KeyChanged,
    RunFinished,
    RunStarted,
    RunUsed,
    Statement,
    Tombstone,
    named_content,
)
from .findings import Finding, Problem
from .keys import actor_id
from .note import VerifierKey
from .words import Shape


@dataclass(frozen=True, slots=True)
class _Key:
    """A key that may sign.

    Attributes:
        public: Its 32 raw bytes.
        added_by: The actor whose event introduced it.
        replaces: The actor whose key it took over.
    """

    public: bytes
    added_by: str
    replaces: str | None


class UnknownActorError(CorruptLogError):
    """Say that the key of an event's actor is not known."""


class Actors:
    """Know who may sign, as the `key` events so far say.

    An actor may introduce itself, or be introduced by another one. A key is revoked by its holder, by who
    added it, or by who took it over, and stays revoked.
    """

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}
        self._revoked: set[str] = set()

    def check(self, signed: SignedEvent) -> None:
        """Verify an event's signature, and learn from it if it is a `key` event.

        Raises:
            CorruptLogError: The signature is wrong, or its actor is unknown, revoked, or may not say this.
        """
        actor, statement = signed.event.actor, signed.event.statement
        change = _change(statement, actor) if isinstance(statement, KeyChanged) else None
        key = self._keys.get(actor)
        if key is None and change is not None and change[0] == actor:
            key = change[1]
        if actor in self._revoked:
            raise CorruptLogError(f"the key of actor {actor[:12]} was revoked before")
        if key is None:
            raise UnknownActorError(f"no event before introduces the key of actor {actor[:12]}")
        verify(signed, key.public)
        if isinstance(statement, KeyChanged) and change is not None:
            self._apply(statement, actor, key, change)

    def _apply(self, statement: KeyChanged, actor: str, key: _Key, change: tuple[str, _Key]) -> None:
        concerned, new = change
        if statement.action == "add":
            self._keys.setdefault(concerned, new)
            return
        old = self._keys.get(concerned)
        if actor not in (concerned, old.added_by if old else None) and key.replaces != concerned:
            raise CorruptLogError(f"actor {actor[:12]} may not revoke the key of actor {concerned[:12]}")
        self._revoked.add(concerned)


def _change(statement: KeyChanged, actor: str) -> tuple[str, _Key]:
    public = bytes.fromhex(statement.key)
    return actor_id(public), _Key(public, actor, statement.replaces)


class EventChecks:
    """Check leaves one after the other, and note what is wrong with them."""

    def __init__(self, findings: list[Finding]) -> None:
        self._findings = findings
        self._actors = Actors()
        self._made: dict[bytes, str] = {}
        self._wanted: dict[tuple[bytes, str], str] = {}
        self._complete = True
        self.content: dict[Digest, Shape] = {}
        self.erased: set[Digest] = set()

    def check(self, position: int, leaf: bytes) -> None:
        """Check the leaf at a position."""
        try:
            signed = parse(leaf)
        except UnsupportedFormatError as error:
            self._complete = False
            self._add(Problem.UNKNOWN, f"event {position}", error.message)
            return
        except LinError as error:
            self._complete = False
            self._add(Problem.LEAF, f"event {position}", error.message)
            return
        name = f"event {position} ({signed.id.short})"
        try:
            self._actors.check(signed)
        except CorruptLogError as error:
            # Where leaves could not be read, the introduction may be among them.
            if self._complete or not isinstance(error, UnknownActorError):
                self._add(Problem.SIGNATURE, name, error.message)
        if signed.id.value in self._made:
            self._add(Problem.DUPLICATE, name, f"event {signed.id.short} is in the log twice")
            return
        self._refer(name, signed)
        if isinstance(signed.event.statement, Imported):
            self._check_import(name, signed.event.statement, position)

    def _check_import(self, name: str, statement: Imported, position: int) -> None:
        if statement.events > position:
            self._add(
                Problem.REFERENCE, name, f"it speaks of {statement.events} leaves before it, there are {position}"
            )
        try:
            verifier = VerifierKey.parse(statement.key)
            Checkpoint.parse(statement.checkpoint.encode(), verifier)
            if verifier.name != statement.origin:
                raise CorruptLogError(f"the key is that of {verifier.name}, not of {statement.origin}")  # noqa: TRY301 - one way out
        except (CorruptLogError, InvalidInputError) as error:
            self._add(Problem.SIGNATURE, name, f"the checkpoint of {statement.origin} in it: {error.message}")

    def skip(self, count: int) -> None:
        """Take note of leaves that could not be read."""
        if count:
            self._complete = False

    def finish(self) -> None:
        """Note the references that nothing in the log answers."""
        if not self._complete:
            return  # what they name may be in a leaf that could not be read, which is a finding by itself
        for (target, kind), name in self._wanted.items():
            self._add(Problem.REFERENCE, name, f"it names the {kind} {EventId(target).short}, which no event made")

    # ------------------------------------------------------------------------

    def _add(self, kind: Problem, name: str, message: str) -> None:
        self._findings.append(Finding(kind, name, message))

    def _refer(self, name: str, signed: SignedEvent) -> None:
        kind = _made_by(signed.event.statement)
        self._made[signed.id.value] = kind
        for wanted in [key for key in ((signed.id.value, word) for word in _WORDS) if key in self._wanted]:
            referrer = self._wanted.pop(wanted)
            if wanted[1] != kind:
                self._mismatch(referrer, wanted, kind)
        for target, word in _references(signed.event.statement):
            made = self._made.get(target.value)
            if made is None:
                self._wanted.setdefault((target.value, word), name)
            elif made != word:
                self._mismatch(name, (target.value, word), made)
        self._note_content(signed.event.statement)

    def _mismatch(self, name: str, wanted: tuple[bytes, str], made: str) -> None:
        short = EventId(wanted[0]).short
        self._add(Problem.REFERENCE, name, f"it names {short} as one of kind {wanted[1]}, not {made}")

    def _note_content(self, statement: Statement) -> None:
        if isinstance(statement, Tombstone):
            self.erased.add(statement.digest)
        for digest, shape in named_content(statement):
            if self.content.get(digest) is not Shape.TREE:
                self.content[digest] = shape


_ARTIFACT, _RUN, _ALIAS, _KEEPING, _OTHER = "artifact", "run", "alias", "keep", "other"
_WORDS = (_ARTIFACT, _RUN, _ALIAS, _KEEPING)


def _made_by(statement: Statement) -> str:
    if isinstance(statement, ArtifactRecorded):
        return _ARTIFACT
    if isinstance(statement, RunStarted):
        return _RUN
    if isinstance(statement, KeepingChanged):
        return _KEEPING
    return _ALIAS if isinstance(statement, AliasMoved) else _OTHER


def _references(statement: Statement) -> Iterator[tuple[EventId, str]]:  # noqa: C901 - one branch a statement
    """Yield what a statement names, and what kind of thing that must be."""
    match statement:
        case ArtifactRecorded(run=EventId() as run):
            yield run, _RUN
        case RunUsed():
            yield statement.run, _RUN
            for use in statement.uses:
                yield use.artifact, _ARTIFACT
        case RunFinished():
            yield statement.run, _RUN
        case EvaluationRecorded():
            yield statement.model, _ARTIFACT
            yield statement.dataset, _ARTIFACT
            yield statement.run, _RUN
        case AliasMoved():
            if statement.artifact is not None:
                yield statement.artifact, _ARTIFACT
            for previous in statement.previous:
                yield previous, _ALIAS
        case KeepingChanged():
            yield statement.artifact, _ARTIFACT
            for previous in statement.previous:
                yield previous, _KEEPING
        case _:
            pass
