"""The tables that the graph knows: which there are, and which artifacts hold them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lin import reading
from lin.identifying import TableRecord
from lin.lineage.apply import TABLE_FACET, table_node
from lin.lineage.events import EventId
from lin.lineage.graph import Direction, EdgeKind, Graph, Node, NodeId, NodeKind
from lin.lineage.table_id import TableId
from lin.records import Artifact
from lin.store.digest import Digest

_SAME_TABLE = frozenset({EdgeKind.SAME_TABLE})
_HAS_CONTENT = frozenset({EdgeKind.HAS_CONTENT})


@dataclass(frozen=True, slots=True)
class Known:
    """A table of the repository, as the index of tables needs it.

    Attributes:
        id: Its id, whatever the order of its rows.
        rows: How many.
        schema: A blob with the names of its columns, and types that they were read with somewhere.
        sketch: The blob of its least row keys.
        keys: The blob of its row keys.
    """

    id: TableId
    rows: int
    schema: Digest | None
    sketch: Digest | None
    keys: Digest | None


def all_tables(graph: Graph) -> Sequence[Known]:
    """Return every table that somebody has found in some content, oldest first."""
    return [_known(node) for node in graph.find(kinds=[NodeKind.TABLE]) if "table" in node.facets]


def _known(node: Node) -> Known:
    facet = node.facets["table"]
    blobs = (_digest(facet.get(name)) for name in ("schema", "sketch", "keys"))
    return Known(TableId.parse(facet["set"]), facet["rows"], *blobs)


def contents_with(graph: Graph, tables: Collection[TableId]) -> Mapping[TableId, Sequence[NodeId]]:
    """Return the contents that hold each of these tables."""
    nodes = {table_node(table): table for table in tables}
    answer: dict[TableId, list[NodeId]] = {table: [] for table in tables}
    for edge in graph.edges(list(nodes), Direction.DOWN, _SAME_TABLE):
        answer[nodes[edge.source]].append(edge.target)
    return answer


def holders(graph: Graph, tables: Collection[TableId]) -> Mapping[TableId, Sequence[Artifact]]:
    """Return the artifacts that hold each of these tables, oldest first."""
    contents = contents_with(graph, tables)
    artifacts = reading.artifacts_with(graph, list({each for some in contents.values() for each in some}))
    return {
        table: sorted((a for each in some for a in artifacts[each]), key=lambda a: (a.created, a.id))
        for table, some in contents.items()
    }


def tables_in(graph: Graph, contents: Collection[NodeId]) -> Mapping[NodeId, Sequence[TableRecord]]:
    """Return the tables that each of these contents is said to hold; those that hold none are left out."""
    answer = {}
    for node in graph.get(contents).values():
        found = [TableRecord.of(Digest(node.id), f) for name, f in node.facets.items() if name.startswith(TABLE_FACET)]
        if found:
            answer[node.id] = sorted(found, key=lambda each: (each.part or "", str(each.set)))
    return answer


def same_table(graph: Graph, content: Digest) -> Sequence[Artifact]:
    """Return the artifacts with other bytes that hold the same table as some content, oldest first."""
    tables = {each.set for some in tables_in(graph, [content.value]).values() for each in some if each.rows}
    found = {a.id: a for some in holders(graph, tables).values() for a in some if a.digest != content}
    return sorted(found.values(), key=lambda each: (each.created, each.id))


def disputes(graph: Graph, content: Digest) -> Sequence[tuple[TableRecord, ...]]:
    """Return what is said of some content that cannot all be true: one reading of it, and several tables."""
    grouped: dict[Any, list[TableRecord]] = {}
    for record in tables_in(graph, [content.value]).get(content.value, ()):
        reading_of = (record.part, record.reader, tuple(sorted((k, str(v)) for k, v in record.options.items())))
        grouped.setdefault(reading_of, []).append(record)
    return [tuple(some) for some in grouped.values() if len({(each.set, each.seq) for each in some}) > 1]


def signers(graph: Graph, records: Collection[TableRecord]) -> Mapping[EventId, str]:
    """Return who said so, by event."""
    nodes = graph.get({each.content.value for each in records})
    return {
        EventId.parse(facet["event"]): facet["actor"]
        for node in nodes.values()
        for name, facet in node.facets.items()
        if name.startswith(TABLE_FACET)
    }


def _digest(text: str | None) -> Digest | None:
    return Digest.parse(text) if text else None
