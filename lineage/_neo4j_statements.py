"""The Neo4j engine's statements, each with a plan that is safe whatever the statistics say.

What explodes, and what is written instead (`docs/graph.md` has the figures):

- Following any number of edges is `-[:A|B*1..]->` from a bound node to one that is only asked for once
  (`WITH DISTINCT`), with no name for the path or its edges: then the plan is `VarLengthExpand(Pruning,BFS)`.
- A path is `shortestPath` between two bound nodes, never a pattern that enumerates.
- Two nodes are looked up one after the other, with a barrier between them (`LIMIT 1`, or a value taken out of the row):
  two `MATCH` in a row make a Cartesian product.
- Labels and types that nothing is searched by come with the rows: one statement writes nodes or edges of every kind.
- Edges between known nodes are asked for by type: without one the planner, on a young database, reads all edges.

Each answers with rows of one column, a list called `row`.

Names of labels and types and numbers of kinds are written into the text; everything else is bound. A test asks the
server for the plan of each statement.
"""

from __future__ import annotations

from collections.abc import Collection

from .graph import Direction, EdgeKind, NodeKind, Within

NO_LIMIT = 2**63 - 1
"""The greatest number that Neo4j knows."""

NODE = "[n.id, n.kind, n.name, n.created, n.facets] AS row"
_ONE, _TURNS = "(m:LinMeta {one: 1})", "(t:LinMeta {one: 2})"

TAG = "meta"
"""What the row of `STATE` begins with; no id and no number does."""

# ---------------------------------------------------------------------------- setting up

SCHEMA = (
    "CREATE CONSTRAINT lin_meta IF NOT EXISTS FOR (m:LinMeta) REQUIRE m.one IS UNIQUE",
    "CREATE CONSTRAINT lin_id IF NOT EXISTS FOR (n:Lin) REQUIRE n.id IS UNIQUE",
    "CREATE CONSTRAINT lin_event IF NOT EXISTS FOR (e:LinEvent) REQUIRE e.id IS UNIQUE",
    "CREATE INDEX lin_kind IF NOT EXISTS FOR (n:Lin) ON (n.kind, n.created, n.id)",
    "CREATE INDEX lin_name IF NOT EXISTS FOR (n:Lin) ON (n.handle, n.created, n.id)",
    "CREATE INDEX lin_version IF NOT EXISTS FOR (n:Lin) ON (n.handle, n.version)",
    "CREATE TEXT INDEX lin_text IF NOT EXISTS FOR (n:Lin) ON (n.folded)",
    "CREATE INDEX lin_value IF NOT EXISTS FOR (v:LinValue) ON (v.place, v.value)",
)
AWAIT_INDEXES = "CALL db.awaitIndexes(60)"
OUR_CONSTRAINTS = "SHOW CONSTRAINTS YIELD name WHERE name STARTS WITH 'lin_' RETURN [name] AS row"
OUR_INDEXES = (
    "SHOW INDEXES YIELD name, owningConstraint WHERE name STARTS WITH 'lin_' AND owningConstraint IS NULL "
    "RETURN [name] AS row"
)
FOREIGN = (
    "MATCH (n) WHERE NOT n:Lin AND NOT n:LinValue AND NOT n:LinEvent AND NOT n:LinMeta "
    "RETURN [labels(n)] AS row LIMIT 1"
)
"""The one statement that looks at every node; sent only if the counts say that there is someone else's."""
COUNTS = (
    "RETURN [COUNT { MATCH (n) }, "
    "COUNT { MATCH (n:Lin) } + COUNT { MATCH (n:LinValue) } + COUNT { MATCH (n:LinEvent) } "
    "+ COUNT { MATCH (n:LinMeta) }] AS row"
)
"""All nodes, and lin's, from the database's own counters."""
META = f"MATCH {_ONE} RETURN [m.schema, m.repository] AS row"
MAKE_META = (
    f"MERGE {_ONE} ON CREATE SET m.schema = $schema, m.repository = $repository, "
    "m.size = 0, m.frontier = [], m.emptying = false "
    f"MERGE {_TURNS} ON CREATE SET t.begun = 0, t.done = 0"
)


def drop(what: str, name: str) -> str:
    """Drop a constraint or an index that lin made."""
    return f"DROP {what} `{name}` IF EXISTS"


# ---------------------------------------------------------------------------- the position, and taking turns

STATE = (
    f"MATCH {_ONE} WITH m LIMIT 1 MATCH {_TURNS} "
    f"RETURN ['{TAG}', m.size, m.frontier, m.emptying, t.begun, t.done] AS row"
)
LOCK = f"MATCH {_ONE} SET m.turn = $turn"
"""Wait for whoever writes, and keep others from writing until the transaction ends."""
BEGIN = f"MATCH {_TURNS} SET t.begun = t.begun + 1 RETURN [t.begun] AS row"
DONE = f"MATCH {_TURNS} WHERE t.done < $number SET t.done = $number"
MOVE = f"MATCH {_ONE} SET m.size = $size, m.frontier = $frontier, m.emptying = $emptying"


def framed(statement: str) -> str:
    """Return a statement that gives `STATE`'s row before and after those of this one: one round trip for all three."""
    return f"{STATE} UNION ALL {statement} UNION ALL {STATE}"


# ---------------------------------------------------------------------------- writing


def label(kind: NodeKind) -> str:
    """Return the label of nodes of this kind, for people who look at the graph in Neo4j's own tools."""
    return kind.name.capitalize()


ADD_NODES = "UNWIND $rows AS row CREATE (n:Lin:$(row[0])) SET n = row[1]"
"""Make nodes. Parameters: `rows` of (label, properties)."""
CHANGE_NODES = (
    "UNWIND $rows AS row MATCH (n:Lin {id: row[1].id}) SET n = row[1] "
    f"REMOVE n{''.join(':' + label(kind) for kind in NodeKind)} SET n:$(row[0])"
)
"""Give nodes another label and other properties. Parameters: `rows` of (label, all properties)."""
MARK_LONG = "UNWIND $ids AS id MATCH (n:Lin {id: id}) SET n:LinLong"
"""Mark nodes whose names are too long for the index of texts. Parameters: `ids`."""

_ENDS = (
    "UNWIND $rows AS row MATCH (a:Lin {id: row[0]}) "
    "WITH a, row[1] AS kind, row[2] AS target, row[3] AS notes MATCH (b:Lin {id: target})"
)
ADD_EDGES = f"{_ENDS} CREATE (a)-[:$(kind) {{notes: notes}}]->(b)"
"""Make edges that are not there. Parameters: `rows` of (source, type, target, notes or null)."""


def change_edges(kind: EdgeKind) -> str:
    """Give edges of this kind new notes. Parameters: `rows` of (source, type, target, notes)."""
    return f"{_ENDS} WITH a, b, notes MATCH (a)-[r:{kind.name}]->(b) SET r.notes = notes"


def edges_between(kind: EdgeKind) -> str:
    """Find which edges of this kind are there. Parameters: `rows` of (source, type, target, null)."""
    return f"{_ENDS} WITH DISTINCT a, b MATCH (a)-[r:{kind.name}]->(b) RETURN [a.id, b.id, r.notes] AS row"


ADD_EVENTS = (
    "UNWIND $rows AS row MERGE (e:LinEvent {id: row[0]}) ON CREATE SET e.position = row[1] "
    "ON MATCH SET e.position = CASE WHEN row[1] < e.position THEN row[1] ELSE e.position END"
)

FORGET_VALUES = "UNWIND $ids AS id MATCH (n:Lin {id: id})-[:LIN_VALUE]->(v:LinValue) DETACH DELETE v"
"""Remove all values of nodes. Parameters: `ids`."""
ADD_VALUES = "UNWIND $rows AS row MATCH (n:Lin {id: row[0]}) CREATE (n)-[:LIN_VALUE]->(v:LinValue) SET v = row[1]"
"""Give nodes values. Parameters: `rows` of (id, properties)."""

DELETE_NODES = "MATCH (n:Lin) WITH n LIMIT $limit DETACH DELETE n RETURN [count(*)] AS row"
DELETE_VALUES = "MATCH (v:LinValue) WITH v LIMIT $limit DETACH DELETE v RETURN [count(*)] AS row"
DELETE_EVENTS = "MATCH (e:LinEvent) WITH e LIMIT $limit DETACH DELETE e RETURN [count(*)] AS row"
DELETE_META = "MATCH (m:LinMeta) DETACH DELETE m"

# ---------------------------------------------------------------------------- reading

EVENTS = "UNWIND $ids AS id MATCH (e:LinEvent {id: id}) RETURN [e.id, e.position] AS row"
NODES = f"UNWIND $ids AS id MATCH (n:Lin {{id: id}}) RETURN {NODE}"
MAX_VERSION = (
    "MATCH (n:Lin) USING INDEX n:Lin(handle, version) "
    "WHERE n.handle = $handle AND n.version > 0 AND n.name = $name "
    "RETURN [n.version] AS row ORDER BY n.handle DESC, n.version DESC LIMIT 1"
)


def count(kinds: Collection[NodeKind]) -> str:
    """Count nodes of these kinds, from the database's own counters."""
    parts = " UNION ALL ".join(f"MATCH (n:{label(kind)}) RETURN count(n) AS number" for kind in sorted(kinds))
    return f"CALL () {{ {parts} }} RETURN [sum(number)] AS row"


def _types(kinds: Collection[EdgeKind]) -> str:
    return "|".join(kind.name for kind in sorted(kinds))


def _to(direction: Direction, edge: str) -> str:
    """Return an edge pattern that leads away from the node before it."""
    return f"-[{edge}]->" if direction is Direction.DOWN else f"<-[{edge}]-"


def _beyond(node: str = "n", *, newest_first: bool) -> str:
    # The first half is what an index can seek; both together are (created, id) after the cursor. As an `OR` the second
    # half would, with some statistics, become two seeks and a sort of all that they find.
    past, beside = ("<=", "<") if newest_first else (">=", ">")
    return (
        f"{node}.created {past} $created "
        f"AND CASE WHEN {node}.created = $created THEN {node}.id {beside} $id ELSE true END"
    )


def _order(first: str = "", *, newest_first: bool) -> str:
    # Naming the index's first property, which is fixed, lets its order be used.
    names = ("n." + name for name in (first, "created", "id") if name)
    return ", ".join(f"{name} DESC" if newest_first else name for name in names)


def find_by_kind(*, newest_first: bool) -> str:
    """Find nodes. Parameters: `kinds`, `created`, `id` (the cursor), `limit`."""
    return (
        "UNWIND $kinds AS kind CALL (kind) { MATCH (n:Lin) USING INDEX n:Lin(kind, created, id) "
        f"WHERE n.kind = kind AND {_beyond(newest_first=newest_first)} AND n.id IS NOT NULL "
        f"RETURN n ORDER BY {_order('kind', newest_first=newest_first)} LIMIT $limit }} "
        f"RETURN {NODE} ORDER BY {_order(newest_first=newest_first)} LIMIT $limit"
    )


def find_by_name(*, newest_first: bool) -> str:
    """Find nodes of one name. Parameters: `handle`, `name`, `text`, `kinds`, `created`, `id`, `limit`."""
    return (
        "MATCH (n:Lin) USING INDEX n:Lin(handle, created, id) "
        f"WHERE n.handle = $handle AND {_beyond(newest_first=newest_first)} AND n.id IS NOT NULL "
        "AND n.name = $name AND n.kind IN $kinds "
        f"RETURN {NODE} ORDER BY {_order('handle', newest_first=newest_first)} LIMIT $limit"
    )


def find_by_text(*, newest_first: bool) -> str:
    """Find nodes whose name holds a text. Parameters: `text`, `kinds`, `created`, `id`, `limit`."""
    return (
        "CALL () { MATCH (n:Lin) USING TEXT INDEX n:Lin(folded) WHERE n.folded CONTAINS $text RETURN n "
        "UNION MATCH (n:LinLong) WHERE n.whole CONTAINS $text RETURN n } "
        f"WITH n WHERE {_beyond(newest_first=newest_first)} AND n.kind IN $kinds "
        f"RETURN {NODE} ORDER BY {_order(newest_first=newest_first)} LIMIT $limit"
    )


def find_by_prefix(*, newest_first: bool) -> str:
    """Find nodes whose id starts with some digits.

    Parameters: `prefix`, `name` and `text` (null where not asked for), `kinds`, `created`, `id`, `limit`.
    """
    return (
        "MATCH (n:Lin) USING INDEX n:Lin(id) WHERE n.id STARTS WITH $prefix "
        f"AND {_beyond(newest_first=newest_first)} AND n.kind IN $kinds AND ($name IS NULL OR n.name = $name) "
        "AND ($text IS NULL OR n.folded CONTAINS $text OR n.whole CONTAINS $text) "
        f"RETURN {NODE} ORDER BY {_order(newest_first=newest_first)} LIMIT $limit"
    )


def _within(within: Within) -> str:
    """Return a condition on a value. Its parameters are `text` and `equals`, or `low` and `high`."""
    if within.equals is not None:
        return "v.value = $equals AND ($text IS NULL OR v.text = $text)"
    bounds = []
    if within.low is not None:
        bounds.append(f"v.value {'>' if within.low_open else '>='} $low")
    if within.high is not None:
        bounds.append(f"v.value {'<' if within.high_open else '<='} $high")
    return " AND ".join(bounds) or "v.value IS NOT NULL"


def _valued(within: Within) -> str:
    return (
        "MATCH (v:LinValue) USING INDEX v:LinValue(place, value) "
        f"WHERE v.place = $place AND {_within(within)} AND v.name = $name"
    )


def measured(within: Within, *, newest_first: bool) -> str:
    """Find nodes by a value. Parameters: `place`, `name`, `kinds`, a page's, and those of the condition."""
    order = "v.created DESC, v.id DESC" if newest_first else "v.created, v.id"
    return (
        f"{_valued(within)} AND v.kind IN $kinds AND {_beyond('v', newest_first=newest_first)} "
        f"WITH v ORDER BY {order} LIMIT $limit MATCH (v)<-[:LIN_VALUE]-(n:Lin) "
        f"RETURN {NODE} ORDER BY {_order(newest_first=newest_first)}"
    )


def measured_size(within: Within) -> str:
    """Count nodes with a value. Parameters: `place`, `name`, `limit`, and those of the condition."""
    return f"{_valued(within)} WITH v LIMIT $limit RETURN [count(v)] AS row"


def edges(direction: Direction, kinds: Collection[EdgeKind]) -> str:
    """Find the edges of many nodes. Parameters: `ids`."""
    source, target = ("n", "o") if direction is Direction.DOWN else ("o", "n")
    return (
        f"UNWIND $ids AS id MATCH (n:Lin {{id: id}}){_to(direction, 'r:' + _types(kinds))}(o) "
        f"RETURN [{source}.id, type(r), {target}.id, r.notes] AS row"
    )


def edges_inside(direction: Direction, kinds: Collection[EdgeKind]) -> str:
    """Find the edges of many nodes that end at others of them. Parameters: `ids` of these, `among` of all."""
    source, target = ("n", "o") if direction is Direction.DOWN else ("o", "n")
    return (
        f"UNWIND $ids AS id MATCH (n:Lin {{id: id}}){_to(direction, 'r:' + _types(kinds))}(o) "
        f"WHERE o.id IN $among RETURN [{source}.id, type(r), {target}.id, r.notes] AS row"
    )


def step(direction: Direction, kinds: Collection[EdgeKind]) -> str:
    """Find the neighbours of many nodes. Parameters: `ids`."""
    return (
        f"UNWIND $ids AS id MATCH (s:Lin {{id: id}}){_to(direction, ':' + _types(kinds))}(n) "
        "WITH DISTINCT n RETURN [n.id] AS row"
    )


_WANTED = "n.kind IN $kinds AND $since <= n.created AND n.created <= $until"


def _reached(direction: Direction, kinds: Collection[EdgeKind], hops: str) -> str:
    return (
        "UNWIND $ids AS id MATCH (s:Lin {id: id}) "
        f"MATCH (s){_to(direction, f':{_types(kinds)}*{hops}')}(n) WITH DISTINCT n"
    )


def closure(direction: Direction, kinds: Collection[EdgeKind]) -> str:
    """Find what can be reached. Parameters: `ids`, `kinds`, `since`, `until`, `created`, `id`, `limit`."""
    return (
        f"{_reached(direction, kinds, '1..')} WHERE {_WANTED} AND {_beyond(newest_first=False)} "
        f"RETURN {NODE} ORDER BY n.created, n.id LIMIT $limit"
    )


def closure_size(direction: Direction, kinds: Collection[EdgeKind]) -> str:
    """Count what can be reached. Parameters: `ids`, `kinds`, `since`, `until`."""
    return f"{_reached(direction, kinds, '1..')} WHERE {_WANTED} RETURN [count(n)] AS row"


def closure_kinds(direction: Direction, kinds: Collection[EdgeKind]) -> str:
    """Count what can be reached, by kind. Parameters: `ids`."""
    return f"{_reached(direction, kinds, '1..')} WITH n.kind AS kind, count(n) AS number RETURN [kind, number] AS row"


KINDS_AMONG = (
    "UNWIND $ids AS id MATCH (n:Lin {id: id}) WITH n.kind AS kind, count(n) AS number RETURN [kind, number] AS row"
)
"""Count nodes by kind. Parameters: `ids`."""


def among(*, counted: bool) -> str:
    """Find those of many nodes that are wanted, or count them.

    Parameters: `ids`, `kinds`, `since`, `until`, those of a page.
    """
    found = f"UNWIND $ids AS id MATCH (n:Lin {{id: id}}) WHERE {_WANTED}"
    if counted:
        return f"{found} RETURN [count(n)] AS row"
    return f"{found} AND {_beyond(newest_first=False)} RETURN {NODE} ORDER BY n.created, n.id LIMIT $limit"


def _depth(depth: int | None) -> str:
    return f"0..{'' if depth is None else depth}"


def subgraph(direction: Direction, kinds: Collection[EdgeKind], depth: int | None) -> str:
    """Find what is within `depth` hops, each with the edges that lead on. Parameters: `ids`, `limit`."""
    return (
        f"{_reached(direction, kinds, _depth(depth))} LIMIT $limit "
        "RETURN [n.id, n.kind, n.name, n.created, n.facets, "
        f"[(n){_to(direction, 'r:' + _types(kinds))}(o) | [type(r), o.id, r.notes]]] AS row"
    )


def subgraph_size(direction: Direction, kinds: Collection[EdgeKind], depth: int | None) -> str:
    """Count what is within `depth` hops. Parameters: `ids`."""
    return f"{_reached(direction, kinds, _depth(depth))} RETURN [count(n)] AS row"


def path(kinds: Collection[EdgeKind]) -> str:
    """Find a shortest way downstream. Parameters: `source`, `target`, which differ."""
    return (
        "MATCH (a:Lin {id: $source}) WITH a LIMIT 1 MATCH (b:Lin {id: $target}) WITH a, b LIMIT 1 "
        f"MATCH p = shortestPath((a)-[:{_types(kinds)}*1..]->(b)) "
        "UNWIND relationships(p) AS r RETURN [startNode(r).id, type(r), endNode(r).id, r.notes] AS row"
    )
