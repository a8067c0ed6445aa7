"""The tables of the SQLite index, and how its files are opened.

They are those that were measured (`docs/graph.md`).
"""

from __future__ import annotations

SCHEMA_VERSION = 3
"""Counted up with every change of the schema or of what events contribute."""
APPLICATION = 0x6C696E31
"""Marks a file as an index, once it has its tables."""

_TABLES = """
CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, frontier BLOB NOT NULL);
INSERT INTO meta VALUES (1, 0, x'');
CREATE TABLE event(id BLOB PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE node(
  k INTEGER PRIMARY KEY, id BLOB NOT NULL, kind INTEGER NOT NULL, created INTEGER NOT NULL,
  name TEXT, version INTEGER, facets TEXT
);
CREATE TABLE edge(src INTEGER, kind INTEGER, dst INTEGER, notes TEXT, PRIMARY KEY(src, kind, dst)) WITHOUT ROWID;
CREATE TABLE value(
  k INTEGER, what INTEGER, name TEXT, number REAL, text TEXT, PRIMARY KEY(k, what, name)
) WITHOUT ROWID;
CREATE TABLE adjacency(one INTEGER PRIMARY KEY CHECK (one = 1), token BLOB NOT NULL, noting INTEGER NOT NULL);
INSERT INTO adjacency VALUES (1, x'', 0);
CREATE TABLE newer_edge(n INTEGER PRIMARY KEY, src INTEGER, kind INTEGER, dst INTEGER);
CREATE TABLE changed_node(n INTEGER PRIMARY KEY, k INTEGER)
"""
_INDEXES = """
CREATE UNIQUE INDEX node_id ON node(id);
CREATE INDEX node_kind ON node(kind, created, id);
CREATE INDEX node_name ON node(name, created, id) WHERE name IS NOT NULL;
CREATE INDEX node_version ON node(name, version) WHERE version IS NOT NULL;
CREATE UNIQUE INDEX edge_in ON edge(dst, kind, src);
CREATE INDEX value_name ON value(what, name, number, text)
"""

TABLES = tuple(_TABLES.split(";"))
INDEXES = tuple(_INDEXES.split(";"))
SEAL = (f"PRAGMA user_version={SCHEMA_VERSION}", f"PRAGMA application_id={APPLICATION}")

# In this order: the page size counts only before the first page is written. With `synchronous=NORMAL` a commit
# waits for no disk: a power cut may take the last ones back, whole, and the log still has what they held.
PRAGMAS = (
    "page_size=8192",
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "cache_size=-131072",
    "mmap_size=8589934592",
    "temp_store=MEMORY",
)

# For a file that nobody else opens before it is whole and synced, and that is thrown away if that does not happen.
LOADING_PRAGMAS = (
    "page_size=8192",
    "locking_mode=EXCLUSIVE",
    "journal_mode=OFF",
    "synchronous=OFF",
    "cache_size=-262144",
    "threads=4",
)
LOADED_PRAGMAS = ("PRAGMA locking_mode=NORMAL", "PRAGMA journal_mode=WAL")
