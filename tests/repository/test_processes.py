"""Processes: a command runs as it would without lin, and how it ended is known."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from lin.lineage.events import parse_time
from lin.lineage.words import RunStatus
from lin.processes import MAX_LINE, TAIL, Outcome, _Lines, _pass_through, execute

Python = Callable[..., "subprocess.Popen[bytes]"]
Write = Callable[..., Path]


def run(*command: str, **variables: str) -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    return execute(command, variables, lines.append), lines


def shell(script: str, **variables: str) -> tuple[Outcome, list[str]]:
    return run("sh", "-c", script, **variables)


# ---------------------------------------------------------------------------- how it ends


@pytest.mark.parametrize(
    ("script", "exit_status", "status"),
    [
        ("exit 0", 0, RunStatus.SUCCEEDED),
        ("exit 3", 3, RunStatus.FAILED),
        ("kill -KILL $$", 137, RunStatus.INTERRUPTED),
        ("kill -TERM $$", 143, RunStatus.INTERRUPTED),
        ("kill -INT $$", 130, RunStatus.INTERRUPTED),
        ("exit 143", 143, RunStatus.INTERRUPTED),
        ("kill -SEGV $$", 139, RunStatus.FAILED),
        ("kill -40 $$", 168, RunStatus.FAILED),
    ],
)
def test_the_end_is_told_in_lins_words(script: str, exit_status: int, status: RunStatus) -> None:
    """Signals that stop jobs interrupt, other ends fail; 128 + n for signal n, also one without a name."""
    outcome, _ = shell(script)
    assert (outcome.exit_status, outcome.status) == (exit_status, status)
    if "$$" in script:
        assert outcome.error.startswith("ended by signal ")


def test_a_command_that_is_not_there_is_127(write: Write) -> None:
    """On the path or as a file; its name may be anything."""
    for program in ("no-such-program", "./no-such-file", "caf\udce9"):
        outcome, _ = run(program)
        assert (outcome.exit_status, outcome.status) == (127, RunStatus.FAILED)
        assert "command not found" in outcome.error
        outcome.error.encode()


def test_a_command_that_cannot_be_executed_is_126(write: Write) -> None:
    """A file without permission, a folder, one whose interpreter is missing, an impossible argument."""
    write("plain.sh", "#!/bin/sh\n")
    write("odd.sh", "#!/no/such/interpreter\n").chmod(0o755)
    for command in (["./plain.sh"], ["/"], ["./odd.sh"], ["sh", "a\0b"]):
        outcome, _ = run(*command)
        assert (outcome.exit_status, outcome.status) == (126, RunStatus.FAILED), command
        assert command[0] in outcome.error
    assert "interpreter" in run("./odd.sh")[0].error


def test_the_time_is_that_of_the_end() -> None:
    """Not that of when anybody asked."""
    began = time.time()
    outcome, _ = shell("exit 0")
    assert began - 0.001 <= parse_time(outcome.ended).timestamp() <= time.time()


# ---------------------------------------------------------------------------- what it prints


def test_output_passes_through_byte_for_byte(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Standard output and error, binary, with and without a last line's end; lines are looked at on the way."""
    outcome, lines = shell(r"printf 'one\r\n\377\000two\nlast'; printf 'error\n' >&2")
    out, err = capfdbinary.readouterr()
    assert (out, err) == (b"one\r\n\xff\x00two\nlast", b"error\n")
    assert lines == ["one", "\ufffd\0two", "last"]
    assert outcome.tail == ("one", "\ufffd\0two", "last")


def test_only_the_last_lines_are_kept() -> None:
    """However many there were, and each of them cut."""
    outcome, lines = shell("seq 100; printf '%2000d\\n' 7")
    assert len(lines) == 101
    assert outcome.tail[:-1] == tuple(str(number) for number in range(101 - TAIL + 1, 101))
    assert len(outcome.tail[-1]) == 1000


def test_a_line_that_is_too_long_is_not_looked_at(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """It passes through all the same, and the next line is looked at again."""
    _, lines = shell(f"echo first; head -c {5 * MAX_LINE} /dev/zero | tr '\\0' x; echo; echo next; printf end")
    assert lines == ["first", "next", "end"]
    assert capfdbinary.readouterr().out == b"first\n" + b"x" * (5 * MAX_LINE) + b"\nnext\nend"


BIG = """
import sys
from lin.processes import execute
count = 0
def line(text):
    global count
    count += 1
def peak():  # of this program alone: what getrusage says begins with that of the one that started it
    return next(int(row.split()[1]) for row in open("/proc/self/status") if row.startswith("VmHWM"))
before = peak()
outcome = execute(["sh", "-c", sys.argv[1]], {}, line)
print(outcome.exit_status, count, peak() - before, file=sys.stderr)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say how much memory was used")
def test_much_output_takes_little_memory(python: Python) -> None:
    """50 MB, of which 20 without an end of line, in less than 10 MB."""
    script = f"yes {'x' * 60} | head -c 30000000; head -c 20000000 /dev/zero"
    process = python(BIG, script, stdout=subprocess.DEVNULL)
    _, err = process.communicate(timeout=120)
    status, count, grown = map(int, err.split())
    assert (status, count) == (0, 30_000_000 // 61)
    assert grown < 10_000  # KiB


def test_a_reader_that_goes_away_does_not_stop_the_command(python: Python, tmp_path: Path) -> None:
    """`lin run … | head`: the command runs to its end."""
    code = "import sys; from lin.processes import execute; sys.exit(execute(sys.argv[1:], {}, len).exit_status)"
    process = python(code, "sh", "-c", "seq 200000; echo done > done; exit 7", cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 7
    assert (tmp_path / "done").exists()


def test_a_slow_reader_that_does_not_block_gets_everything(python: Python) -> None:
    """Standard output can be a pipe that says to try again."""
    code = "import os; os.set_blocking(1, False)\n" + EXECUTE
    process = python(code, "head -c 3000000 /dev/zero")
    out, err = process.communicate(timeout=60)
    assert (len(out), err.split()) == (3_000_000, [b"0", b"succeeded"])


def test_a_notebook_without_descriptors_gets_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Characters that came in two pieces are whole."""
    os.mkfifo("gate")
    command = ["sh", "-c", r"printf 'a\n\303'; read go < gate; printf '\251\n'"]
    execute(command, {}, lambda line: Path("gate").write_text("go\n") if line == "a" else None)
    assert capsys.readouterr().out == "a\né\n"


def test_a_daemon_that_keeps_the_output_open_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is silent, and one that never stops writing."""
    started = time.monotonic()
    outcome, lines = shell("sleep 60 & echo $!; exit 0")
    os.kill(int(lines[0]), signal.SIGKILL)
    assert (outcome.exit_status, len(lines)) == (0, 1)
    assert time.monotonic() - started < 30
    passed: list[int] = []

    def count(_: object, data: bytes) -> None:
        passed.append(len(data))
        assert sum(passed) < 10_000_000

    monkeypatch.setattr("lin.processes._Output.write", count)
    with subprocess.Popen(["true"]) as process, Path("/dev/zero").open("rb", buffering=0) as endless:
        process.wait()
        _pass_through(process, endless.fileno(), _Lines(len))
    assert process.returncode == 0


def test_the_environment_is_ours_and_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables are added to this process's own."""
    monkeypatch.setenv("KEPT", "1")
    _, lines = shell('echo "$KEPT $ADDED"', ADDED="2")
    assert lines == ["1 2"]


def test_an_error_of_ours_leaves_no_process_behind() -> None:
    """Should looking at a line fail, then the command is ended and the error passes."""
    seen: list[int] = []

    def fail(line: str) -> None:
        seen.append(int(line))
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match="ours"):
        execute(["sh", "-c", "echo $$; exec sleep 60"], {}, fail)
    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], 0)


def test_standard_input_is_the_commands(python: Python) -> None:
    """It is passed on untouched."""
    process = python("import sys; from lin.processes import execute; execute(['cat'], {}, len)")
    out, _ = process.communicate(b"a\0b\nc", timeout=60)
    assert out == b"a\0b\nc"


# ---------------------------------------------------------------------------- signals


EXECUTE = """
import sys
from lin.processes import execute
outcome = execute(["sh", "-c", sys.argv[1]], {}, len)
print(outcome.exit_status, outcome.status, file=sys.stderr)
"""
COUNTING = """
caught=0; trap "echo caught; caught=1" INT TERM HUP; echo $$; turns=0
while [ $turns -lt 30 ]; do sleep 0.01; turns=$((turns + caught)); done; exit 9
"""


def _started(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_lin_alone_reaches_the_command(python: Python, number: signal.Signals) -> None:
    """It survives, hands it on, and tells how the command ended."""
    process = python(EXECUTE, "echo $$; exec sleep 60")
    _started(process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert err.split() == [str(128 + number).encode(), b"interrupted"]


def test_a_command_may_catch_what_it_is_sent(python: Python) -> None:
    """Then it ends when it likes, with the status it likes."""
    process = python(EXECUTE, COUNTING)
    _started(process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert out == b"caught\n"
    assert err.split() == [b"9", b"failed"]


def test_a_signal_to_the_whole_group_ends_both_in_order(python: Python) -> None:
    """As a scheduler does it: the command ends, lin tells."""
    process = python(EXECUTE, "echo $$; exec sleep 60", start_new_session=True)
    _started(process)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert err.split() == [b"130", b"interrupted"]


def test_what_was_ignored_stays_ignored(python: Python) -> None:
    """Under `nohup` neither lin nor the command ends with the terminal."""
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + EXECUTE
    process = python(code, "echo $$; read line; kill -HUP $$; exit 5")
    _started(process)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(b"go\n", timeout=60)
    assert err.split() == [b"5", b"failed"]


def test_in_another_thread_signals_are_the_programs_own_business() -> None:
    """A command can run from any thread; handlers stay as they are."""
    before = signal.getsignal(signal.SIGINT)
    found: list[Outcome] = []
    thread = Thread(target=lambda: found.append(run("sh", "-c", "exit 3")[0]))
    thread.start()
    thread.join(60)
    assert [outcome.exit_status for outcome in found] == [3]
    assert signal.getsignal(signal.SIGINT) is before


def test_handlers_are_put_back() -> None:
    """After the command this process's signals do what they did before."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    shell("exit 0")
    run("no-such-program")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


# ---------------------------------------------------------------------------- terminals


FORKS = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # the child becomes another program


def in_terminal(code: str, *arguments: str, keys: bytes = b"", when: bytes = b"") -> bytes:
    """Run Python with a terminal of its own; type `keys` once it has printed `when`; return what it printed."""
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - another process
        os.execv(sys.executable, [sys.executable, "-c", code, *arguments])
    shown = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            data = b""
        if not data:
            break
        shown += data
        if keys and when in shown:
            os.write(terminal, keys)
            keys = b""
    os.close(terminal)
    os.waitpid(child, 0)
    return shown


@FORKS
def test_at_a_terminal_the_command_sees_a_terminal() -> None:
    """So it prints as it would without lin, and lines end once."""
    script = "test -t 0 && test -t 1 && test -t 2 && echo terminal; stty size < /dev/tty > /dev/null && echo sized"
    shown = in_terminal(EXECUTE, script)
    assert shown == b"terminal\r\nsized\r\n0 succeeded\r\n"


@FORKS
def test_ctrl_c_reaches_the_command_once() -> None:
    """The terminal sends it to both; lin does not send it a second time, wherever standard input comes from."""
    elsewhere = "sys.stdin.close(); import os; os.dup2(os.open(os.devnull, os.O_RDONLY), 0)\n"
    for key, caught, before in ((b"\x03", "INT", ""), (b"\x1c", "QUIT", ""), (b"\x03", "INT", elsewhere)):
        code = EXECUTE.replace("outcome =", before + "outcome =")
        shown = in_terminal(code, COUNTING.replace("INT TERM HUP", caught), keys=key, when=b"\r\n")
        assert shown.count(b"caught") == 1, shown
        assert shown.endswith(b"9 failed\r\n")


def test_no_terminal_to_be_had_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a pseudo-terminal the command gets a pipe."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(pty, "openpty", _no_terminal)
    assert shell("echo x")[1] == ["x"]


def _no_terminal() -> tuple[int, int]:
    raise OSError("out of pty devices")


def test_no_descriptor_stays_open() -> None:
    """Neither of commands that ran nor of those that could not be started."""

    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    for _ in range(5):
        shell("exit 0")
        run("no-such-program")
    assert count() == before
