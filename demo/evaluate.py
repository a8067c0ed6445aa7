"""Measure a model of late flights on a set of flights that it has not seen."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import joblib
import pandas as pd
from sklearn.metrics import brier_score_loss, roc_auc_score

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model", type=Path)
parser.add_argument("data", type=Path)
arguments = parser.parse_args()

model = joblib.load(arguments.model)
flights = pd.read_csv(arguments.data)
late = flights["arr_delay"] > 15
chance = model.predict_proba(flights[list(model.feature_names_in_)])[:, 1]

print(
    json.dumps(
        {
            "auc": round(roc_auc_score(late, chance), 4),
            "brier": round(brier_score_loss(late, chance), 4),
            "late_share": round(late.mean(), 4),
        }
    )
)
