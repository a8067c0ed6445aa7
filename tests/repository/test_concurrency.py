"""Many writers at once: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Barrier, Thread

import pytest

from lin.repository import Repository

Write = Callable[..., Path]
Python = Callable[..., "subprocess.Popen[bytes]"]


def together(processes: Sequence[subprocess.Popen[bytes]]) -> list[str]:
    """Let processes go at once, each when it has said that it is ready; return what they printed."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", process.stderr and process.stderr.read()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    answers = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
        answers += out.decode().split()
    return answers


BEGIN = """
import sys
from pathlib import Path
from lin.repository import Repository
repository = Repository.open(sys.argv[1])
me = int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
"""
PUT = (
    BEGIN
    + """
for turn in range(3):
    path = Path(f"{me}-{turn}")
    path.write_text(f"content {me} {turn}")
    print(repository.put(path, name="shared").artifact.version)
"""
)
TAG = (
    BEGIN
    + """
for turn in range(3):
    repository.tag(f"model@v{1 + (me + turn) % 3}", "prod")
    repository.tag("model@v1", "same")
"""
)


def test_processes_share_a_name_without_losing_a_version(
    repository: Repository, tmp_path: Path, python: Python
) -> None:
    """Eight of them, three versions each: 1 to 24, each exactly once, each with its own content."""
    answers = together([python(PUT, tmp_path / "store", number) for number in range(8)])
    assert sorted(map(int, answers)) == list(range(1, 25))
    artifacts = repository.artifacts(name="shared").items
    assert sorted(artifact.version for artifact in artifacts) == list(range(1, 25))
    contents = {b"".join(repository.stream(artifact.label)).decode() for artifact in artifacts}
    assert contents == {f"content {number} {turn}" for number in range(8) for turn in range(3)}
    assert repository.verify().ok
    assert repository.index_status()[0].behind == 0


def test_processes_move_one_alias_without_a_conflict(
    repository: Repository, write: Write, tmp_path: Path, python: Python
) -> None:
    """Each move replaces the one before; moving to where it stands is one event, whoever was first."""
    for number in range(3):
        repository.put(write("model", str(number)))
    together([python(TAG, tmp_path / "store", number) for number in range(4)])
    moves = {str(entry.id): entry.statement for entry in repository.log(kinds=["alias"], newest_first=False)}
    replaced = Counter(str(previous) for move in moves.values() for previous in getattr(move, "previous", ()))
    assert set(replaced.values()) == {1}
    for alias in repository.aliases("model"):
        assert len(alias.artifacts) == len(alias.moves) == 1
    assert sum(getattr(move, "alias", "") == "same" for move in moves.values()) == 1
    assert repository.verify().ok


def test_threads_share_a_name_and_a_repository(repository: Repository, write: Write) -> None:
    """Eight of them through one object: each version exactly once; equal content of many is one blob."""
    barrier = Barrier(8)
    answers: list[int] = []
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            barrier.wait(60)
            for turn in range(4):
                path = write(f"{number}-{turn}", f"{number} {turn}")
                answers.append(repository.put(path, name="shared").artifact.version)
                repository.put(write(f"{number}-same", "same"), name=f"n{number}")
                assert repository.artifact("shared").version >= answers[-1] - 8
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert sorted(answers) == list(range(1, 33))
    (same,) = {repository.artifact(f"n{number}@v1").digest for number in range(8)}
    assert len(repository.resolve(str(same)).artifacts) == 8  # type: ignore[union-attr]
    assert repository.verify().ok


ENDLESS = (
    BEGIN
    + """
import itertools
for turn in itertools.count():
    path = Path(f"{me}-{turn}")
    path.write_text(f"content {me} {turn}" * 100)
    artifact = repository.put(path, name=f"n{turn % 2}").artifact
    repository.tag(artifact.label, "last")
    print(artifact.label, path, flush=True)
"""
)


@pytest.mark.parametrize("acknowledged", [1, 2, 5])
def test_what_was_acknowledged_survives_the_end_of_its_writer(
    repository: Repository, tmp_path: Path, python: Python, acknowledged: int
) -> None:
    """Killed at any moment: all that was printed is there, nothing is half there, and others go on."""
    process = python(ENDLESS, tmp_path / "store", 1)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"go\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"ready\n"
    told = [process.stdout.readline().decode().split() for _ in range(acknowledged)]
    process.kill()
    out, _ = process.communicate(timeout=60)
    told += [line.split() for line in out.decode().splitlines() if line.count(" ") == 1]
    for label, path in told:
        assert b"".join(repository.stream(label)) == Path(path).read_bytes()
    assert repository.verify().ok
    last, path = told[-1]
    again = repository.put(path, name=last.partition("@")[0])
    assert not again.added or again.artifact.version == int(last.partition("@v")[2]) + 1
    assert repository.verify().ok
