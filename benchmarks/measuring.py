"""Measure contenders side by side: interleaved, so that a slow minute of the machine slows all of them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement.

    Attributes:
        seconds: Wall-clock time.
        peak: Bytes of resident memory at most; None for what ran in this process.
        added: Bytes by which a repository grew; None where that is not looked at.
    """

    seconds: float
    peak: int | None = None
    added: int | None = None


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do a scenario's work.

    Attributes:
        name: Who does it.
        run: Prepares what must not be timed, and times the rest.
        once: Whether one run is enough: it is many times slower than those that are compared.
    """

    name: str
    run: Callable[[], Sample]
    once: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """Work that several contenders do.

    Attributes:
        title: What is done.
        contenders: The first is the baseline of the ratios.
        goal: Seconds that lin may take by its own design; None where it states none.
        goal_for: The contender that the goal is about.
        goal_of: The contender whose median the goal is a multiple of; None if it is in seconds.
        runs: How often each contender runs; the command's default if None.
    """

    title: str
    contenders: Sequence[Contender]
    goal: float | None = None
    goal_for: str | None = None
    goal_of: str | None = None
    runs: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """What one contender took."""

    scenario: str
    contender: str
    samples: Sequence[Sample]
    baseline: float
    goal: float | None = None

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def least(self) -> float:
        """Seconds."""
        return min(sample.seconds for sample in self.samples)

    @property
    def most(self) -> float:
        """Seconds."""
        return max(sample.seconds for sample in self.samples)

    @property
    def p95(self) -> float:
        """Seconds that 19 of 20 runs took at most."""
        ordered = sorted(sample.seconds for sample in self.samples)
        return ordered[min(len(ordered) - 1, len(ordered) * 19 // 20)]

    @property
    def ratio(self) -> float:
        """How many times the baseline's median."""
        return self.median / self.baseline

    @property
    def peak(self) -> int | None:
        """The most resident memory in bytes that any run needed."""
        return max((sample.peak for sample in self.samples if sample.peak is not None), default=None)

    @property
    def added(self) -> int | None:
        """The median number of bytes that the repository grew by."""
        grown = [sample.added for sample in self.samples if sample.added is not None]
        return round(statistics.median(grown)) if grown else None

    def to_json(self) -> dict[str, Any]:
        """Return the row with all of its samples."""
        return {
            "scenario": self.scenario,
            "contender": self.contender,
            "median_s": self.median,
            "min_s": self.least,
            "max_s": self.most,
            "p95_s": self.p95,
            "ratio": self.ratio,
            "peak_bytes": self.peak,
            "added_bytes": self.added,
            "goal_s": self.goal,
            "samples_s": [sample.seconds for sample in self.samples],
        }


def measure(scenario: Scenario, runs: int) -> list[Row]:
    """Run every contender `runs` times, in rounds, each round beginning with another one."""
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in scenario.contenders}
    for number in range(scenario.runs or runs):
        shift = number % len(scenario.contenders)
        for contender in (*scenario.contenders[shift:], *scenario.contenders[:shift]):
            if number == 0 or not contender.once:
                samples[contender.name].append(contender.run())
    medians = {name: statistics.median(sample.seconds for sample in taken) for name, taken in samples.items()}
    baseline = medians[scenario.contenders[0].name]
    goal = scenario.goal
    if goal is not None and scenario.goal_of is not None:
        goal *= medians[scenario.goal_of]
    return [
        Row(scenario.title, name, taken, baseline, goal if name == scenario.goal_for else None)
        for name, taken in samples.items()
    ]


# The kernel's figure for a process begins with that of the process that started it, so a small one starts it.
_LAUNCHER = """
import os, sys, time
null = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
started = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=null)
_, status, usage = os.wait4(pid, 0)
print(time.perf_counter() - started, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) and 1)
"""


def command(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Sample:
    """Run a command and measure it with its memory; its output is dropped.

    Raises:
        RuntimeError: It failed: a benchmark of something that does not work says nothing.
    """
    words = [str(argument) for argument in arguments]
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *words]
    done = subprocess.run(launcher, check=False, cwd=cwd, env=environment(env), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} failed: {done.stderr[-500:]}")
    seconds, peak = done.stdout.split()
    return Sample(float(seconds), int(peak) * (1 if sys.platform == "darwin" else 1024))


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what would slow a start or change its meaning."""
    dropped = {"PYTHONDONTWRITEBYTECODE", "LIN_REPO", "LIN_CONFIG", "LIN_CACHE"}
    return {name: value for name, value in os.environ.items() if name not in dropped} | dict(more or {})


def timed(work: Callable[[], object]) -> Sample:
    """Time a call in this process."""
    started = time.perf_counter()
    work()
    return Sample(time.perf_counter() - started)


def processor_time(work: Callable[[], object]) -> tuple[Sample, Sample]:
    """Time a call in this process by the clock and by the processor, which a busy machine disturbs less."""
    began = time.perf_counter(), time.process_time()
    work()
    return Sample(time.perf_counter() - began[0]), Sample(time.process_time() - began[1])


@dataclass(slots=True)
class Folder:
    """A folder to work in, with a fresh name for whatever has to be new."""

    path: Path
    _count: int = field(default=0)

    def fresh(self, name: str) -> Path:
        """Return a path in it that is not there yet."""
        self._count += 1
        return self.path / f"{name}-{self._count}"
