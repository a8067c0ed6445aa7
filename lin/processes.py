"""Start a command, pass everything through, and look at what it prints.

The command shares this process's standard input and error. Its standard output goes through here, byte for
byte: through a pseudo-terminal where ours is a terminal, so that it prints as it would without lin, and through a
pipe otherwise.
"""

from __future__ import annotations

import codecs
import os
import select
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from lin.lineage.events import now
from lin.lineage.words import RunStatus

from .given import readable

NOT_FOUND = 127
NOT_EXECUTABLE = 126
MAX_LINE = 65_536
"""Bytes of a printed line that are looked at; a longer one is passed through all the same."""
TAIL = 40
"""Lines that are kept of what a command printed last."""
_POLL = 0.05
"""Seconds between looks at whether the command has ended, for one that left its output open to a daemon."""
_CAPACITY = 1 << 20
"""Bytes: the most that a pipe or pseudo-terminal can still hold of what a command printed when it has ended."""
_TYPED = (signal.SIGINT, signal.SIGQUIT)
"""What a terminal sends to all of its foreground group when Ctrl-C or Ctrl-\\ is typed."""
_INTERRUPTING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGQUIT})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    Attributes:
        exit_status: Its own; 128 + n for signal n, 127 where it was not found, 126 where it could not be executed.
        status: In lin's words. Signals that people and schedulers send to stop a job make it `interrupted`.
        error: Why it could not be started; empty otherwise.
        tail: The last lines it printed.
        ended: When, as events write it.
    """

    exit_status: int
    status: RunStatus
    error: str
    tail: tuple[str, ...]
    ended: str = field(default_factory=now)

    def detail(self) -> Mapping[str, Any]:
        """Return what goes into the run's erasable detail."""
        return {"error": self.error, "tail": list(self.tail)}


def execute(command: Sequence[str], variables: Mapping[str, str], on_line: Callable[[str], object]) -> Outcome:
    """Run a command to its end.

    Args:
        command: The program and its arguments.
        variables: Added to the environment.
        on_line: Called with every line that it prints to standard output, without its end.
    """
    lines = _Lines(on_line)
    with _signals() as forward:
        ours, theirs = _channel()
        with os.fdopen(ours, "rb", buffering=0), os.fdopen(theirs, "wb", buffering=0) as end:
            try:
                process = subprocess.Popen(command, stdout=end, env={**os.environ, **variables})  # noqa: S603 - asked for
            except (OSError, ValueError) as error:  # the latter for a NUL in an argument
                return _not_started(command[0], error)
            end.close()
            try:
                forward(process)
                _pass_through(process, ours, lines)
                code = process.wait()
            except BaseException:
                process.kill()  # nobody would ever look after it
                process.wait()
                raise
    lines.end()
    if code >= 0:
        status = RunStatus.SUCCEEDED if code == 0 else RunStatus.FAILED
        # A shell passes on that its command was stopped as 128 + n.
        if code - 128 in _INTERRUPTING:
            status = RunStatus.INTERRUPTED
        return Outcome(code, status, "", lines.tail())
    status = RunStatus.INTERRUPTED if -code in _INTERRUPTING else RunStatus.FAILED
    return Outcome(128 - code, status, f"ended by signal {_signal_name(-code)}", lines.tail())


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return str(number)


def _not_started(program: str, error: OSError | ValueError) -> Outcome:
    there = os.sep in program and os.path.lexists(program)
    if isinstance(error, FileNotFoundError) and not there:
        return Outcome(NOT_FOUND, RunStatus.FAILED, f"command not found: {readable(program)}", ())
    reason = getattr(error, "strerror", None) or str(error)
    if isinstance(error, FileNotFoundError):
        reason = "the interpreter that its first line names was not found"
    return Outcome(NOT_EXECUTABLE, RunStatus.FAILED, f"{readable(program)} cannot be run: {reason}", ())


class _Lines:
    """Cut a stream of bytes into lines, and keep the last ones."""

    def __init__(self, on_line: Callable[[str], object]) -> None:
        self._on_line = on_line
        self._rest = b""
        self._overlong = False
        self._tail: deque[str] = deque(maxlen=TAIL)

    def feed(self, data: bytes) -> None:
        *whole, rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._take(line)
        self._overlong = self._overlong or len(rest) > MAX_LINE
        self._rest = b"" if self._overlong else rest

    def end(self) -> None:
        if self._rest:
            self._take(self._rest)
            self._rest = b""

    def tail(self) -> tuple[str, ...]:
        return tuple(self._tail)

    def _take(self, line: bytes) -> None:
        if self._overlong:
            self._overlong = False  # its end has come
            return
        text = line.rstrip(b"\r").decode(errors="replace")
        self._tail.append(text[:1000])
        self._on_line(text)


def _channel() -> tuple[int, int]:
    """Open what the command prints into: the end to read from, and the one for the command."""
    if sys.stdout is not None and sys.stdout.isatty():
        with suppress(OSError):  # no pseudo-terminal is left: a pipe does too
            return _terminal()
    return os.pipe()


def _terminal() -> tuple[int, int]:
    """Open a pseudo-terminal like ours: the end to read from, and the one for the command."""
    import fcntl  # noqa: PLC0415 - not everywhere, and only needed here
    import pty  # noqa: PLC0415
    import termios  # noqa: PLC0415

    ours, theirs = pty.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST  # the real terminal translates line ends, once is enough
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    with suppress(OSError):
        size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    return ours, theirs


def _pass_through(process: subprocess.Popen[bytes], source: int, lines: _Lines) -> None:
    output = _Output()
    left = None  # bytes that may still be the command's own, once it has ended
    while left is None or left > 0:
        if left is None and process.poll() is not None:
            left = _CAPACITY
        ready, _, _ = select.select([source], [], [], _POLL)
        if not ready:
            if left is not None:
                return  # whoever still holds the other end outlives the command
            continue
        try:
            data = os.read(source, 65_536)
        except OSError:  # a pseudo-terminal says so when its last user has gone
            data = b""
        if not data:
            return
        if left is not None:
            left -= len(data)
        output.write(data)
        lines.feed(data)


class _Output:
    """This process's standard output, byte for byte where it has a descriptor."""

    def __init__(self) -> None:
        self._target: int | None = None
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._open = sys.stdout is not None
        # What was printed before comes before. A notebook's standard output has no descriptor.
        with suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
            self._target = sys.stdout.fileno()

    def write(self, data: bytes) -> None:
        """Pass output on, until nobody reads it any more, which must not stop the run."""
        if not self._open:
            return
        try:
            if self._target is None:
                sys.stdout.write(self._decode(data))
                return
            view = memoryview(data)
            while view:
                try:
                    view = view[os.write(self._target, view) :]
                except BlockingIOError:
                    select.select([], [self._target], [])
        except (OSError, ValueError):
            self._open = False


@contextmanager
def _signals() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Survive the signals that stop a job until the command has ended, and hand them on to it.

    Those that are ignored, as `nohup` makes it, stay so, for the command too. Ctrl-C reaches the whole foreground
    group from the terminal itself; handing it on as well would interrupt the command's own cleaning up.
    """
    process: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def hand_on(number: int, frame: FrameType | None) -> None:
        del frame
        if number in _TYPED and _in_foreground():
            return
        if process:
            with suppress(ProcessLookupError):
                process[0].send_signal(number)
        else:
            early.append(number)

    def started(child: subprocess.Popen[bytes]) -> None:
        process.append(child)
        for number in early:
            child.send_signal(number)

    previous = {}
    try:
        for number in (*_TYPED, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) not in {signal.SIG_IGN, None}:
                previous[number] = signal.signal(number, hand_on)
    except ValueError:
        pass  # not the main thread: signals are the host program's business
    try:
        yield started
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _in_foreground() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)  # also where standard input is something else
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
