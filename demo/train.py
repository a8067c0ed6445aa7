"""Learn to predict, from the timetable alone, which flights will be more than 15 minutes late."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import joblib
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

CATEGORIES = ["carrier", "origin", "dest", "hour"]
NUMBERS = ["distance", "minute"]

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("data", type=Path, help="CSV of flights to learn from")
parser.add_argument("model", type=Path, help="where the model goes")
parser.add_argument("--kind", choices=["linear", "trees"], default="linear")
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()

flights = pd.read_csv(arguments.data)
late = flights["arr_delay"] > 15

if arguments.kind == "linear":
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), CATEGORIES), (StandardScaler(), NUMBERS), sparse_threshold=1.0
    )
    learner = LogisticRegression(max_iter=200, random_state=arguments.seed)
else:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    columns = make_column_transformer((encoder, CATEGORIES), ("passthrough", NUMBERS))
    learner = HistGradientBoostingClassifier(
        categorical_features=list(range(len(CATEGORIES))),
        max_iter=30,
        early_stopping=False,
        random_state=arguments.seed,
    )

# One thread sums in one order: the same data, code and settings give the same bytes.
with threadpool_limits(1):
    model = make_pipeline(columns, learner).fit(flights[CATEGORIES + NUMBERS], late)
joblib.dump(model, arguments.model)

accuracy = model.score(flights[CATEGORIES + NUMBERS], late)
print(json.dumps({"metrics": {"train_rows": len(flights), "train_accuracy": round(accuracy, 4)}}))
