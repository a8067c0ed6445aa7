"""Writers that share nothing but a bucket."""

from __future__ import annotations

import threading

import pytest

from lin.errors import ConflictError, CorruptLogError, LinError, ReadOnlyError
from lin.lineage import optimistic
from lin.lineage.commits import commit_name
from lin.lineage.keys import LogKey
from lin.lineage.log import CHECKPOINT, Log
from lin.lineage.log_testing import (
    LOG_KEY,
    ORIGIN,
    BreakingPlace,
    CrashError,
    ScanningAdmission,
    ids,
    run_started,
)
from lin.lineage.merkle import Frontier, leaf_digest
from lin.lineage.sequencer import Sequencer
from lin.lineage.tiles import encode_bundle
from lin.store.places import open_place


@pytest.fixture
def log(request, tmp_path):
    log = Log(open_place(f"memory://bucket-{id(request)}-{tmp_path.name}"), LOG_KEY.verifier)
    log.create(LOG_KEY)
    return log


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(optimistic, "_PAUSE_SECONDS", 0)


def fresh(log, request) -> Log:
    """Return an empty log in another bucket."""
    other = Log(open_place(f"{log.place.url}-{request}"), LOG_KEY.verifier)
    other.create(LOG_KEY)
    return other


def sequencer_of(log, *, admission=ScanningAdmission) -> Sequencer:
    return Sequencer(log, lambda: LOG_KEY, lambda: admission(log))


def is_sound(log) -> bool:
    return Frontier().extend(leaf_digest(leaf.data) for leaf in log.read()).root == log.checkpoint().root


def names_of(*names):
    return sorted(run_started(name).id for name in names)


def test_what_is_submitted_is_in_the_log(log):
    """In order, each once, with a commit file for each commit."""
    sequencer = sequencer_of(log)
    sequencer.submit([run_started("one"), run_started("two")])
    sequencer.submit([run_started("three"), run_started("one")])
    assert ids(log) == [run_started(name).id for name in ("one", "two", "three")]
    commits = sorted(info.name for info in log.place.list("log/commit"))
    assert commits == ["log/commit/00000000000000000000", "log/commit/00000000000000000002"]


def test_a_refused_request_makes_no_commit(log):
    """Refusals are answered without writing."""
    with pytest.raises(ConflictError):
        sequencer_of(log).submit([run_started("x", experiment="refused")])
    assert not list(log.place.list("log/commit"))


def test_without_the_key_nothing_is_written(log, tmp_path):
    """Reading a bucket needs no key, writing does; a wrong one is refused too."""
    for key, error in (
        (lambda: LogKey.load(tmp_path, ORIGIN), "no private key"),
        (lambda: LogKey.from_seed(ORIGIN, bytes(32)), "not that of this log"),
    ):
        with pytest.raises(ReadOnlyError, match=error):
            Sequencer(log, key, lambda: ScanningAdmission(log)).submit([run_started("x")])
    assert [info.name for info in log.place.list()] == [CHECKPOINT]


def test_a_crash_at_any_write_loses_nothing_acknowledged(log):
    """Whatever write a submit dies at, others go on, and submitting again puts the event in exactly once."""
    for after in (False, True):
        broken_at = 0
        crashed = True
        while crashed:
            there = fresh(log, f"{after}{broken_at}")
            sequencer_of(there).submit([run_started("one")])
            sequencer_of(there).submit([run_started("two")])
            breaking = Log(BreakingPlace(there.place, broken_at, after=after), LOG_KEY.verifier)
            try:
                sequencer_of(breaking).submit([run_started("three"), run_started("four")])
            except CrashError:
                crashed = True
            else:
                crashed = False
            sequencer_of(there).submit([run_started("five")])
            sequencer_of(there).submit([run_started("three"), run_started("four")])
            assert sorted(ids(there)) == names_of("one", "two", "three", "four", "five")
            assert is_sound(there)
            broken_at += 1
        assert broken_at > 3


def test_a_commit_of_a_writer_that_died_is_completed_by_the_next(log):
    """If the commit file is there and nothing else, its leaves are in the log before any others."""
    breaking = Log(BreakingPlace(log.place, 1), LOG_KEY.verifier)
    with pytest.raises(CrashError):
        sequencer_of(breaking).submit([run_started("died")])
    assert log.checkpoint().size == 0
    sequencer_of(log).submit([run_started("next")])
    assert ids(log) == [run_started("died").id, run_started("next").id]


def test_a_late_writer_does_not_take_the_log_back(log):
    """A writer that wakes up long after others went on leaves their checkpoint in place, or brings it back."""

    class Late(BreakingPlace):
        """Fall asleep at the moment of replacing the checkpoint, until others have gone on."""

        def replace(self, name, data):
            if name == CHECKPOINT:
                for number in range(3):
                    sequencer_of(log).submit([run_started(f"other {number}")])
            self.inner.replace(name, data)

    sequencer_of(Log(Late(log.place), LOG_KEY.verifier)).submit([run_started("late")])
    assert ids(log) == [run_started(name).id for name in ("late", "other 0", "other 1", "other 2")]
    assert is_sound(log)


@pytest.mark.parametrize("late", [0.0, 1000.0])
def test_a_writer_that_is_late_leaves_the_log_as_others_left_it(log, late, monkeypatch):
    """If others went on while a writer wrote its tiles, all is there when it returns; if it took long, at any time."""
    monkeypatch.setattr("lin.lineage.optimistic._LATE_SECONDS", late)
    sizes: list[int] = []

    class Late(BreakingPlace):
        """Fall asleep before the first tile, until others have gone on."""

        def replace(self, name, data):
            if not sizes:
                sizes.append(0)
                for number in range(3):
                    sequencer_of(Log(self, LOG_KEY.verifier)).submit([run_started(f"other {number}")])
            self.inner.replace(name, data)
            if name == CHECKPOINT:
                sizes.append(log.checkpoint().size)

    sequencer_of(Log(Late(log.place), LOG_KEY.verifier)).submit([run_started("late")])
    assert log.checkpoint().size == 4
    assert is_sound(log)
    assert late or sizes == [0, 1, 2, 3, 4]


def test_a_late_writer_that_dies_leaves_a_log_that_the_next_one_mends(log):
    """Even a checkpoint that was taken back is brought up again, from the commit files."""
    sequencer = sequencer_of(log)
    old = log.checkpoint()
    for name in ("one", "two", "three"):
        sequencer.submit([run_started(name)])
        old = old if old.size else log.checkpoint()
    log.place.replace(CHECKPOINT, old.note)
    assert log.checkpoint().size == 1
    sequencer.submit([run_started("four")])
    assert ids(log) == [run_started(name).id for name in ("one", "two", "three", "four")]
    assert is_sound(log)


def test_the_loser_of_a_race_comes_next(log):
    """If another writer takes the place between looking and committing, the request is judged and tried again."""
    judged = []

    class Raced(ScanningAdmission):
        def __init__(self, log):
            super().__init__(log)
            judged.append(log.checkpoint().size)
            if len(judged) == 1:
                sequencer_of(log).submit([run_started("winner")])

    sequencer_of(log, admission=Raced).submit([run_started("loser")])
    assert judged == [0, 1]
    assert ids(log) == [run_started("winner").id, run_started("loser").id]


def test_who_always_loses_is_told_so(log, monkeypatch):
    """After many lost races the request fails as a conflict, and nothing of it is in the log."""
    monkeypatch.setattr(optimistic, "_TRIES", 5)
    count = iter(range(100))

    class Raced(ScanningAdmission):
        def __init__(self, log):
            super().__init__(log)
            sequencer_of(log).submit([run_started(f"winner {next(count)}")])

    with pytest.raises(ConflictError, match="5 times"):
        sequencer_of(log, admission=Raced).submit([run_started("loser")])
    assert log.checkpoint().size == 5


def test_an_answer_that_got_lost_is_no_second_event(log):
    """If the bucket reports a failure although the commit file was written, trying again finds it."""

    class Unsure(BreakingPlace):
        """Write the first commit file, and say that it was there already, as after a lost answer."""

        def create(self, name, data):
            self.inner.create(name, data)
            self.inner.create(name, data)

    sequencer_of(Log(Unsure(log.place), LOG_KEY.verifier)).submit([run_started("once")])
    assert ids(log) == [run_started("once").id]


def test_many_writers_at_once(log):
    """6 writers of 8 events each, all with sequencers of their own: each event is there once."""
    failures = []

    def write(writer):
        try:
            for number in range(8):
                sequencer_of(Log(log.place, LOG_KEY.verifier)).submit([run_started(f"{writer}/{number}")])
        except LinError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(ids(log)) == names_of(*(f"{writer}/{number}" for writer in range(6) for number in range(8)))
    assert is_sound(log)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        encode_bundle([b"no note", b"leaf"]),
        "unsigned",
        "stolen",
    ],
)
def test_a_commit_file_that_the_logs_key_did_not_sign_is_not_completed(log, data):
    """Who can write to the bucket, but has no key, can stop the log but not write to it."""
    sequencer_of(log).submit([run_started("one")])
    real = log.place.read(commit_name(0))
    if data == "unsigned":
        data = encode_bundle([log.checkpoint().note, b"leaf"])
    elif data == "stolen":
        data = real
    log.place.create(commit_name(1), data)
    with pytest.raises(CorruptLogError):
        sequencer_of(log).submit([run_started("two")])
    assert log.checkpoint().size == 1


def test_a_signed_commit_whose_leaves_were_changed_is_not_completed(log):
    """The checkpoint in a commit file signs its leaves."""
    breaking = Log(BreakingPlace(log.place, 1), LOG_KEY.verifier)
    with pytest.raises(CrashError):
        sequencer_of(breaking).submit([run_started("one")])
    data = log.place.read(commit_name(0))
    log.place.replace(commit_name(0), data[:-1] + b"!")
    with pytest.raises(CorruptLogError, match="does not lead"):
        sequencer_of(log).submit([run_started("two")])
