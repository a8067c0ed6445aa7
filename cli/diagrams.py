"""Write a trace for other programs to draw: Graphviz's dot and Mermaid's flowchart.

Arrows point the way data flows, whichever way was asked. Names come from anywhere, so each label is
escaped for its language: none can end its quotes or bring in HTML.

Sources: https://graphviz.org/doc/info/lang.html and https://mermaid.js.org/syntax/flowchart.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lin.lineage.events import EventId
from lin.lineage.words import RunStatus
from lin.records import Artifact, Run, Trace, TraceEdge

from .drawing import describe, remarks
from .text import plain

_DOT_SHAPES = {"dataset": "cylinder", "model": "box3d", "code": "note", "environment": "folder", "report": "note"}
# Mermaid's words for what its own syntax or HTML would take.
_MERMAID = str.maketrans({c: f"#{ord(c)};" for c in '"#&<>`\\|[]{}()'})


def dot(trace: Trace) -> Iterator[str]:
    """Yield a graph in Graphviz's language."""
    nodes = {node.id: node for node in trace.nodes}
    yield "digraph lineage {"
    yield "  rankdir=LR;"
    yield '  node [fontname="sans-serif", fontsize=10];'
    yield '  edge [fontname="sans-serif", fontsize=8];'
    for node in _all(trace):
        style = ", style=bold" if node in trace.roots else ""
        yield f'  "{node}" [shape={_dot_shape(nodes.get(node))}, label="{_dot_label(node, nodes)}"{style}];'
    for edge in trace.edges:
        yield f'  "{edge.source}" -> "{edge.target}" [label="{_dot_text(_caption(edge))}"];'
    for remark in remarks(trace):
        yield f"  // {remark}"
    yield "}"


def mermaid(trace: Trace) -> Iterator[str]:
    """Yield a flowchart in Mermaid's language."""
    nodes = {node.id: node for node in trace.nodes}
    short = {node: f"n{index}" for index, node in enumerate(_all(trace))}
    yield "flowchart LR"
    for node, name in short.items():
        opening, closing = ("([", "])") if isinstance(nodes.get(node), Run) else ("[", "]")
        text = "<br>".join(part.translate(_MERMAID) for part in describe(node, nodes).split("  "))
        yield f'  {name}{opening}"{text}"{closing}'
    for edge in trace.edges:
        yield f'  {short[edge.source]} -->|"{_caption(edge).translate(_MERMAID)}"| {short[edge.target]}'
    if trace.roots:
        yield "  classDef root stroke-width:3px"
        yield f"  class {','.join(short[root] for root in trace.roots)} root"
    for remark in remarks(trace):
        yield f"  %% {remark}"


def _all(trace: Trace) -> list[EventId]:
    """Return every node that is drawn, also those that only edges name."""
    ends = (end for edge in trace.edges for end in (edge.source, edge.target))
    return list(dict.fromkeys((*(node.id for node in trace.nodes), *trace.roots, *ends, *trace.unseen)))


def _caption(edge: TraceEdge) -> str:
    what = edge.role or edge.relation
    return f"{what}: {', '.join(plain(path) for path in edge.paths)}" if edge.paths else str(what)


def _dot_shape(found: Artifact | Run | None) -> str:
    if found is None:
        return "plaintext"
    if isinstance(found, Run):
        return "ellipse, color=red" if found.status is RunStatus.FAILED else "ellipse"
    return _DOT_SHAPES.get(found.kind, "box")


def _dot_label(node: EventId, nodes: Mapping[EventId, Artifact | Run]) -> str:
    return "\\n".join(_dot_text(part) for part in describe(node, nodes).split("  "))


def _dot_text(text: str) -> str:
    # Graphviz reads entities such as &amp; in every label.
    return text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
