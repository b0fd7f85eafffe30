"""The shortcut metrics by hand, and on predictors whose shortcut is known."""

import warnings

import numpy as np
import pandas as pd
import pytest

from datmos.datasets.settings import CorpusParams
from datmos.datasets.simulated.study import plan_study, rate_study
from datmos.datasets.simulated.truth import ASPECTS, SOURCES
from datmos.evaluation.metrics import evaluate_predictions
from datmos.evaluation.shortcuts import (
    error_eta2,
    error_eta2_given_score,
    shortcut_slope,
    signature_effects,
    signature_offsets,
    signature_sensitivity,
)

STUDY = CorpusParams(
    seed=0, train_per_source=30, valid_per_source=1, systems=36, clips_per_system=6, counterfactuals=30,
    clip_seconds=1.0, raters=10, shortcut=1.0,
)  # fmt: skip


def test_error_eta2_by_hand() -> None:
    # groups 1 3 and 5 7: means 2 and 6, SSW = 4, SST = 20: 1 - (4 / 2) / (20 / 3)
    assert error_eta2(np.array([1.0, 3, 5, 7]), ["a", "a", "b", "b"]) == pytest.approx(0.7)


def test_error_eta2_at_the_ends() -> None:
    groups = ["a", "a", "b", "b"]
    assert error_eta2(np.array([1.0, 1, 4, 4]), groups) == 1.0
    assert error_eta2(np.full(4, 0.7), groups) == 0.0  # an offset that all share is no shortcut
    assert np.isnan(error_eta2(np.arange(4.0), ["a"] * 4))
    assert np.isnan(error_eta2(np.arange(4.0), ["a", "b", "c", "d"]))
    assert np.isnan(error_eta2_given_score(np.arange(3.0) ** 2, np.arange(3.0), ["a", "b", "b"]))


def test_errors_without_a_shortcut_score_zero_on_average_however_many_groups() -> None:
    rng = np.random.default_rng(0)
    groups = [str(k % 36) for k in range(216)]
    scores = rng.normal(size=(300, 216))
    values = [error_eta2(row, groups) for row in scores]
    given = [error_eta2_given_score(row, rng.normal(size=216), groups) for row in scores]
    # the plain ratio would be 35 / 215 = .16; the standard error of these means is below .004
    assert np.mean(values) == pytest.approx(0, abs=0.015)
    assert np.mean(given) == pytest.approx(0, abs=0.015)


def test_given_score_is_partial_epsilon_squared_of_a_regression() -> None:
    rng = np.random.default_rng(1)
    codes = np.arange(30) % 5
    actual = rng.normal(5, 1, 30) + codes
    predicted = 0.4 * actual + 0.3 * codes + rng.normal(0, 0.5, 30)
    with_groups = np.column_stack([actual, np.eye(5)[codes]])
    without = np.column_stack([actual, np.ones(30)])
    residual = [
        np.sum((predicted - actual - x @ np.linalg.lstsq(x, predicted - actual, rcond=None)[0]) ** 2)
        for x in (without, with_groups)
    ]
    expected = 1 - (residual[1] / (30 - 5 - 1)) / (residual[0] / (30 - 2))
    assert error_eta2_given_score(predicted, actual, [str(c) for c in codes]) == pytest.approx(expected)


def test_shrinking_is_no_shortcut_given_the_score() -> None:
    rng = np.random.default_rng(2)
    groups = [str(k // 6) for k in range(216)]
    actual = np.repeat(rng.normal(5, 1.3, 36), 6) + rng.normal(0, 0.9, 216)
    shrunk = 5 + 0.2 * (actual - 5)
    assert error_eta2(shrunk - actual, groups) > 0.5  # the plain metric takes it for one
    assert error_eta2_given_score(shrunk, actual, groups) == 0.0


def test_sensitivity_by_hand() -> None:
    # SDs sqrt 2 and 0, mean sqrt(2) / 2; row means 2 and 6, SD sqrt 8
    spread, ratio = signature_sensitivity(np.array([[1.0, 3.0], [6.0, 6.0]]))
    assert spread == pytest.approx(np.sqrt(2) / 2)
    assert ratio == pytest.approx(0.25)
    assert signature_sensitivity(np.array([[2.0, 2.0], [7.0, 7.0]])) == (0.0, 0.0)
    assert np.isnan(signature_sensitivity(np.array([[1.0, 2.0]]))[1])
    assert np.isnan(signature_sensitivity(np.array([[1.0, 2.0], [1.0, 2.0]]))[1])


def test_offsets_by_hand() -> None:
    table = pd.DataFrame({"x": [1.0, 6.0], "y": [3.0, 8.0], "z": [5.0, 4.0]})
    assert signature_offsets(table).to_dict() == pytest.approx({"x": -1.0, "y": 1.0, "z": 0.0})


def test_slope_by_hand() -> None:
    means = pd.Series({"x": 5.0, "y": 6.0, "z": 7.0, "other": 1.0})
    offsets = pd.Series({"z": 0.5, "x": -0.4, "y": -0.1})
    assert shortcut_slope(offsets, means) == pytest.approx((0.4 + 0.5) / 2)
    assert shortcut_slope(means - 5, means) == pytest.approx(1.0)
    assert np.isnan(shortcut_slope(offsets[["x", "y"]], means))
    assert np.isnan(shortcut_slope(offsets, means * 0))


def test_a_base_without_every_signature_is_left_out() -> None:
    clips = pd.DataFrame({"base": ["a", "a", "b", "c", "c"], "source": ["x", "y", "x", "x", "y"]})
    effects, offsets = signature_effects(pd.DataFrame({0: [1.0, 3, 100, 6, 6]}), clips, pd.Series({"x": 1.0}))
    assert effects[0]["signature_sensitivity"] == pytest.approx(np.sqrt(2) / 2)
    assert offsets[0].to_dict() == {"x": -0.5, "y": 0.5}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        effects, offsets = signature_effects(pd.DataFrame({0: [1.0, 3, 100]}), clips[1:4], pd.Series({"x": 1.0}))
    assert effects[0].isna().all()


@pytest.fixture(scope="module")
def manifest() -> pd.DataFrame:
    """The study's own clips at full strength, rated but not rendered."""
    clips = plan_study(STUDY)
    table = rate_study(clips, STUDY)
    return table.assign(clip_id=table["path"], split=[clip.split for clip in clips])


def evaluate(manifest: pd.DataFrame, guess: pd.DataFrame) -> dict:
    predictions = pd.concat([manifest[["clip_id"]], guess], axis=1).assign(seed=0)
    return evaluate_predictions(predictions, manifest, list(ASPECTS))


def test_an_oracle_scores_zero_on_the_shortcut_metrics_and_the_ceiling_on_srcc(manifest: pd.DataFrame) -> None:
    truth = pd.DataFrame({aspect: manifest[f"{aspect}_true"] for aspect in ASPECTS})
    for aspect, scores in evaluate(manifest, truth).items():
        shortcut = scores["shortcut"]
        assert shortcut["signature_sensitivity"]["mean"] == pytest.approx(0.0, abs=1e-9)
        assert shortcut["signature_sensitivity_ratio"]["mean"] == pytest.approx(0.0, abs=1e-9)
        assert shortcut["shortcut_slope"]["mean"] == pytest.approx(0.0, abs=1e-9)
        assert scores["true"]["system"]["srcc"]["mean"] == pytest.approx(1.0)
        assert scores["true"]["system"]["mse"]["mean"] == pytest.approx(0.0)
        # against the ratings: what is left is listeners' noise, which goes with nothing
        assert shortcut["error_eta2_category"]["mean"] == pytest.approx(0.0, abs=0.05)
        assert shortcut["error_eta2_source"]["mean"] == pytest.approx(0.0, abs=0.12)
        # PC of speech differs between systems by less than ratings of six clips can show: hence .9
        assert scores["system"]["srcc"]["mean"] > (0.9 if aspect == "PC" else 0.95)


def test_a_predictor_that_knows_only_the_source_is_found_out(manifest: pd.DataFrame) -> None:
    """It hears whose signature a clip has and answers with the mean train score of the source most like it."""
    rng = np.random.default_rng(3)
    known = {source: row.mean for source, row in SOURCES.items()}
    for source in manifest["source"].unique():  # an unseen generator sounds like some source or other
        known.setdefault(source, known[rng.choice(list(SOURCES))])
    guess = pd.DataFrame([known[source] for source in manifest["source"]], columns=list(ASPECTS))
    for aspect, scores in evaluate(manifest, guess).items():
        shortcut = scores["shortcut"]
        assert shortcut["error_eta2_source_given_score"]["mean"] == pytest.approx(1.0), aspect
        assert shortcut["error_eta2_source"]["mean"] > 0.5, aspect  # the rest is how clips of a system differ
        means = np.array([row.mean for row in SOURCES.values()])[:, list(ASPECTS).index(aspect)]
        assert shortcut["signature_sensitivity"]["mean"] == pytest.approx(means.std(ddof=1))
        assert np.isnan(shortcut["signature_sensitivity_ratio"]["mean"])  # content makes no difference to it
        assert shortcut["shortcut_slope"]["mean"] == pytest.approx(1.0, abs=0.15)
        for source, row in SOURCES.items():
            expected = row.mean[list(ASPECTS).index(aspect)] - means.mean()
            assert shortcut["signature_offset"][source]["mean"] == pytest.approx(expected)
