"""Read what the notes of provenance edges say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from lin.lineage.events import EventId
from lin.lineage.graph import PROVENANCE, Edge
from lin.lineage.words import Evidence

from .records import TraceEdge


@dataclass(frozen=True, slots=True)
class Note:
    """One way in which a run used or generated an artifact."""

    evidence: Evidence
    path: str | None


def notes_of(edge: Edge) -> Sequence[Note]:
    """Return what an edge's notes say; one of unknown evidence where it has none."""
    documents = [json.loads(note) for note in edge.notes] or [{}]
    return [Note(Evidence(d.get("evidence", Evidence.DECLARED)), d.get("path")) for d in documents]


def trace_edge(edge: Edge) -> TraceEdge:
    """Turn an edge into its record; only those of provenance have paths and evidence."""
    notes = notes_of(edge) if edge.kind in PROVENANCE else ()
    return TraceEdge(
        source=EventId(edge.source),
        target=EventId(edge.target),
        relation=edge.kind.word,
        role=edge.kind.role,
        paths=tuple(note.path for note in notes if note.path is not None),
        evidence=tuple(dict.fromkeys(note.evidence for note in notes)),
    )
