"""Say in one line what a record is."""

from __future__ import annotations

from collections.abc import Mapping

from lin.lineage.words import RunStatus, Shape
from lin.records import Alias, Artifact, Run

from .text import duration, number, plain, size

COMMIT = 10
"""Digits of a git commit that people compare."""

STATUS_STYLES: Mapping[RunStatus, str] = {
    RunStatus.SUCCEEDED: "green",
    RunStatus.FAILED: "red",
    RunStatus.INTERRUPTED: "yellow",
    RunStatus.RUNNING: "blue",
}


def record(found: Artifact | Run) -> str:
    """Say what an artifact or run is: its kind, the ref that means it, and what tells it from others."""
    return run(found) if isinstance(found, Run) else artifact(found)


def artifact(found: Artifact) -> str:
    """Return such as `dataset flights.csv@v1  b3:1f0c…  32.1 MiB`."""
    parts = [f"{found.kind} {plain(found.label)}", found.digest.short, content(found)]
    commit = found.attributes.get("commit")
    if isinstance(commit, str) and commit:
        parts.append(f"commit {plain(commit[:COMMIT])}")
    return "  ".join(parts)


def run(found: Run) -> str:
    """Return such as `run train.py 3f2a9c01b7d4  succeeded in 12.3 s  commit 9f8e7d6a01`."""
    parts = [f"run {plain(found.name)} {found.label}", ending(found)]
    if found.commit:
        parts.append(f"commit {plain(found.commit[:COMMIT])}")
    return "  ".join(parts)


def ending(found: Run) -> str:
    """Say how a run ended: `succeeded in 12.3 s`, `failed after 0.20 s (exit 3)`, `running`."""
    if found.seconds is None:
        return str(found.status)
    if found.status is RunStatus.SUCCEEDED:
        return f"succeeded in {duration(found.seconds)}"
    cause = f" (exit {found.exit_status})" if found.exit_status is not None else ""
    return f"{found.status} after {duration(found.seconds)}{cause}"


def content(found: Artifact) -> str:
    """Return the size, and for a folder how many files it holds."""
    files = f" in {number(found.files, 'file')}" if found.shape is Shape.TREE else ""
    return size(found.size) + files


def standing(found: Alias) -> str:
    """Say where an alias stands: `churn@v3`, nothing where it was taken away, all places of a conflict."""
    if not found.artifacts:
        return "(taken away)"
    places = ", ".join(plain(artifact.label) for artifact in found.artifacts)
    return places if len(found.artifacts) == 1 else f"conflict: {places}"
