"""What the graph lets into the log."""

import pytest
from hypothesis import given, settings

from lin.errors import ConflictError, InvalidInputError, NotFoundError, PermissionDeniedError
from lin.lineage.admission import GraphAdmission, alias_heads
from lin.lineage.apply import combine, contribution
from lin.lineage.envelope import SignedEvent, sign
from lin.lineage.events import (
    AliasMoved,
    ArtifactRecorded,
    EvaluationRecorded,
    Event,
    EventId,
    KeyChanged,
    RunFinished,
    RunStarted,
    RunUsed,
    TableIdentified,
    Tombstone,
    Use,
)
from lin.lineage.graph import Position
from lin.lineage.keys import ActorKey
from lin.lineage.memory import MemoryGraph
from lin.lineage.table_id import TableId
from lin.lineage.testing import dump, histories, ident
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus, Shape
from lin.store.digest import Digest

ME, YOU, NEW = (ActorKey.from_seed(bytes(31) + bytes([n])) for n in range(3))
NOWHERE = EventId(ident("nowhere"))


class Writer:
    """Submit requests as a sequencer would, one commit at a time."""

    def __init__(self):
        self.graph = MemoryGraph()
        self.admission = GraphAdmission(self.graph)
        self.moment = 0

    def said(self, statement, key=ME):
        self.moment += 1
        return sign(Event(f"2026-01-01T00:00:00.{self.moment:06}Z", key.id, statement), key)

    def commit(self, *statements, key=ME):
        """Admit and apply, as a commit of its own; return the ids."""
        signed = [item if isinstance(item, SignedEvent) else self.said(item, key) for item in statements]
        self.apply(GraphAdmission(self.graph).admit(signed))
        self.admission = GraphAdmission(self.graph)
        return [event.id for event in signed]

    def admit(self, *statements, key=ME):
        """Admit within the present commit; return the ids."""
        signed = [item if isinstance(item, SignedEvent) else self.said(item, key) for item in statements]
        self.admission.admit(signed)
        return [event.id for event in signed]

    def apply(self, signed):
        size = self.graph.position().size
        batch = combine(contribution(s.event, s.id, size + n) for n, s in enumerate(signed))
        self.graph.apply(batch, expected=size, position=Position(size + len(signed)))


@pytest.fixture
def writer():
    writer = Writer()
    writer.commit(KeyChanged("add", ME.public.hex()))
    return writer


def artifact(version=1, name="churn", kind=ArtifactKind.MODEL, **more):
    return ArtifactRecorded(kind, name, version, Digest.of(b"x"), Shape.BLOB, 1, **more)


def started(nonce="00"):
    return RunStarted("trees", "train.py", nonce)


def used(run, *artifacts):
    return RunUsed(run, tuple(Use(item, Role.TRAIN, Evidence.DECLARED) for item in artifacts))


# ---------------------------------------------------------------------------- what comes again


def test_what_is_known_is_left_out(writer):
    """Events that the log holds, and those admitted or given twice, enter once: a retry is safe."""
    old = writer.said(artifact(1))
    writer.commit(old)
    new, newer = writer.said(artifact(2)), writer.said(artifact(3))
    assert writer.admission.admit([old, new, old, new]) == [new]
    assert writer.admission.admit([new, newer]) == [newer]
    assert writer.admission.admit([old, new, newer]) == []
    assert writer.admission.admit([]) == []


@given(history=histories(actor=ME.id))
@settings(max_examples=30)
def test_valid_histories_enter(history):
    """Any valid history may enter, at once or event by event, and then again without effect."""
    signed = [sign(Event.parse(event.payload()), ME) for event in history]
    writer = Writer()
    key = writer.said(KeyChanged("add", ME.public.hex()))
    assert writer.admission.admit([key, *signed]) == [key, *signed]
    other = Writer()
    for event in (key, *signed):
        other.commit(event)
    writer.apply([key, *signed])
    assert dump(writer.graph) == dump(other.graph)
    assert GraphAdmission(other.graph).admit([key, *signed]) == []


def test_a_refused_request_leaves_no_trace(writer):
    """Nothing of a request that is refused counts for later ones, though its first events were right."""
    with pytest.raises(NotFoundError):
        writer.admit(artifact(1), AliasMoved("churn", "prod", NOWHERE))
    with pytest.raises(ConflictError):
        writer.admit(artifact(2))
    (model,) = writer.admit(artifact(1))
    writer.admit(AliasMoved("churn", "prod", model))


# ---------------------------------------------------------------------------- signatures and keys


def test_a_first_key_signs_itself():
    """An actor's first event adds the key that signed it; before that nothing of his enters."""
    writer = Writer()
    with pytest.raises(PermissionDeniedError, match="has no key") as caught:
        writer.admit(started())
    assert caught.value.hint
    writer.admit(KeyChanged("add", ME.public.hex()), started())
    writer.admit(started("01"))


def test_a_stranger_cannot_add_a_key_for_another():
    """A first event that adds another's key is not signed by that key."""
    writer = Writer()
    with pytest.raises(PermissionDeniedError):
        writer.admit(KeyChanged("add", YOU.public.hex()))


def test_a_wrong_signature(writer):
    """An event whose signature does not hold is refused."""
    good, other = writer.said(started("00")), writer.said(started("01"))
    signature = other.leaf[other.leaf.index(b'"signatures"') :]
    forged = SignedEvent(good.id, good.event, good.leaf[: good.leaf.index(b'"signatures"')] + signature)
    with pytest.raises(PermissionDeniedError, match="signature"):
        writer.admit(forged)
    writer.admit(good)


def test_a_revoked_key(writer):
    """What a revoked key signs is refused from then on, in the same commit and later, and it can't come back."""
    writer.admit(KeyChanged("revoke", ME.public.hex()))
    with pytest.raises(PermissionDeniedError, match="revoked"):
        writer.admit(started())
    writer.commit(KeyChanged("revoke", ME.public.hex()))
    for statement in (started(), KeyChanged("add", ME.public.hex())):
        with pytest.raises(PermissionDeniedError, match="revoked"):
            writer.admit(statement)
    writer.commit(KeyChanged("add", YOU.public.hex()), key=YOU)
    with pytest.raises(PermissionDeniedError, match="revoked"):
        writer.admit(KeyChanged("add", ME.public.hex()), key=YOU)


def test_who_may_revoke(writer):
    """A key is revoked by its holder, by who added it, or by who took it over; by nobody else."""
    writer.commit(KeyChanged("add", YOU.public.hex()))
    writer.commit(KeyChanged("add", NEW.public.hex()), key=NEW)
    with pytest.raises(PermissionDeniedError, match="can't revoke"):
        writer.admit(KeyChanged("revoke", ME.public.hex()), key=NEW)
    with pytest.raises(PermissionDeniedError, match="can't revoke"):
        writer.admit(KeyChanged("revoke", ME.public.hex()), key=YOU)
    writer.commit(KeyChanged("revoke", YOU.public.hex()))
    with pytest.raises(NotFoundError, match="no key to revoke"):
        writer.admit(KeyChanged("revoke", "aa" * 32))


def test_rotation(writer):
    """A new key that its predecessor introduced may sign, and may revoke the old one."""
    writer.commit(KeyChanged("add", NEW.public.hex(), ME.id))
    writer.commit(KeyChanged("revoke", ME.public.hex()), key=NEW)
    writer.admit(started(), key=NEW)
    with pytest.raises(PermissionDeniedError, match="itself can hand over"):
        writer.admit(KeyChanged("add", YOU.public.hex(), ME.id), key=NEW)


def test_a_key_is_added_once(writer):
    """Adding a known key is a conflict, for its holder too: two first uses may race, and the second reads again."""
    writer.admit(KeyChanged("add", YOU.public.hex()), key=YOU)
    for key in (ME, YOU):
        with pytest.raises(ConflictError, match="added already"):
            writer.admit(KeyChanged("add", YOU.public.hex()), key=key)


# ---------------------------------------------------------------------------- versions and aliases


@pytest.mark.parametrize("version", [1, 3])
def test_versions_follow_each_other(writer, version):
    """Any version but the next one is a conflict, so that the writer reads again."""
    writer.commit(artifact(1))
    with pytest.raises(ConflictError, match="the next version of churn is 2"):
        writer.admit(artifact(version))
    writer.admit(artifact(1, "other"))


def test_versions_follow_in_one_commit(writer):
    """Of two requests in one commit that claim the same version, the second is refused."""
    writer.admit(artifact(1))
    with pytest.raises(ConflictError):
        writer.admit(artifact(1))
    writer.admit(artifact(2), artifact(3))
    writer.admit(artifact(4))


def test_aliases_move_from_where_they_stand(writer):
    """An alias moves from exactly its present heads; anything else is a conflict."""
    (one,) = writer.commit(artifact(1))
    (two,) = writer.commit(artifact(2))
    (first,) = writer.commit(AliasMoved("churn", "prod", one))
    for previous in ((), (NOWHERE,), (first, NOWHERE), (first, first)):
        with pytest.raises((ConflictError, InvalidInputError)):
            writer.admit(AliasMoved("churn", "prod", two, previous))
    (second,) = writer.commit(AliasMoved("churn", "prod", two, (first,)))
    with pytest.raises(ConflictError, match="churn@prod was moved"):
        writer.admit(AliasMoved("churn", "prod", one, (first,)))
    assert [node.id for node in alias_heads(writer.graph, "churn", "prod")] == [second.value]
    writer.admit(AliasMoved("churn", "prod", one, (second,)), AliasMoved("churn", "best", one))
    with pytest.raises(ConflictError):
        writer.admit(AliasMoved("churn", "best", two))


def test_an_alias_can_be_taken_away_and_given_again(writer):
    """Taking an alias away is a move like any other; one that never was can't be taken away."""
    (one,) = writer.commit(artifact(1))
    with pytest.raises(NotFoundError, match="no alias churn@prod"):
        writer.admit(AliasMoved("churn", "prod"))
    (first,) = writer.commit(AliasMoved("churn", "prod", one))
    (gone,) = writer.commit(AliasMoved("churn", "prod", None, (first,)))
    writer.commit(AliasMoved("churn", "prod", one, (gone,)))


def test_concurrent_moves_are_settled_by_naming_both(writer):
    """Where events of another log left an alias with two heads, the next move replaces both."""
    (one,) = writer.commit(artifact(1))
    moves = [writer.said(AliasMoved("churn", "prod", one)) for _ in range(2)]
    writer.apply(moves)
    heads = tuple(move.id for move in moves)
    assert {node.id for node in alias_heads(writer.graph, "churn", "prod")} == {head.value for head in heads}
    with pytest.raises(ConflictError):
        writer.admit(AliasMoved("churn", "prod", one, heads[:1]))
    (settled,) = writer.commit(AliasMoved("churn", "prod", one, heads))
    assert [node.id for node in alias_heads(writer.graph, "churn", "prod")] == [settled.value]


def test_an_alias_is_not_replaced_by_another(writer):
    """A forged move of one alias that names another's as its predecessor does not take that one away."""
    (one,) = writer.commit(artifact(1))
    (first,) = writer.commit(AliasMoved("churn", "prod", one))
    writer.apply([writer.said(AliasMoved("churn", "best", one, (first,)))])
    assert [node.id for node in alias_heads(writer.graph, "churn", "prod")] == [first.value]
    assert alias_heads(writer.graph, "churn", "none") == []


def test_an_alias_stands_for_its_own_name(writer):
    """`churn@prod` can't stand for a version of something else, nor for what is no artifact."""
    (other,) = writer.commit(artifact(1, "other"))
    (run,) = writer.commit(started())
    with pytest.raises(InvalidInputError, match="versions of churn only"):
        writer.admit(AliasMoved("churn", "prod", other))
    with pytest.raises(InvalidInputError, match="is a run, not an artifact"):
        writer.admit(AliasMoved("churn", "prod", run))


# ---------------------------------------------------------------------------- references


def test_references_to_nowhere(writer):
    """Runs and artifacts that nobody has recorded can't be referred to."""
    (run,) = writer.commit(started())
    (data,) = writer.commit(artifact(1, "data", ArtifactKind.DATASET))
    (model,) = writer.commit(artifact(1))
    for statement in (
        artifact(2, run=NOWHERE),
        used(NOWHERE, data),
        used(run, data, NOWHERE),
        RunFinished(NOWHERE, RunStatus.FAILED),
        EvaluationRecorded(NOWHERE, data, run),
        EvaluationRecorded(model, NOWHERE, run),
        EvaluationRecorded(model, data, NOWHERE),
        AliasMoved("churn", "prod", NOWHERE),
    ):
        with pytest.raises(NotFoundError, match=NOWHERE.short):
            writer.admit(statement)


def test_references_of_the_wrong_kind(writer):
    """A run can't be used, an artifact can't finish, and only a model is evaluated."""
    (run,) = writer.commit(started())
    (data,) = writer.commit(artifact(1, "data", ArtifactKind.DATASET))
    (model,) = writer.commit(artifact(1))
    for statement in (
        artifact(2, run=data),
        used(data, data),
        used(run, run),
        RunFinished(model, RunStatus.FAILED),
        EvaluationRecorded(data, data, run),
        EvaluationRecorded(model, run, run),
        EvaluationRecorded(model, data, model),
    ):
        with pytest.raises(InvalidInputError):
            writer.admit(statement)


def test_a_whole_run_in_one_request(writer):
    """A request may refer to what its earlier events make, and to what earlier requests of the commit made."""
    data, run = writer.said(artifact(1, "data", ArtifactKind.DATASET)), writer.said(started())
    model = writer.said(artifact(1, run=run.id))
    writer.admit(data, run, used(run.id, data.id), model)
    writer.admit(EvaluationRecorded(model.id, data.id, run.id), RunFinished(run.id, RunStatus.SUCCEEDED))
    with pytest.raises(InvalidInputError, match="finished already"):
        writer.admit(RunFinished(run.id, RunStatus.FAILED))


def test_a_reference_to_what_comes_later(writer):
    """An event can't refer to one that only comes after it in the log."""
    run = writer.said(started())
    with pytest.raises(NotFoundError):
        writer.admit(artifact(1, run=run.id), run)


def test_a_run_finishes_once(writer):
    """A run that has finished can't finish again."""
    (run,) = writer.commit(started())
    writer.commit(RunFinished(run, RunStatus.FAILED))
    with pytest.raises(InvalidInputError, match="finished already"):
        writer.admit(RunFinished(run, RunStatus.SUCCEEDED))


def test_any_bytes_may_be_erased(writer):
    """A tombstone may name what is in no artifact: a blob inside a tree, or a detail."""
    writer.admit(Tombstone(Digest.of(b"somewhere inside"), "asked for"))


def a_table(content=b"data", table=1, rows=3):
    ids = TableId("set", bytes([table]) * 32), TableId("seq", bytes([table]) * 32)
    return TableIdentified(Digest.of(content), *ids, rows, 2, "csv", Digest.of(b"schema"))


def test_a_table_is_of_content_that_is_known(writer):
    """Which table some bytes hold is said of what the log holds, or is about to."""
    with pytest.raises(NotFoundError, match="no artifact has the content b3:"):
        writer.admit(a_table(b"nothing"))
    data = ArtifactRecorded(ArtifactKind.DATASET, "fresh", 1, Digest.of(b"fresh"), Shape.BLOB, 4)
    assert len(writer.admit(data, a_table(b"fresh"))) == 2


def test_several_may_say_which_table_it_is(writer):
    """Others may say the same, or something else; the log keeps who said what."""
    data = ArtifactRecorded(ArtifactKind.DATASET, "mine", 1, Digest.of(b"mine"), Shape.BLOB, 4)
    writer.commit(data, a_table(b"mine"), a_table(b"mine"), a_table(b"mine", table=2))
    you = writer.said(KeyChanged("add", YOU.public.hex()), YOU)
    assert len(writer.commit(you, a_table(b"mine", table=3), key=YOU)) == 2
