import json
import math

import numpy as np
import pandas as pd
import pytest

from datmos.comparison import chart_rows, compare, comparison_rows, shortcut_table, table1
from datmos.errors import DatmosError
from datmos.files import rounded
from datmos.metrics import evaluate_predictions


def summary(*seeds):
    std = float(np.std(seeds, ddof=1)) if len(seeds) > 1 else math.nan
    return {"mean": float(np.mean(seeds)), "std": std, "ensemble": seeds[0], "seeds": list(seeds)}


def scores(mse, srcc):
    """What `evaluate_predictions` returns for one aspect, with fewer metrics; one value a seed."""
    level = {"mse": summary(*mse), "srcc": summary(*srcc)}
    return {
        "evaluated_on": {"systems": 36, "clips": 288, "seeds": list(range(len(mse)))},
        "system": level,
        "utterance": level,
        "srcc_within_category": {"music": summary(*srcc)},
        "shortcut": {
            "error_eta2_source": summary(*srcc),
            "signature_sensitivity": summary(*mse),
            "signature_offset": {"x": summary(*mse)},
        },
        "true": {"system": level},
    }


@pytest.fixture
def metrics():
    return {
        "plain": {"PQ": scores([1.0, 2.0, 3.0], [0.90, 0.92, 0.94])},
        "dat": {"PQ": scores([0.5, 1.0, 1.5], [0.91, 0.92, 0.96])},
    }


def test_deltas_are_paired_by_seed(metrics):
    result = compare(metrics, "plain", ["PQ"])
    # MSE: -0.5 -1 -1.5, so -1 with std 0.5; SRCC: 0.01 0 0.02, so 0.01 with std 0.01, while 0.9 .. 0.96
    # scatter more than that: what a seed does to both strategies cancels
    assert result["PQ"]["dat"] == pytest.approx(
        {
            "mse": 1.0,
            "mse_delta": -1.0,
            "mse_delta_std": 0.5,
            "srcc": 0.93,
            "srcc_delta": 0.01,
            "srcc_delta_std": 0.01,
            "error_eta2_source": 0.93,
            "signature_sensitivity": 1.0,
            "mse_true": 1.0,
            "srcc_true": 0.93,
        }
    )
    assert result["PQ"]["plain"] == pytest.approx(
        {
            "mse": 2.0,
            "mse_delta": 0.0,
            "mse_delta_std": 0.0,
            "srcc": 0.92,
            "srcc_delta": 0.0,
            "srcc_delta_std": 0.0,
            "error_eta2_source": 0.92,
            "signature_sensitivity": 2.0,
            "mse_true": 2.0,
            "srcc_true": 0.92,
        }
    )


def test_nulls_of_json_are_unknown_not_zero(metrics):
    metrics["dat"]["PQ"]["system"]["srcc"] = summary(math.nan, 0.9, 0.9)
    read_back = json.loads(json.dumps(rounded(metrics)))
    result = rounded(compare(read_back, "plain", ["PQ"])["PQ"]["dat"])
    assert (result["srcc"], result["srcc_delta"], result["mse_delta"]) == (None, None, -1.0)
    assert "| dat | **1.00 ± 0.50** | n/a |" in table1(read_back, ["PQ"])
    assert comparison_rows(read_back, ["PQ"])["mean"].isna().sum() == 3  # system, utterance and true share a level


def test_strategies_must_share_seeds_and_systems(metrics):
    metrics["stale"] = {"PQ": scores([1.0, 1.0], [0.9, 0.9])}
    with pytest.raises(DatmosError, match=r"'plain' was .*'seeds': \[0, 1, 2\].*'stale' on .*'seeds': \[0, 1\]"):
        compare(metrics, "plain", ["PQ"])
    with pytest.raises(DatmosError, match="'stale'"):
        table1(metrics, ["PQ"])


def test_table_by_hand(metrics):
    metrics["dat"]["CE"] = scores([12.0, 12.0, 12.0], [0.5, 0.5, 0.5])
    metrics["plain"]["CE"] = scores([12.01, 12.01, 12.01], [0.4, 0.4, 0.4])
    assert table1(metrics, ["PQ", "CE"]).splitlines() == [
        "System level (36 systems, scores averaged over the clips of a system first), mean ± standard deviation "
        "over 3 seeds. Bold is the best mean of a column, which need not be significant.",
        "",
        "| Strategy | PQ MSE ↓ | PQ SRCC ↑ | CE MSE ↓ | CE SRCC ↑ |",
        "| :--- | ---: | ---: | ---: | ---: |",
        # 12.0 and 12.01 print alike with three digits: both are best
        "| plain | 2.00 ± 1.00 | 0.920 ± 0.020 | **12.0 ± 0.0** | 0.400 ± 0.000 |",
        "| dat | **1.00 ± 0.50** | **0.930 ± 0.026** | **12.0 ± 0.0** | **0.500 ± 0.000** |",
    ]


def test_table_of_one_seed_has_no_spread():
    text = table1({"only": {"PQ": scores([0.0456], [-0.1])}}, ["PQ"])
    assert ", 1 seed. Bold" in text
    assert "| only | **0.0456** | **-0.100** |" in text


def test_table_without_any_number():
    text = table1({"only": {"PQ": scores([math.nan], [math.nan])}}, ["PQ"])
    assert "| only | n/a | n/a |" in text


def test_rows_are_long_form(metrics):
    rows = comparison_rows(metrics, ["PQ"])
    assert list(rows.columns) == ["strategy", "aspect", "level", "metric", "mean", "std", "ensemble"]
    assert rows.query("strategy == 'dat'")[["level", "metric"]].to_numpy().tolist() == [
        ["system", "mse"],
        ["system", "srcc"],
        ["utterance", "mse"],
        ["utterance", "srcc"],
        ["system within music", "srcc"],
        ["shortcut", "error_eta2_source"],
        ["shortcut", "signature_sensitivity"],
        ["shortcut", "mse_true"],
        ["shortcut", "srcc_true"],
        ["signature x", "offset"],
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
    assert compare(metrics, "perfect", ["PQ"])["PQ"]["perfect"]["srcc"] == 1.0
    assert "System level (3 systems" in table1(metrics, ["PQ"])
    # six metrics on two levels, the SRCC within music, and four shares of the error
    assert len(comparison_rows(metrics, ["PQ"])) == 17


def test_shortcut_table_shows_what_the_dataset_allows(metrics):
    lines = shortcut_table(metrics, ["PQ"]).splitlines()
    assert lines[0].startswith("Shortcut metrics over 3 seeds")
    assert lines[2:] == [
        "## PQ",
        "",
        "| Strategy | error_eta2_source | signature_sensitivity | mse_true | srcc_true |",
        "| :--- | ---: | ---: | ---: | ---: |",
        "| plain | 0.920 ± 0.020 | 2.000 ± 1.000 | 2.000 ± 1.000 | 0.920 ± 0.020 |",
        "| dat | 0.930 ± 0.026 | 1.000 ± 0.500 | 1.000 ± 0.500 | 0.930 ± 0.026 |",
    ]


def test_chart_rows_pick_one_system_level_metric() -> None:
    rows = pd.DataFrame(
        [
            ("plain", "PQ", "system", "mse", 1.0),
            ("plain", "PQ", "system", "srcc", 0.5),
            ("plain", "PQ", "utterance", "mse", 2.0),
            ("dat", "PQ", "system", "mse", 3.0),
        ],
        columns=["strategy", "aspect", "level", "metric", "mean"],
    )
    assert chart_rows(rows, "mse").to_dict("records") == [
        {"row": "PQ plain", "mse": 1.0},
        {"row": "PQ dat", "mse": 3.0},
    ]
