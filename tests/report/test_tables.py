"""Tables: every cell by hand."""

import numpy as np
import pytest

from datmos.core.errors import DatmosError
from datmos.report.table1 import table1
from datmos.report.tables import (
    agreement_table,
    probe_table,
    shortcut_table,
    significance_table,
    uncertainty_table,
    within_table,
)


def summary(*seeds):
    std = float(np.std(seeds, ddof=1)) if len(seeds) > 1 else None
    return {"mean": float(np.mean(seeds)), "std": std, "ensemble": seeds[0], "seeds": list(seeds)}


def scores(mse, srcc):
    """One aspect of metrics/strategies/<strategy>.json, with fewer metrics; one value a seed."""
    return {
        "evaluated_on": {"systems": 36, "clips": 288, "seeds": list(range(len(mse)))},
        "system": {"mse": summary(*mse), "srcc": summary(*srcc)},
        "shortcut": {"error_eta2_source": summary(*srcc), "signature_sensitivity": summary(*mse)},
    }


def significance(mse_separable, srcc_separable, **strategies):
    """metrics/significance.json for PQ: intervals as (mse low, high, srcc low, high), the best is the last."""
    found = {
        name: {"mse": {"low": a, "high": b}, "srcc": {"low": c, "high": d}}
        for name, (a, b, c, d) in strategies.items()
    }
    best = {
        metric: {"strategy": list(strategies)[-1], "separable": separable}
        for metric, separable in (("mse", mse_separable), ("srcc", srcc_separable))
    }
    return {"scores": {"PQ": found}, "best": {"PQ": best}, "against": {}}


CEILINGS = {"PQ": {"system": {"mse": 0.0123, "srcc": 0.99}}}
METRICS = {
    "plain": {"PQ": scores([1.0, 2.0, 3.0], [0.90, 0.92, 0.94])},
    "dat": {"PQ": scores([0.5, 1.0, 1.5], [0.91, 0.92, 0.96])},
}


def test_table_by_hand():
    tests = significance(True, False, plain=(1.5, 2.5, 0.8, 0.95), dat=(0.75, 1.25, 0.85, 0.97))
    lines = table1(METRICS, ["PQ"], tests, CEILINGS).splitlines()
    assert lines[0].startswith("System level (36 systems, ")
    assert " 3 seed(s) " in lines[0]
    assert lines[1:] == [
        "",
        "| Strategy | PQ MSE ↓ | PQ SRCC ↑ |",
        "| :--- | ---: | ---: |",
        "| plain | 2.00 [1.50, 2.50] | 0.920 [0.800, 0.950] |",
        # the best of both columns, but only its MSE is separable
        "| dat | **1.00 [0.75, 1.25]** | 0.930 [0.850, 0.970] |",
        "| *noise ceiling* | 0.01 | 0.990 |",
        "",
        "The same of the ensembles: the mean of the predictions of all seeds, which is what `datmos score` gives. "
        "They are not tested.",
        "",
        "| Ensemble | PQ MSE ↓ | PQ SRCC ↑ |",
        "| :--- | ---: | ---: |",
        "| plain | 1.00 | 0.900 |",
        "| dat | 0.50 | 0.910 |",
        "| *noise ceiling* | 0.01 | 0.990 |",
    ]


def test_on_the_papers_data_its_figures_stand_below():
    metrics = {name: own | {"XX": own["PQ"]} for name, own in METRICS.items()}
    tests = significance(False, False, plain=(1.5, 2.5, 0.8, 0.95), dat=(0.75, 1.25, 0.85, 0.97))
    tests = {key: value | {"XX": value["PQ"]} if value else {} for key, value in tests.items()}
    ceilings = CEILINGS | {"XX": CEILINGS["PQ"]}
    lines = table1(metrics, ["PQ", "XX"], tests, ceilings, published=True).splitlines()
    assert "| *MultiGauss (paper)* | 0.557 | 0.942 |  |  |" in lines
    assert "| *QAMRO (paper)* |  | 0.883 |  |  |" in lines
    assert lines.index("| *+ DAT-Random (paper)* | 0.390 | 0.941 |  |  |") == 14
    assert not any("(paper)" in line for line in table1(metrics, ["PQ", "XX"], tests, ceilings).splitlines())


def test_unknown_numbers():
    constant = {"flat": {"PQ": scores([12.04], [0.0])}}
    constant["flat"]["PQ"]["system"]["srcc"] |= {"mean": None}
    tests = significance(False, False, flat=(10, 13, None, None))
    text = table1(constant, ["PQ"], tests, {"PQ": {"system": {"mse": None, "srcc": None}}})
    assert "| flat | 12.0 [10.0, 13.0] | n/a |" in text
    assert "| *noise ceiling* | n/a | n/a |" in text


def test_strategies_must_share_seeds():
    stale = METRICS | {"stale": {"PQ": scores([1.0, 1.0], [0.9, 0.9])}}
    with pytest.raises(DatmosError, match="'stale'"):
        table1(stale, ["PQ"], {}, {})


def test_shortcut_table_shows_what_the_dataset_allows():
    lines = shortcut_table(METRICS, ["PQ"]).splitlines()
    assert lines[0].startswith("Shortcut metrics over 3 seeds")
    assert lines[2:] == [
        "## PQ",
        "",
        "| Strategy | error_eta2_source | signature_sensitivity |",
        "| :--- | ---: | ---: |",
        "| plain | 0.920 ± 0.020 | 2.000 ± 1.000 |",
        "| dat | 0.930 ± 0.026 | 1.000 ± 0.500 |",
    ]


def test_one_seed_has_no_spread():
    assert "| only | 0.900 | 1.000 |" in shortcut_table({"only": {"PQ": scores([1.0], [0.9])}}, ["PQ"])


def test_significance_by_hand():
    def found(difference, separable, least):
        low, high = (None, None) if difference is None else (difference - 0.1, difference + 0.1)
        return {
            "difference": difference,
            "low": low,
            "high": high,
            "separable": separable,
            "smallest_detectable": least,
        }

    compared = {
        "dat": {"mse": found(-0.5, True, 0.1), "srcc": found(0.25, False, 0.2)},
        "flat": {"mse": found(1.0, False, 0.3), "srcc": found(None, False, None)},
    }
    lines = significance_table({"against": {"plain": {"PQ": compared}}}, ["PQ"]).splitlines()
    assert lines[2:] == [
        "| against plain | PQ MSE | PQ SRCC |",
        "| :--- | ---: | ---: |",
        "| dat | **-0.50** [-0.60, -0.40] | +0.25 [+0.15, +0.35] |",
        "| flat | +1.00 [+0.90, +1.10] | n/a |",
        "| *smallest detectable* | 0.20 | 0.20 |",
    ]


def test_uncertainty_by_hand():
    own = {"nll": summary(1.0, 2.0), "error_correlation": {"mean": None, "std": None}}
    found = {"aspects": {"PQ": own}, "joint_nll": summary(3.0), "train_nll": {"PQ": 2.5, "joint": 4.0}}
    lines = uncertainty_table({"plain": found}, ["PQ"]).splitlines()
    assert lines[2:] == [
        "## PQ",
        "",
        "| Strategy | nll | error_correlation |",
        "| :--- | ---: | ---: |",
        "| plain | 1.50 ± 0.71 | n/a |",
        "| *train ratings* | 2.50 |  |",
        "",
        "## All aspects together",
        "",
        "| Strategy | joint nll |",
        "| :--- | ---: |",
        "| plain | 3.00 |",
        "| *train ratings* | 4.00 |",
    ]


def test_a_joint_likelihood_that_is_unknown_says_why():
    found = {
        "aspects": {"PQ": {"nll": summary(1.0)}},
        "joint_nll": {"mean": None, "std": None},
        "train_nll": {"PQ": 2.5, "joint": None},
    }
    text = uncertainty_table({"plain": found}, ["PQ"])
    assert "n/a: the train ratings of one aspect follow from those of the others" in text
    assert "| *train ratings* | n/a |" in text


def test_probes_by_hand():
    own = {"domain_accuracy_linear": summary(0.5, 0.7), "srcc_PQ_linear": summary(0.25), "chance": {"mean": 0.2}}
    lines = probe_table({"plain": own}).splitlines()
    assert "(chance: 0.20)" in lines[0]
    assert lines[2:] == [
        "| Strategy | domain_accuracy_linear | srcc_PQ_linear |",
        "| :--- | ---: | ---: |",
        "| plain | 0.60 ± 0.14 | 0.25 |",
    ]


def test_within_by_hand():
    own = {
        "within_category": {"music": {"srcc": summary(0.5, 0.7)}, "speech": {"srcc": {"mean": None, "std": None}}},
        "groups": {"srcc_within_groups": summary(0.25), "srcc_of_split": {"mean": 0.8}},
    }
    assert within_table({"plain": {"PQ": own}}, ["PQ"]).splitlines()[2:] == [
        "| Strategy | PQ music | PQ speech | PQ within groups |",
        "| :--- | ---: | ---: | ---: |",
        "| plain | 0.600 ± 0.141 | n/a | 0.250 |",
        "| *groups alone* |  |  | 0.800 |",
    ]


def test_agreement_by_hand():
    level = {"mse": summary(1.0, 2.0), "ktau": {"mean": None, "std": None, "ensemble": None}}
    ceilings = {"PQ": {"system": {"mse": 0.125}, "utterance": {"mse": None}}}
    ground = {"systems": 36, "clips": 288, "seeds": [0, 1]}
    metrics = {"plain": {"PQ": {"evaluated_on": ground, "system": level, "utterance": level}}}
    text = agreement_table(metrics, ["PQ"], ceilings)
    assert text.splitlines()[2:9] == [
        "## PQ, per system",
        "",
        "| Strategy | mse | ktau |",
        "| :--- | ---: | ---: |",
        "| plain | 1.500 ± 0.707 | n/a |",
        "| *together* | 1.000 | n/a |",
        "| *noise ceiling* | 0.125 | n/a |",
    ]
    assert "## PQ, per clip" in text
    assert "| *noise ceiling* | n/a | n/a |" in text
