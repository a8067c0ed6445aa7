"""Print rows as a table that is Markdown as well."""

from __future__ import annotations

from .measuring import Row

HEAD = f"| {'':<32} | {'median':>9} | {'min … max':>21} | {'p95':>9} | {'ratio':>7} | {'peak RSS':>9} |"
RULE = f"| :{'-' * 31} | {'-' * 8}: | {'-' * 20}: | {'-' * 8}: | {'-' * 6}: | {'-' * 8}: |"


def seconds(value: float) -> str:
    """Write a duration with three figures."""
    if value < 1e-3:
        return f"{value * 1e6:.0f} µs"
    if value < 1:
        return f"{value * 1e3:.3g} ms" if value < 0.1 else f"{value * 1e3:.0f} ms"
    return f"{value:.2f} s"


def size(value: int | None) -> str:
    """Write a number of bytes in MiB."""
    return "" if value is None else f"{value / 2**20:,.0f} MiB"


def count(value: int | None) -> str:
    """Write a number of bytes with four figures."""
    if value is None:
        return ""
    return f"{value:,} B" if value < 10_000 else f"{value / 1e6:,.4g} MB"


def line(row: Row, *, added: bool = False) -> str:
    """Return a row's line."""
    spread = f"{seconds(row.least)} … {seconds(row.most)}"
    ratio = f"{row.ratio:.2f}x"
    times = f"{seconds(row.median):>9} | {spread:>21} | {seconds(row.p95):>9}"
    more = f" {count(row.added):>11} |" if added else ""
    return f"| {row.contender:<32} | {times} | {ratio:>7} | {size(row.peak):>9} |{more}"


def goal(row: Row) -> str:
    """Say whether a row met its goal."""
    assert row.goal is not None
    return f"{row.contender}: goal {seconds(row.goal)}, {'met' if row.median < row.goal else 'MISSED'}"


def show(rows: list[Row]) -> str:
    """Return a scenario's part of the table, under its title."""
    goals = [f"\n{goal(row)}" for row in rows if row.goal is not None]
    added = any(row.added is not None for row in rows)
    head = HEAD + (f" {'added':>11} |" if added else "")
    rule = RULE + (f" {'-' * 10}: |" if added else "")
    return "\n".join([f"\n**{rows[0].scenario}**\n", head, rule, *(line(row, added=added) for row in rows), *goals])
