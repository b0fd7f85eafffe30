"""Uncertainty: hand-computed values, simulated heads that know how wrong they are and heads that don't."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from datmos.evaluation.uncertainty import (
    COVERAGES,
    LEVELS,
    coverage_curve,
    evaluate_uncertainty,
    gaussian_scores,
    joint_nll,
)


def test_scores_by_hand() -> None:
    mean, std, actual = (
        np.array([5.0, 5.0, 5.0, 5.0]),
        np.array([1.0, 1.0, 2.0, 2.0]),
        np.array([5.5, 7.1, 5.0, 9.0]),
    )
    found = gaussian_scores(mean, std, actual)
    # errors in standard deviations: .5, 2.1, 0, 2; the intervals reach to .674, 1.282, 1.960
    assert [found[f"coverage_{c}"] for c in COVERAGES] == [0.5, 0.5, 0.5]
    squares = (0.25 + 4.41 + 0 + 4) / 2
    assert found["nll"] == pytest.approx((4 * 0.5 * math.log(2 * math.pi) + 2 * math.log(2) + squares) / 4)
    assert found["sharpness"] == 1.5
    assert found["error_correlation"] == pytest.approx(stats.spearmanr(std, [0.5, 2.1, 0, 4]).statistic)
    # a central interval of 5% to 35% holds one clip, of 40% to 95% two of four
    expected = np.where(2 * stats.norm.cdf(0.5) - 1 > LEVELS, 0.25, 0.5)
    np.testing.assert_allclose(coverage_curve(mean, std, actual), expected)
    assert found["calibration_error"] == pytest.approx(np.abs(expected - LEVELS).mean())


@pytest.mark.parametrize(("factor", "direction"), [(1.0, 0), (0.5, -1), (2.0, 1)])
def test_an_honest_head_is_calibrated_and_others_are_not(factor: float, direction: int) -> None:
    generator = np.random.default_rng(0)
    std = generator.uniform(0.5, 2.0, 20_000)
    mean = generator.normal(5, 1, 20_000)
    found = gaussian_scores(mean, factor * std, mean + std * generator.normal(size=20_000))
    for c in COVERAGES:
        assert found[f"coverage_{c}"] - c / 100 == pytest.approx(0, abs=0.012) or direction != 0
        assert np.sign(round(found[f"coverage_{c}"] - c / 100, 2)) == direction or direction == 0
    assert (found["calibration_error"] < 0.01) == (direction == 0)
    assert found["error_correlation"] > 0.3


def test_a_constant_spread_has_no_error_correlation() -> None:
    assert math.isnan(gaussian_scores(np.zeros(3), np.ones(3), np.arange(3.0))["error_correlation"])


def test_joint_nll_is_scipys() -> None:
    generator = np.random.default_rng(1)
    mean, actual = generator.normal(size=(2, 5, 3))
    factor = generator.normal(size=(5, 3, 3))
    covariance = factor @ factor.transpose(0, 2, 1) + np.eye(3)
    expected = [stats.multivariate_normal(m, c).logpdf(y) for m, c, y in zip(mean, covariance, actual, strict=True)]
    assert joint_nll(mean, covariance, actual) == pytest.approx(-np.mean(expected))


def study() -> tuple[pd.DataFrame, pd.DataFrame]:
    generator = np.random.default_rng(2)
    ids = [f"c{n}" for n in range(40)]
    manifest = pd.DataFrame({"clip_id": ids, "split": ["train"] * 20 + ["eval"] * 20})
    manifest[["PQ", "CE"]] = generator.normal(5, 1, (40, 2))
    tables = [
        pd.DataFrame({"clip_id": ids[20:], "seed": seed, "PQ": 4.0 + seed, "CE": 5.0, "PQ_std": 1.0, "CE_std": 2.0})
        for seed in (0, 2)
    ]
    return pd.concat(tables).assign(cov_PQ_CE=0.5), manifest


def test_seeds_and_their_mixture() -> None:
    predictions, manifest = study()
    result, curve = evaluate_uncertainty(predictions.sample(frac=1, random_state=0), manifest, ["PQ", "CE"])
    actual = manifest[["PQ", "CE"]].to_numpy()[20:]
    pq = result["aspects"]["PQ"]
    assert pq["nll"]["seeds"] == pytest.approx([-stats.norm.logpdf(actual[:, 0], m, 1).mean() for m in (4, 6)])
    assert pq["nll"]["mean"] == pytest.approx(np.mean(pq["nll"]["seeds"]))
    # the mixture: mean 5, variance 1 within and 1 between seeds; seeds agree on CE
    assert pq["sharpness"]["ensemble"] == pytest.approx(math.sqrt(2))
    assert result["aspects"]["CE"]["sharpness"]["ensemble"] == 2.0
    mixture = stats.multivariate_normal([5, 5], [[2, 0.5], [0.5, 4]])
    assert result["joint_nll"]["ensemble"] == pytest.approx(-mixture.logpdf(actual).mean())
    train = manifest[["PQ", "CE"]].to_numpy()[:20]
    constant = stats.multivariate_normal(train.mean(axis=0), np.cov(train.T))
    assert result["train_nll"]["joint"] == pytest.approx(-constant.logpdf(actual).mean())
    assert result["train_nll"]["PQ"] == pytest.approx(
        -stats.norm.logpdf(actual[:, 0], train[:, 0].mean(), train[:, 0].std(ddof=1)).mean()
    )
    assert list(curve) == ["nominal", "observed", "PQ", "CE"]
    np.testing.assert_allclose(curve["observed"], (curve["PQ"] + curve["CE"]) / 2)


def test_one_aspect() -> None:
    predictions, manifest = study()
    one = evaluate_uncertainty(predictions, manifest, ["PQ"])[0]
    assert one["joint_nll"]["seeds"] == pytest.approx(one["aspects"]["PQ"]["nll"]["seeds"])


@pytest.mark.parametrize("other", [lambda table: table["PQ"], lambda table: 11 - table["PQ"]])
def test_no_joint_likelihood_where_one_aspect_follows_from_another(other: Callable[[pd.DataFrame], Any]) -> None:
    predictions, manifest = study()
    result, _ = evaluate_uncertainty(predictions, manifest.assign(CE=other), ["PQ", "CE"])
    assert math.isnan(result["train_nll"]["joint"])
    assert math.isnan(result["joint_nll"]["mean"])
    assert math.isfinite(result["aspects"]["CE"]["nll"]["mean"])


def test_no_joint_likelihood_of_no_more_train_clips_than_aspects() -> None:
    predictions, manifest = study()
    few = manifest[(manifest["split"] == "eval") | (manifest["clip_id"].isin(["c0", "c1"]))]
    assert math.isnan(evaluate_uncertainty(predictions, few, ["PQ", "CE"])[0]["joint_nll"]["mean"])
