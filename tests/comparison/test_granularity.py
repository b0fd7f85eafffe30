"""The K ablation scored: system level, by hand, and differences paired by seed."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from datmos.comparison.granularity import granularity_rows, score_granularity
from datmos.core.files import rounded
from helpers.summaries import summary


def test_scores_are_of_systems_and_of_each_k_by_itself() -> None:
    ids = [f"c{n}" for n in range(8)]
    manifest = pd.DataFrame({"clip_id": ids, "split": "eval", "category": "music", "source": "x"})
    manifest["system"], manifest["PQ"] = ["a", "b", "c", "d"] * 2, np.arange(8.0)
    extra = {"clip_id": "f", "split": "counterfactual", "category": "music", "source": "x", "system": "", "PQ": 1.0}
    manifest = pd.concat([manifest, pd.DataFrame([extra])], ignore_index=True)  # nobody predicts it
    off = {(4, 0): 1.0, (4, 3): 2.0, (2, 0): 0.0, (2, 3): 0.0}
    tables = [
        pd.DataFrame({"clip_id": ids, "PQ": np.arange(8.0) + error, "k": k, "seed": seed})
        for (k, seed), error in off.items()
    ]
    found = score_granularity(pd.concat(tables), manifest, ["PQ"])
    assert list(found) == [4, 2]
    assert found[4]["PQ"]["mse"]["seeds"] == [1.0, 4.0]
    assert found[2]["PQ"]["mse"]["mean"] == 0.0
    assert found[4]["PQ"]["srcc"]["mean"] == pytest.approx(1)


def test_no_k_is_nothing() -> None:
    nothing = pd.DataFrame({"clip_id": [], "seed": [], "k": []})
    assert score_granularity(nothing, pd.DataFrame({"split": ["eval"]}), ["PQ"]) == {}


def test_granularity_by_hand() -> None:
    # the ablation has the first seeds alone
    baseline = {"PQ": {"system": {"mse": summary(1.0, 2.0, 3.0, 9.0), "srcc": summary(0.5, 0.5, 0.5, 0.9)}}}
    found = {
        "dat_kmeans": {
            2: {"PQ": {"mse": summary(0.5, 1.0, 1.5), "srcc": summary(0.5, 0.5, math.nan)}},
            10: {"PQ": {"mse": summary(1.0, 2.0, 3.0), "srcc": summary(0.6, 0.6, 0.6)}},
        }
    }
    rows = granularity_rows(json.loads(json.dumps(rounded(found))), baseline, ["PQ"])
    assert rows["k"].tolist() == [2, 2, 10, 10]
    first = rows.iloc[0]
    # differences -0.5, -1, -1.5: mean -1, standard error 0.5 / sqrt(3), t with 2 degrees of freedom 4.3027
    assert (first["metric"], first["mean"]) == ("mse", -1.0)
    assert first["high"] - first["mean"] == pytest.approx(4.3027 * 0.5 / math.sqrt(3), rel=1e-4)
    assert first["mean"] - first["low"] == pytest.approx(first["high"] - first["mean"])
    assert math.isnan(rows.iloc[1]["mean"])
    assert rows.iloc[3][["mean", "low", "high"]].tolist() == pytest.approx([0.1, 0.1, 0.1])


def test_one_seed_has_no_interval_and_no_k_no_rows() -> None:
    baseline = {"PQ": {"system": {"mse": summary(1.0), "srcc": summary(0.5)}}}
    rows = granularity_rows(
        {"dat_random": {"4": {"PQ": {"mse": summary(2.0), "srcc": summary(0.5)}}}}, baseline, ["PQ"]
    )
    assert rows["mean"].tolist() == [1.0, 0.0]
    assert rows[["low", "high"]].isna().all(axis=None)
    assert granularity_rows({}, baseline, ["PQ"]).empty
