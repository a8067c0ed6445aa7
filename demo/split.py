"""Cut a year of flights into a training set and two test sets, by month."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("flights", type=Path, help="CSV of a year of flights")
parser.add_argument("folder", type=Path, help="where train.csv, autumn.csv and winter.csv go")
arguments = parser.parse_args()

flights = pd.read_csv(arguments.flights)
arrived = flights.dropna(subset=["arr_delay"])  # cancelled flights have no delay to predict
months = {"train": range(1, 9), "autumn": (9, 10), "winter": (11, 12)}

rows = {}
for name, chosen in months.items():
    part = arrived[arrived["month"].isin(chosen)]
    part.to_csv(arguments.folder / f"{name}.csv", index=False)
    rows[f"{name}_rows"] = len(part)

print(json.dumps({"metrics": {**rows, "dropped_rows": len(flights) - len(arrived)}}))
