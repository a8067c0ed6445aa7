"""Writers beside one another, and what is left of them when they die."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from lin.errors import AmbiguousRefError, BackendError, ConflictError, LinError, ReadOnlyError, StorageFullError
from lin.lineage.admitting import Request
from lin.lineage.keys import LogKey
from lin.lineage.log import Log
from lin.lineage.log_testing import (
    LOG_KEY,
    BreakingPlace,
    CrashError,
    ScanningAdmission,
    ids,
    introduction,
    run_started,
)
from lin.lineage.merkle import Frontier, leaf_digest
from lin.lineage.sequencer import Sequencer
from lin.lineage.waiting import WaitingRoom
from lin.store.local import LocalPlace

WRITER = """
import sys
from pathlib import Path
from lin.lineage.log import Log
from lin.lineage.log_testing import LOG_KEY, ScanningAdmission, run_started
from lin.lineage.sequencer import Sequencer
from lin.lineage.waiting import WaitingRoom
from lin.store.local import LocalPlace

folder, name, count = sys.argv[1:]
log = Log(LocalPlace(folder), LOG_KEY.verifier)
known = {}
sequencer = Sequencer(log, lambda: LOG_KEY, lambda: ScanningAdmission(log, known))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(count)):
    signed = run_started(f"{name}/{number}")
    sequencer.submit([signed])
    print(signed.id, flush=True)
"""

KILLED = """
import os, signal, sys
from pathlib import Path
from lin.lineage.log import Log
from lin.lineage.log_testing import LOG_KEY, BreakingPlace, ScanningAdmission, run_started
from lin.lineage.sequencer import Sequencer
from lin.store.local import LocalPlace

def die():
    os.kill(os.getpid(), signal.SIGKILL)

folder, broken_at, after = sys.argv[1:]
place = BreakingPlace(LocalPlace(folder), int(broken_at), error=die, after=after == "after")
log = Log(place, LOG_KEY.verifier)
sequencer = Sequencer(log, lambda: LOG_KEY, lambda: ScanningAdmission(log), folder=Path(folder, "tmp"))
sequencer.submit([run_started("three")])
print("acknowledged", flush=True)
"""


@pytest.fixture
def log(tmp_path):
    log = Log(LocalPlace(tmp_path), LOG_KEY.verifier)
    log.create(LOG_KEY)
    return log


def sequencer_of(log, *, admission=ScanningAdmission, **options) -> Sequencer:
    return Sequencer(log, lambda: LOG_KEY, lambda: admission(log), **options)


def writer(folder, name, count):
    command = [sys.executable, "-c", WRITER, str(folder), name, str(count)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def is_sound(log) -> bool:
    return Frontier().extend(leaf_digest(leaf.data) for leaf in log.read()).root == log.checkpoint().root


def left_behind(log) -> list[str]:
    queue = log.place.root / "tmp" / "queue"
    return sorted(file.name for file in queue.iterdir()) if queue.exists() else []


def test_what_is_submitted_is_in_the_log(log):
    """In the order of the request."""
    request = [introduction(), run_started("one"), run_started("two")]
    sequencer_of(log).submit(request)
    assert ids(log) == [signed.id for signed in request]


def test_the_same_event_twice_is_one_event(log):
    """In one request, in two, and by another sequencer."""
    one, two = run_started("one"), run_started("two")
    sequencer_of(log).submit([one, one])
    sequencer_of(log).submit([one, two])
    sequencer_of(log).submit([two])
    assert ids(log) == [one.id, two.id]


def test_an_empty_request_is_no_commit(log):
    """Nothing is asked, nothing is written."""
    Sequencer(log, lambda: pytest.fail("no key needed"), lambda: pytest.fail("no admission needed")).submit([])
    assert log.checkpoint().size == 0


def test_a_refused_request_leaves_nothing(log):
    """All or none: the accepted half of a refused request is not in the log."""
    with pytest.raises(ConflictError, match="'bad' is refused") as caught:
        sequencer_of(log).submit([run_started("good"), run_started("bad", experiment="refused")])
    assert caught.value.hint == "Name another experiment."
    assert ids(log) == []


def test_without_a_key_nothing_is_written(log, tmp_path):
    """The error is the key's own, and comes before the lock."""
    sequencer = Sequencer(log, lambda: LogKey.load(tmp_path / "config", log.origin), lambda: ScanningAdmission(log))
    with pytest.raises(ReadOnlyError, match="no private key"):
        sequencer.submit([run_started("x")])
    assert not (tmp_path / "tmp" / "log.lock").exists()


def test_an_admission_may_be_a_context(log):
    """It is entered and left once in each commit, before the index may follow."""
    steps = []

    @contextmanager
    def admission():
        steps.append("open")
        yield ScanningAdmission(log)
        steps.append("close")

    sequencer = Sequencer(log, lambda: LOG_KEY, admission, committed=lambda: steps.append("committed"))
    sequencer.submit([run_started("one")])
    sequencer.submit([run_started("one")])
    assert steps == ["open", "close", "committed", "open", "close"]


def test_an_index_that_fails_to_follow_is_no_failure(log):
    """The events are durable by then."""

    def committed():
        raise BackendError("the index is busy")

    sequencer_of(log, committed=committed).submit([run_started("one")])
    assert len(ids(log)) == 1


def test_after_a_failure_the_next_request_goes_through(log):
    """A full disk fails the request that met it, and no other."""
    breaking = BreakingPlace(log.place, 0, error=lambda: StorageFullError("full"))
    sequencer = sequencer_of(Log(breaking, LOG_KEY.verifier), folder=log.place.root / "tmp")
    with pytest.raises(StorageFullError):
        sequencer.submit([run_started("one")])
    sequencer.submit([run_started("two")])
    assert ids(log) == [run_started("two").id]


def test_a_crash_at_any_write_loses_nothing_acknowledged(tmp_path):
    """Whatever write a submit dies at, submitting again puts the event into the log exactly once."""
    for after in (False, True):
        broken_at = 0
        crashed = True
        while crashed:
            place = LocalPlace(tmp_path / f"{after}{broken_at}")
            log = Log(place, LOG_KEY.verifier)
            log.create(LOG_KEY)
            sequencer = sequencer_of(log)
            sequencer.submit([run_started("one")])
            sequencer.submit([run_started("two")])
            breaking = Log(BreakingPlace(place, broken_at, after=after), LOG_KEY.verifier)
            try:
                sequencer_of(breaking, folder=place.root / "tmp").submit([run_started("three")])
            except CrashError:
                crashed = True
            else:
                crashed = False
            sequencer.submit([run_started("four")])
            sequencer.submit([run_started("three")])
            names = ("one", "two", "three", "four")
            assert sorted(ids(log)) == sorted(run_started(name).id for name in names)
            assert is_sound(log)
            broken_at += 1
        assert broken_at > 3


def test_threads_share_commits(log):
    """Threads that submit while a commit is on its way are committed together with the next one."""
    first, gathered = threading.Event(), threading.Event()
    commits = []

    class Slow(ScanningAdmission):
        def __init__(self, log):
            super().__init__(log)
            commits.append(log.checkpoint().size)
            if len(commits) == 1:
                first.set()
                assert gathered.wait(60)

    sequencer = sequencer_of(log, admission=Slow)
    threads = [threading.Thread(target=sequencer.submit, args=([run_started(f"{n}")],)) for n in range(20)]
    threads[0].start()
    assert first.wait(60)
    for thread in threads[1:]:
        thread.start()
    while len(sequencer._pending) < 19:  # each appends itself before it waits
        threading.Event().wait(0.001)
    gathered.set()
    for thread in threads:
        thread.join()
    assert commits == [0, 1]
    assert sorted(ids(log)) == sorted(run_started(f"{n}").id for n in range(20))


def test_threads_get_their_own_answers(log):
    """Of threads that are committed together, only those that were refused get an error."""
    sequencer = sequencer_of(log)
    answers: dict[int, str | None] = {}

    def submit(number):
        try:
            sequencer.submit([run_started(f"{number}", experiment="refused" if number % 3 == 0 else "e")])
        except ConflictError as error:
            answers[number] = error.message
        else:
            answers[number] = None

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: None if number % 3 else f"run '{number}' is refused" for number in range(12)}
    assert log.checkpoint().size == 8


def test_a_failed_leader_does_not_fail_the_others(log):
    """Of threads that are committed together, only one gets the error of a failing disk; the others try again."""
    first, gathered = threading.Event(), threading.Event()

    class Slow(ScanningAdmission):
        def __init__(self, log):
            super().__init__(log)
            if not first.is_set():
                first.set()
                assert gathered.wait(60)

    # The first commit makes three writes: a bundle, a tile and the checkpoint.
    breaking = Log(BreakingPlace(log.place, 3, error=lambda: BackendError("once")), LOG_KEY.verifier)
    sequencer = sequencer_of(breaking, admission=Slow, folder=log.place.root / "tmp")
    outcomes = {}

    def submit(number):
        try:
            sequencer.submit([run_started(f"{number}")])
        except LinError as error:
            outcomes[number] = error.message
        else:
            outcomes[number] = "done"

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(8)]
    threads[0].start()
    assert first.wait(60)
    for thread in threads[1:]:
        thread.start()
    while len(sequencer._pending) < 7:
        threading.Event().wait(0.001)
    gathered.set()
    for thread in threads:
        thread.join()
    assert sorted(outcomes.values()) == ["done"] * 7 + ["once"]
    done = {run_started(f"{number}").id for number, outcome in outcomes.items() if outcome == "done"}
    assert set(ids(log)) == done


def test_processes_share_commits(log, tmp_path):
    """Requests that wait while another process holds the lock are committed by the one that gets it next."""
    processes = [writer(tmp_path, f"p{n}", 1) for n in range(4)]
    commits: list[int] = []

    class Counting(ScanningAdmission):
        def __init__(self, log):
            super().__init__(log)
            if not commits:
                for process in processes:
                    go(process)
                while sum(name.endswith(".request") for name in left_behind(log)) < 4:
                    threading.Event().wait(0.001)
            commits.append(log.checkpoint().size)

    # The first commit looks at the queue before it is asked for an admission, so the four wait for the second.
    sequencer = sequencer_of(log, admission=Counting)
    sequencer.submit([run_started("first")])
    printed = {process.communicate()[0].strip() for process in processes}
    assert printed == {str(run_started(f"p{n}/0").id) for n in range(4)}
    assert {str(event) for event in ids(log)} == printed | {str(run_started("first").id)}
    assert left_behind(log) == []


def test_answers_travel_between_processes(log, tmp_path):
    """A waiting process gets the error of its own request, with its kind, hint and all it carries."""
    lock = os.open(tmp_path / "tmp" / "log.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    caught = []

    def submit(name, experiment):
        try:
            sequencer_of(log).submit([run_started(name, experiment=experiment)])
        except LinError as error:
            caught.append((type(error), error.message, error.hint))
        else:
            caught.append(name)

    threads = [threading.Thread(target=submit, args=pair) for pair in (("good", "e"), ("bad", "refused"))]
    for thread in threads:
        thread.start()
    while sum(name.endswith(".request") for name in left_behind(log)) < 2:
        threading.Event().wait(0.001)
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)
    for thread in threads:
        thread.join()
    assert sorted(caught, key=str) == sorted(
        ["good", (ConflictError, "run 'bad' is refused", "Name another experiment.")], key=str
    )
    assert left_behind(log) == []


def test_each_acknowledged_event_is_in_the_log_once(log, tmp_path):
    """8 processes submit 50 events each at once: every one of the 400 is there exactly once, and the log is sound."""
    processes = [writer(tmp_path, f"p{n}", 50) for n in range(8)]
    for process in processes:
        go(process)
    printed = [line for process in processes for line in process.communicate()[0].split()]
    assert [process.returncode for process in processes] == [0] * 8
    logged = [str(event) for event in ids(log)]
    assert len(logged) == 400
    assert sorted(logged) == sorted(printed)
    assert is_sound(log)
    assert left_behind(log) == []


@pytest.mark.parametrize("after", ["before", "after"])
@pytest.mark.parametrize("broken_at", range(6))
def test_a_leader_killed_at_any_write_loses_nothing(log, tmp_path, broken_at, after):
    """SIGKILL just before or after each write: the system frees the lock, and the log goes on, sound."""
    sequencer_of(log).submit([run_started("one")])
    sequencer_of(log).submit([run_started("two")])
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(broken_at), after]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) in ((-signal.SIGKILL, ""), (0, "acknowledged\n")), done.stderr
    if done.returncode == 0:
        assert broken_at >= 4  # three writes, and what can be tidied up
        assert log.checkpoint().size == 3
    sequencer_of(log).submit([run_started("four")])
    sequencer_of(log).submit([run_started("three")])
    assert sorted(ids(log)) == sorted(run_started(name).id for name in ("one", "two", "three", "four"))
    assert is_sound(log)


@pytest.mark.parametrize("seed", range(3))
def test_killed_writers_lose_nothing_acknowledged(log, tmp_path, seed):
    """Writers are killed at random moments while others go on: what was acknowledged is there, once."""
    chance = random.Random(seed)
    processes = [writer(tmp_path, f"p{n}", 10_000) for n in range(4)]
    for process in processes:
        go(process)
    acknowledged = []
    for process in processes:
        output = process.stdout
        assert output
        acknowledged += [output.readline().strip() for _ in range(chance.randrange(3, 25))]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.communicate()[0].split("\n")[:-1]
    sequencer_of(log).submit([run_started("afterwards")])
    logged = [str(event) for event in ids(log)]
    assert len(set(logged)) == len(logged)
    assert set(acknowledged) <= set(logged)
    assert is_sound(log)
    # A request whose owner died is committed or still waits, and nothing keeps the next writers up.
    assert not [name for name in left_behind(log) if name.endswith(".request")]


def test_half_of_a_torn_request_is_not_taken_for_a_request(log, tmp_path):
    """A file that was cut between two events of a request has another digest than it says."""
    room, request = WaitingRoom(tmp_path / "tmp" / "queue"), Request([run_started("one"), run_started("two")])
    ticket = room.ticket()
    room.leave(ticket, request)
    (file,) = (tmp_path / "tmp" / "queue").iterdir()
    file.write_bytes(file.read_bytes()[: -2 - len(run_started("two").leaf)])
    sequencer_of(log).submit([run_started("three")])
    assert ids(log) == [run_started("three").id]
    room.collect(ticket, request)
    with pytest.raises(LinError, match="torn"):
        request.result()


def test_an_answered_request_is_not_asked_again(tmp_path):
    """If its leader died between answering a request and taking it away, the answer stands."""
    room, request = WaitingRoom(tmp_path), Request([run_started("one")])
    ticket = room.ticket()
    room.leave(ticket, request)
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    room.answer(ticket, ConflictError("no"))
    file.write_bytes(data)
    assert not list(room.waiting())
    room.collect(ticket, request)
    with pytest.raises(ConflictError):
        request.result()


def test_torn_requests_and_answers_of_the_dead_are_cleared_away(log, tmp_path):
    """After a power cut the queue may hold anything; none of it gets into the log or in the way."""
    queue = tmp_path / "tmp" / "queue"
    queue.mkdir(parents=True)
    (queue / "00-1-a.request").write_bytes(b"torn")
    (queue / "00-1-b.answer").write_bytes(b"null")
    (queue / "00-1-c.answer.draft").write_bytes(b"nu")
    (queue / "unrelated").write_bytes(b"")
    for file in queue.iterdir():
        os.utime(file, (0, 0))
    sequencer_of(log).submit([run_started("one")])
    sequencer_of(log).submit([run_started("two")])
    assert len(ids(log)) == 2
    assert left_behind(log) in (["unrelated"], ["00-1-a.answer", "unrelated"])


def test_an_interrupted_wait_leaves_no_request(log, tmp_path):
    """Who gives up waiting takes the request back."""
    lock = os.open(tmp_path / "tmp" / "log.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = writer(tmp_path, "p", 1)
    go(process)
    while not [name for name in left_behind(log) if name.endswith(".request")]:
        threading.Event().wait(0.001)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode != 0
    assert left_behind(log) == []
    os.close(lock)
    assert log.checkpoint().size == 0


def test_an_error_with_more_to_it_survives_the_way_between_processes(log, tmp_path):
    """Also what a kind of error carries beside its text."""
    room, request = WaitingRoom(tmp_path / "room"), Request([run_started("x")])
    ticket = room.ticket()
    room.leave(ticket, request)
    ((found, theirs),) = room.waiting()
    assert (found, theirs.events) == (ticket, request.events)
    room.answer(ticket, AmbiguousRefError("which?", candidates=("a", "b"), hint="Choose."))
    assert not list(room.waiting())
    room.collect(ticket, request)
    with pytest.raises(AmbiguousRefError, match=r"which\?") as caught:
        request.result()
    assert (caught.value.candidates, caught.value.hint) == (("a", "b"), "Choose.")
    room.answer(ticket, ZeroDivisionError("bug"))
    room.collect(ticket, request)
    with pytest.raises(LinError, match="ZeroDivisionError: bug"):
        request.result()
