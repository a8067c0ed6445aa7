"""Leaks in a copy of the demo: none as it is, and each row that is planted by hand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from lin.lineage.words import ArtifactKind
from lin.recording import Recording
from lin.records import Uncompared

DEMO = Path(__file__).parents[2] / "demo"
PLANTED = 17


@pytest.fixture
def parts(tables):
    """Split a year of flights with the demo's own program, and record it as the demo does."""
    days = pd.date_range("2013-01-01", periods=2_000, freq="262min")
    flights = pd.DataFrame({"month": days.month, "day": days.day, "minute": range(2_000), "arr_delay": 1.0})
    flights.loc[::50, "arr_delay"] = None
    flights.to_csv("flights.csv", index=False)
    shutil.copy(DEMO / "split.py", "split.py")
    with Recording.start(tables.repository, name="split", folder=Path.cwd()) as run:
        raw = tables.repository.put("flights.csv").artifact
        run.use(raw)
        subprocess.run([sys.executable, "split.py", "flights.csv", "."], check=True, capture_output=True)
        parts = {name: run.save(f"{name}.csv", kind=ArtifactKind.DATASET) for name in ("train", "autumn", "winter")}
    for artifact in (raw, *parts.values()):
        tables.repository.identify(str(artifact.id))
    return parts


def test_the_demo_is_clean(repository, tables, parts):
    """The demo tests its models on months that they have not seen."""
    model = tables.made("linear", parts["train"])
    for name in ("autumn", "winter"):
        tables.tested(model, parts[name])
    missed: list[Uncompared] = []
    assert repository.leaks(uncompared=missed).items == ()
    assert missed == []


def test_planted_rows_are_found(repository, tables, parts):
    """Rows of the training set that somebody mixed into a test set are counted, in another format and order."""
    train, winter = (pd.read_csv(f"{name}.csv") for name in ("train", "winter"))
    mixed = pd.concat([winter, train.sample(PLANTED, random_state=1)]).sample(frac=1, random_state=2)
    mixed.to_parquet("mixed.parquet", index=False)
    planted = repository.put("mixed.parquet").artifact
    repository.identify(str(planted.id))
    tables.tested(tables.made("linear", parts["train"]), planted)
    (leak,) = repository.leaks(rows=True).items
    assert (leak.leaked, leak.tested) == (PLANTED, len(mixed))
    assert [source.artifact.label for source in leak.sources] == ["train.csv@v1"]
    months = mixed.reset_index(drop=True).iloc[[number - 1 for number in leak.rows]]["month"]
    assert months.between(1, 8).all()
