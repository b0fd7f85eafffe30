import json
import math

import pandas as pd
import pytest

from datmos.comparison.summaries import (
    ceiling_gaps,
    chart_rows,
    common_ground,
    comparison_rows,
    difference_rows,
    training_rows,
)
from datmos.core.errors import DatmosError
from datmos.core.files import rounded
from datmos.evaluation.metrics import evaluate_predictions
from helpers.summaries import summary


def scores(mse, srcc):
    """What `evaluate_predictions` returns for one aspect, with fewer metrics; one value a seed."""
    level = {"mse": summary(*mse), "srcc": summary(*srcc)}
    return {
        "evaluated_on": {"systems": 36, "clips": 288, "seeds": list(range(len(mse)))},
        "system": level,
        "utterance": level,
        "within_category": {"music": {"srcc": summary(*srcc)}},
        "groups": {"srcc_within_groups": summary(*srcc)},
        "shortcut": {
            "error_eta2_source": summary(*srcc),
            "signature_sensitivity": summary(*mse),
        },
        "true": {"system": level},
    }


@pytest.fixture
def metrics():
    return {
        "plain": {"PQ": scores([1.0, 2.0, 3.0], [0.90, 0.92, 0.94])},
        "dat": {"PQ": scores([0.5, 1.0, 1.5], [0.91, 0.92, 0.96])},
    }


def test_nulls_of_json_are_unknown_not_zero(metrics):
    metrics["dat"]["PQ"]["system"]["srcc"] = summary(math.nan, 0.9, 0.9)
    read_back = json.loads(json.dumps(rounded(metrics)))
    assert comparison_rows(read_back, ["PQ"])["mean"].isna().sum() == 3  # system, utterance and true share a level


def test_strategies_must_share_seeds_and_systems(metrics):
    metrics["stale"] = {"PQ": scores([1.0, 1.0], [0.9, 0.9])}
    with pytest.raises(DatmosError, match=r"'plain' was .*'seeds': \[0, 1, 2\].*'stale' on .*'seeds': \[0, 1\]"):
        common_ground(metrics, ["PQ"])


def test_rows_are_long_form(metrics):
    rows = comparison_rows(metrics, ["PQ"])
    assert list(rows.columns) == ["strategy", "aspect", "level", "metric", "mean", "std", "ensemble"]
    assert rows.query("strategy == 'dat'")[["level", "metric"]].to_numpy().tolist() == [
        ["system", "mse"],
        ["system", "srcc"],
        ["utterance", "mse"],
        ["utterance", "srcc"],
        ["system within music", "srcc"],
        ["system within groups", "srcc"],
        ["shortcut", "error_eta2_source"],
        ["shortcut", "signature_sensitivity"],
        ["shortcut", "mse_true"],
        ["shortcut", "srcc_true"],
    ]
    assert rows.iloc[0, 4:].tolist() == pytest.approx([2.0, 1.0, 1.0])


def test_takes_what_evaluate_predictions_returns():
    manifest = pd.DataFrame(
        {
            "clip_id": ["a", "b", "c"],
            "split": "eval",
            "category": "music",
            "source": ["x", "y", "z"],
            "system": ["A", "B", "C"],
            "PQ": [1.0, 2.0, 3.0],
        }
    )
    predictions = manifest[["clip_id", "PQ"]].assign(seed=0)
    metrics = {"perfect": evaluate_predictions(predictions, manifest, ["PQ"])}
    # six metrics on two levels, three within music, one within groups, and four shares of the error
    assert len(comparison_rows(metrics, ["PQ"])) == 20


def test_chart_rows_are_the_scores() -> None:
    scores = {"plain": {"PQ": {"mse": 1.0, "srcc": 0.5}, "PC": {"mse": 2.0, "srcc": None}}}
    scores["dat"] = {"PQ": {"mse": 3.0, "srcc": 0.25}, "PC": {"mse": 4.0, "srcc": 0.125}}
    rows = chart_rows(scores)
    assert list(rows) == ["row", "mse", "srcc"]
    assert rows["row"].tolist() == ["PQ plain", "PQ dat", "PC plain", "PC dat"]
    assert rows["mse"].tolist() == [1.0, 3.0, 2.0, 4.0]


def test_training_rows_are_means_over_seeds() -> None:
    curves = pd.DataFrame({"seed": [0, 0, 1, 1], "epoch": [1, 2, 1, 2], "task_loss": [1.0, 2.0, 3.0, 4.0]})
    rows = training_rows({"plain": curves, "tuned": curves.assign(adversarial_gradient=0.5)})
    assert rows["strategy"].tolist() == ["plain"] * 2 + ["tuned"] * 2
    assert rows["epoch"].tolist() == [1, 2] * 2
    assert rows["task_loss"].tolist() == [2.0, 3.0] * 2
    assert rows["adversarial_gradient"].isna().tolist() == [True, True, False, False]


def test_strategies_are_set_beside_their_own_baseline():
    def found(difference):
        numbers = {"difference": difference, "low": -1.0, "high": None, "separable": difference < 0}
        return {"mse": numbers | {"smallest_detectable": 0.125}, "srcc": numbers | {"smallest_detectable": None}}

    against = {"plain": {"PQ": {"dat": found(-0.5)}}, "tuned_plain": {"PQ": {"tuned_dat": found(0.25)}}}
    ensembles = {"plain": 1.0, "dat": 0.25, "tuned_plain": 2.0, "tuned_dat": 4.0}
    metrics = {
        name: {"PQ": {"system": {metric: {"mean": 9.0, "ensemble": value} for metric in ("mse", "srcc")}}}
        for name, value in ensembles.items()
    }
    rows = difference_rows(against, metrics, {"plain": ["dat"], "tuned_plain": ["tuned_dat"]}, ["PQ"])
    assert rows["baseline"].tolist() == ["plain"] * 2 + ["tuned_plain"] * 2
    assert rows["strategy"].tolist() == ["dat"] * 2 + ["tuned_dat"] * 2
    assert rows["metric"].tolist() == ["mse", "srcc"] * 2
    assert rows["difference"].tolist() == [-0.5, -0.5, 0.25, 0.25]
    assert rows["ensemble"].tolist() == [-0.75, -0.75, 2.0, 2.0]
    assert rows["separable"].tolist() == [True, True, False, False]
    assert rows["high"].isna().all()
    assert rows["detectable"].isna().tolist() == [False, True] * 2


def test_ceilings_are_told_from_the_baseline():
    metrics = {"plain": {"PQ": {"system": {"mse": {"mean": 1.0}, "srcc": {"mean": None}}}}}
    gaps = ceiling_gaps({"PQ": {"system": {"mse": 0.25, "srcc": 0.9}}}, metrics, "plain", ["PQ"])
    assert gaps[("PQ", "mse")] == -0.75
    assert math.isnan(gaps[("PQ", "srcc")])
