"""What an audit finds."""

from __future__ import annotations

import shutil

import pytest

from lin.errors import BackendError
from lin.lineage.audit import Problem, audit
from lin.lineage.envelope import sign
from lin.lineage.events import (
    AliasMoved,
    ArtifactRecorded,
    EvaluationRecorded,
    Event,
    EventId,
    KeyChanged,
    RunFinished,
    RunUsed,
    TableIdentified,
    Tombstone,
    Use,
)
from lin.lineage.keys import ActorKey
from lin.lineage.log import CHECKPOINT, Log
from lin.lineage.log_testing import ACTOR_KEY, AT, LOG_KEY, BreakingPlace, introduction, run_started
from lin.lineage.table_id import TableId
from lin.lineage.tiles import decode_bundle, encode_bundle, tiles_of
from lin.lineage.words import ArtifactKind, Evidence, Role, RunStatus, Shape
from lin.store.digest import Digest
from lin.store.local import LocalPlace

SIZE = 600
BOB = ActorKey.from_seed(b"b" * 32)
EVE = ActorKey.from_seed(b"e" * 32)


def said(statement, key=ACTOR_KEY):
    return sign(Event(AT, key.id, statement), key)


def log_at(path) -> Log:
    return Log(LocalPlace(path), LOG_KEY.verifier)


def log_of(path, events) -> Log:
    log = log_at(path)
    log.create(LOG_KEY)
    log.extend([event.leaf for event in events], LOG_KEY)
    return log


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A sound log of 600 events; full and partial tiles on two levels."""
    path = tmp_path_factory.mktemp("log")
    log_of(path, [introduction(), *(run_started(f"{number}") for number in range(1, SIZE))])
    return path


@pytest.fixture
def path(original, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(original, tmp_path / "copy")


def found(log, **options):
    return [(finding.kind, finding.name) for finding in audit(log, **options).findings]


def test_a_sound_log_has_no_findings(path):
    """And the audit says what it was checked against, and how far it is."""
    steps = []
    report = audit(log_at(path), progress=lambda done, total: steps.append((done, total)))
    assert report.findings == ()
    assert report.checkpoint is not None
    assert report.checkpoint.size == SIZE
    assert steps == [(0, 600), (256, 600), (512, 600), (600, 600)]


def test_an_empty_log_is_sound(tmp_path):
    """It implies no file but its checkpoint."""
    assert found(log_of(tmp_path, [])) == []


@pytest.mark.parametrize("name", [tile.name for tile in tiles_of(SIZE)])
def test_every_missing_file_is_named(path, name):
    """Whichever implied file is deleted, it is the one and only finding."""
    (path / "log" / name).unlink()
    assert found(log_at(path)) == [(Problem.MISSING, f"log/{name}")]


@pytest.mark.parametrize("name", [tile.name for tile in tiles_of(SIZE)])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "longer"])
def test_every_damaged_file_is_named_and_no_other(path, name, damage):
    """A bit flipped, the end cut off, nothing left, or something added: the damaged file is found and no sound one."""
    file = path / "log" / name
    data = file.read_bytes()
    # The last byte of an entry bundle is in the envelope of the last event.
    changed = {"flip": data[:-1] + bytes([data[-1] ^ 1]), "cut": data[:-1], "empty": b"", "longer": data + b"\0"}
    file.write_bytes(changed[damage])
    findings = found(log_at(path))
    assert {name for kind, name in findings if kind is not Problem.LEAF} == {f"log/{name}"}
    assert {kind for kind, _ in findings} <= {Problem.DAMAGED, Problem.LEAF}


def test_several_damages_are_all_found(path):
    """One does not hide another."""
    (path / "log/tile/0/000").unlink()
    (path / "log/tile/entries/001").unlink()
    (path / "log/tile/1/000.p/2").write_bytes(bytes(64))
    names = {name for _, name in found(log_at(path))}
    assert {"log/tile/0/000", "log/tile/entries/001", "log/tile/1/000.p/2"} <= names


def test_leaves_and_tiles_that_agree_but_were_not_signed_are_found(path, tmp_path):
    """A log whose files fit together, but not with the checkpoint, has another root."""
    other = log_of(tmp_path / "other", [introduction(), *(run_started(f"x{number}") for number in range(1, SIZE))])
    assert found(other) == []
    shutil.copy(path / CHECKPOINT, tmp_path / "other" / CHECKPOINT)
    assert (Problem.ROOT, CHECKPOINT) in found(other)


def test_a_missing_bundle_and_tile_leave_the_root_open(path):
    """If leaves and their digests are both gone, the root can't be computed; the report says so."""
    (path / "log/tile/0/002.p/88").unlink()
    (path / "log/tile/entries/002.p/88").unlink()
    assert found(log_at(path)) == [
        (Problem.MISSING, "log/tile/entries/002.p/88"),
        (Problem.MISSING, "log/tile/0/002.p/88"),
        (Problem.ROOT, CHECKPOINT),
    ]


@pytest.mark.parametrize("data", [None, b"", b"lin/x\n0\n", "other"])
def test_a_bad_checkpoint_ends_the_audit(path, data):
    """Without a signed checkpoint there is nothing to check against."""
    if data is None:
        (path / CHECKPOINT).unlink()
    elif data == "other":
        note = (path / CHECKPOINT).read_bytes()
        (path / CHECKPOINT).write_bytes(note.replace(b"\n600\n", b"\n599\n"))
    else:
        (path / CHECKPOINT).write_bytes(data)
    report = audit(log_at(path))
    assert [(finding.kind, finding.name) for finding in report.findings] == [(Problem.CHECKPOINT, CHECKPOINT)]
    assert report.checkpoint is None


def test_a_rollback_is_found(path):
    """An old checkpoint with its tiles is a sound log, but not the one that was seen."""
    log = log_at(path)
    seen = log.checkpoint()
    log.extend([run_started("more").leaf], LOG_KEY)
    newer = log.checkpoint()
    (path / CHECKPOINT).write_bytes(seen.note)
    assert found(log) == []
    assert found(log, seen=(seen.size, seen.root)) == []
    assert found(log, seen=(newer.size, newer.root)) == [(Problem.HISTORY, CHECKPOINT)]
    assert found(log, seen=(5, bytes(32))) == [(Problem.HISTORY, CHECKPOINT)]


def test_a_log_may_grow_while_it_is_audited(path):
    """The audit holds on to the state that it began with."""
    log = log_at(path)

    def grow(done, total):
        log.extend([run_started(f"more {done}/{number}").leaf for number in range(50)], LOG_KEY)

    report = audit(log, progress=grow)
    assert report.findings == ()
    assert report.checkpoint is not None
    assert report.checkpoint.size == SIZE


def test_a_log_may_grow_just_when_an_audit_begins(path):
    """If partial tiles go away between looking at the checkpoint and reading them, the next state is audited."""
    log = log_at(path)
    left = [3, 2, 1]

    class Racing(BreakingPlace):
        def read(self, name):
            if ".p/" in name and left:
                log.extend([run_started(f"more {left.pop()}").leaf], LOG_KEY)
            return self.inner.read(name)

    report = audit(Log(Racing(LocalPlace(path)), LOG_KEY.verifier))
    assert report.findings == ()
    assert report.checkpoint is not None
    assert report.checkpoint.size > SIZE


def test_a_failing_disk_is_no_finding(path):
    """What can't be reached is not said to be damaged."""

    class Broken(BreakingPlace):
        def read(self, name):
            if "tile/0/001" in name:
                raise BackendError("the disk failed")
            return self.inner.read(name)

    with pytest.raises(BackendError):
        audit(Log(Broken(LocalPlace(path)), LOG_KEY.verifier))


# ---------------------------------------------------------------------------- events


DATA = ArtifactRecorded(ArtifactKind.DATASET, "data", 1, Digest.of(b"data"), Shape.BLOB, 4)


def test_a_history_with_every_kind_of_event_is_sound(tmp_path):
    """And the audit names all content, and what of it was erased."""
    run, data = run_started("train"), said(DATA)
    detail = Digest.of(b"detail")
    model = said(
        ArtifactRecorded(
            ArtifactKind.MODEL, "model", 1, Digest.of(b"tree"), Shape.TREE, 9, 2, run.id, "m", Evidence.DECLARED
        )
    )
    first = said(AliasMoved("model", "prod", model.id))
    events = [
        introduction(),
        run,
        data,
        said(RunUsed(run.id, (Use(data.id, Role.TRAIN, Evidence.DECLARED),))),
        model,
        said(RunFinished(run.id, RunStatus.SUCCEEDED, 0, {}, detail)),
        said(EvaluationRecorded(model.id, data.id, run.id, {"auc": 0.9})),
        first,
        said(AliasMoved("model", "prod", None, (first.id,))),
        said(
            TableIdentified(
                *(Digest.of(b"data"), TableId("set", bytes(32)), TableId("seq", bytes(32)), 1, 1, "csv"),
                schema=Digest.of(b"schema"),
                keys=Digest.of(b"keys"),
            )
        ),
        said(Tombstone(Digest.of(b"data"), "asked to")),
        said(KeyChanged("add", BOB.public.hex(), ACTOR_KEY.id)),
        said(KeyChanged("revoke", ACTOR_KEY.public.hex()), BOB),
    ]
    report = audit(log_of(tmp_path, events))
    assert report.findings == ()
    blobs = dict.fromkeys((Digest.of(b"data"), Digest.of(b"schema"), Digest.of(b"keys"), detail), Shape.BLOB)
    assert report.content == {**blobs, Digest.of(b"tree"): Shape.TREE}
    assert report.erased == {Digest.of(b"data")}


def problems(path, *events):
    return [(finding.kind, finding.message) for finding in audit(log_of(path, events)).findings]


def test_references_may_point_forward(tmp_path):
    """Events of other logs may come in any order."""
    run = run_started("run")
    assert problems(tmp_path, introduction(), said(RunFinished(run.id, RunStatus.FAILED)), run) == []


def test_references_to_nothing_are_found(tmp_path):
    """An event that names what no event made is found, once for each thing."""
    ghost = EventId(bytes(32))
    used = said(RunUsed(ghost, (Use(ghost, Role.TEST, Evidence.OBSERVED),)))
    moved = said(AliasMoved("a", "b", None, (ghost,)))
    assert problems(tmp_path, introduction(), used, moved) == [
        (Problem.REFERENCE, f"it names the {kind} 000000000000, which no event made")
        for kind in ("run", "artifact", "alias")
    ]


def test_references_to_the_wrong_kind_of_thing_are_found(tmp_path):
    """Whether that thing comes before or after."""
    run, later = run_started("run"), run_started("later")
    moved, early = said(AliasMoved("a", "b", run.id)), said(AliasMoved("a", "c", later.id))
    assert problems(tmp_path, introduction(), run, moved, early, later) == [
        (Problem.REFERENCE, f"it names {run.id.short} as one of kind artifact, not run"),
        (Problem.REFERENCE, f"it names {later.id.short} as one of kind artifact, not run"),
    ]


def test_an_event_that_is_twice_in_the_log_is_found(tmp_path):
    """A sequencer would have left it out."""
    run = run_started("run")
    assert problems(tmp_path, introduction(), run, run) == [
        (Problem.DUPLICATE, f"event {run.id.short} is in the log twice")
    ]


def test_what_is_no_event_is_found(tmp_path):
    """Also an event of a newer lin, which is said to be that; references are not judged then."""
    log = log_at(tmp_path)
    log.create(LOG_KEY)
    newer = introduction().leaf.replace(b"event.v0", b"event.v9")
    dangling = said(RunFinished(EventId(bytes(32)), RunStatus.FAILED))
    log.extend([introduction().leaf, b"no event", newer, dangling.leaf], LOG_KEY)
    assert found(log) == [(Problem.LEAF, "event 1"), (Problem.UNKNOWN, "event 2")]


def test_unknown_actors_are_found(tmp_path):
    """An actor whose key no earlier event introduces may not sign; a later introduction does not help."""
    assert problems(tmp_path, run_started("early"), introduction(), run_started("late")) == [
        (Problem.SIGNATURE, f"no event before introduces the key of actor {ACTOR_KEY.id[:12]}")
    ]


def test_revoked_keys_are_refused_from_then_on(tmp_path):
    """What they signed before stays; adding them again does not help."""
    events = [
        introduction(),
        introduction(BOB),
        run_started("before", BOB),
        said(KeyChanged("revoke", BOB.public.hex()), BOB),
        run_started("after", BOB),
        said(KeyChanged("add", BOB.public.hex())),
        run_started("still", BOB),
    ]
    refused = (Problem.SIGNATURE, f"the key of actor {BOB.id[:12]} was revoked before")
    assert problems(tmp_path, *events) == [refused, refused]


def test_not_everyone_revokes(tmp_path):
    """A stranger's revocation is found and has no effect; who added a key, or took it over, may revoke it."""
    events = [
        introduction(),
        introduction(EVE),
        said(KeyChanged("revoke", ACTOR_KEY.public.hex()), EVE),
        run_started("still valid"),
        said(KeyChanged("add", BOB.public.hex(), ACTOR_KEY.id)),
        said(KeyChanged("revoke", ACTOR_KEY.public.hex()), BOB),
    ]
    assert problems(tmp_path, *events) == [
        (Problem.SIGNATURE, f"actor {EVE.id[:12]} may not revoke the key of actor {ACTOR_KEY.id[:12]}")
    ]


def test_a_forged_signature_is_found(tmp_path):
    """An event whose signature is another one's is found, although the log's own key signed the log."""
    one, two = run_started("one"), run_started("two")
    forged = one.leaf[:-95] + two.leaf[-95:]
    log = log_at(tmp_path)
    log.create(LOG_KEY)
    log.extend([introduction().leaf, forged], LOG_KEY)
    assert found(log) == [(Problem.SIGNATURE, f"event 1 ({one.id.short})")]


def test_a_changed_event_is_found_in_its_bundle(path):
    """Leaves that were replaced by others, each valid by itself, are named by their position."""
    file = path / "log/tile/entries/001"
    leaves = list(decode_bundle(file.read_bytes()))
    leaves[44] = run_started("smuggled in").leaf
    file.write_bytes(encode_bundle(leaves))
    (finding,) = audit(log_at(path)).findings
    assert (finding.kind, finding.name) == (Problem.DAMAGED, "log/tile/entries/001")
    assert "entry 300 " in finding.message
