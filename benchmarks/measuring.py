"""Measure contenders side by side: interleaved, so that a slow minute of the machine slows all of them."""

from __future__ import annotations

import os
import statistics
import subprocess
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
    """

    seconds: float
    peak: int | None = None


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do a scenario's work; `run` prepares what must not be timed, and times the rest."""

    name: str
    run: Callable[[], Sample]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Work that several contenders do.

    Attributes:
        title: What is done.
        contenders: The first is the baseline of the ratios.
        goal: Seconds that lin may take by its own design; None where it states none.
        goal_for: The contender that the goal is about.
        runs: How often each contender runs; the command's default if None.
    """

    title: str
    contenders: Sequence[Contender]
    goal: float | None = None
    goal_for: str | None = None
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
    def ratio(self) -> float:
        """How many times the baseline's median."""
        return self.median / self.baseline

    @property
    def peak(self) -> int | None:
        """The most resident memory in bytes that any run needed."""
        return max((sample.peak for sample in self.samples if sample.peak is not None), default=None)

    def to_json(self) -> dict[str, Any]:
        """Return the row with all of its samples."""
        return {
            "scenario": self.scenario,
            "contender": self.contender,
            "median_s": self.median,
            "min_s": self.least,
            "max_s": self.most,
            "ratio": self.ratio,
            "peak_bytes": self.peak,
            "goal_s": self.goal,
            "samples_s": [sample.seconds for sample in self.samples],
        }


def measure(scenario: Scenario, runs: int) -> list[Row]:
    """Run every contender `runs` times, in rounds, each round beginning with another one."""
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in scenario.contenders}
    for number in range(scenario.runs or runs):
        shift = number % len(scenario.contenders)
        for contender in (*scenario.contenders[shift:], *scenario.contenders[:shift]):
            samples[contender.name].append(contender.run())
    baseline = statistics.median(sample.seconds for sample in samples[scenario.contenders[0].name])
    return [
        Row(scenario.title, name, taken, baseline, scenario.goal if name == scenario.goal_for else None)
        for name, taken in samples.items()
    ]


def command(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Sample:
    """Run a command and measure it with its memory; its output is dropped.

    Raises:
        RuntimeError: It failed: a benchmark of something that does not work says nothing.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments))} ended with {process.returncode}: {said[-500:]}")
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    return Sample(seconds, usage.ru_maxrss * unit)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what would slow a start or change its meaning."""
    dropped = {"PYTHONDONTWRITEBYTECODE", "LIN_REPO", "LIN_CONFIG", "LIN_CACHE"}
    return {name: value for name, value in os.environ.items() if name not in dropped} | dict(more or {})


def timed(work: Callable[[], object]) -> Sample:
    """Time a call in this process."""
    started = time.perf_counter()
    work()
    return Sample(time.perf_counter() - started)


@dataclass(slots=True)
class Folder:
    """A folder to work in, with a fresh name for whatever has to be new."""

    path: Path
    _count: int = field(default=0)

    def fresh(self, name: str) -> Path:
        """Return a path in it that is not there yet."""
        self._count += 1
        return self.path / f"{name}-{self._count}"
