"""Questions about the rows of tables: what is the same, what is held twice, what leaked, what changed.

::

    sides ── cached ──┬─ sameness      what two tables have in common
    ref or   facts    ├─ overlapping   rows in both
    file     keys     ├─ duplicates    what is known to hold the same rows ── sketches
             rows     ├─ training      models that learned from these rows
                      ├─ leaking       test rows that a model learned from ── predictions
                      ├─ comparing     rows added, removed, changed
                      └─ descent       where rows came from, and where they went

`lin.repository.Repository` has a method for each; `docs/tables.md` is for users. Row keys answer, and full digests
confirm: a row is told to be in both tables only if all 32 bytes of its digest are.
"""
