"""Whether a head knows how wrong it may be: its Gaussians against what listeners said, clip by clip.

A head predicts the mean rating of a clip as a Gaussian. Nothing here is about being right, only about knowing: a
constant predictor with the right spread is calibrated, too. That is why sharpness stands beside it.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from datmos.core.predictions import mix, moments_of
from datmos.evaluation.metrics import summarise_seeds

LEVELS = np.arange(1, 20) / 20  # of the central intervals behind calibration error and curve
COVERAGES = (50, 80, 95)  # per cent
UNCERTAINTY_METRICS = (
    "nll",
    *(f"coverage_{c}" for c in COVERAGES),
    "calibration_error",
    "sharpness",
    "error_correlation",
)


def gaussian_scores(mean: np.ndarray, std: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    """Score Gaussians against what came, each (N,), on the rating scale.

    ``nll``: negative log-likelihood, nats a clip. ``coverage_50`` ...: share of clips within the central interval
    that should hold 50% of them. ``calibration_error``: mean absolute difference between `LEVELS` and the coverage
    of these central intervals (after Kuleshov et al., arXiv 1807.00263), 0 to 0.5. ``sharpness``: mean predicted
    standard deviation, rating points; less is sharper. ``error_correlation``: Spearman's, of predicted standard
    deviation with absolute error; NaN if either is constant.
    """
    error = np.abs(mean - actual)
    coverages = {f"coverage_{c}": float(np.mean(error <= stats.norm.ppf(0.5 + c / 200) * std)) for c in COVERAGES}
    varied = np.ptp(std) > 0 and np.ptp(error) > 0
    return {
        "nll": float(-stats.norm.logpdf(actual, mean, std).mean()),
        **coverages,
        "calibration_error": float(np.abs(coverage_curve(mean, std, actual) - LEVELS).mean()),
        "sharpness": float(std.mean()),
        "error_correlation": float(stats.spearmanr(std, error).statistic) if varied else math.nan,
    }


def coverage_curve(mean: np.ndarray, std: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Share of clips inside the central interval of each of `LEVELS`: shape (19,)."""
    within = (
        2 * stats.norm.cdf(np.abs(mean - actual) / std) - 1
    )  # the smallest central interval that holds the clip
    covered: np.ndarray = (within <= LEVELS[:, None]).mean(axis=1)
    return covered


def joint_nll(mean: np.ndarray, covariance: np.ndarray, actual: np.ndarray) -> float:
    """Negative log-likelihood of all aspects together, nats a clip: (N, A), (N, A, A), (N, A).

    NaN if a covariance is singular.
    """
    if (np.linalg.matrix_rank(covariance, hermitian=True) < mean.shape[1]).any():
        return math.nan
    error = actual - mean
    distance = np.einsum("na,na->n", error, np.linalg.solve(covariance, error[..., None])[..., 0])
    log_det = np.linalg.slogdet(covariance)[1]
    return float(((mean.shape[1] * math.log(2 * math.pi) + log_det + distance) / 2).mean())


def evaluate_uncertainty(
    predictions: pd.DataFrame, manifest: pd.DataFrame, aspects: Sequence[str]
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Score one strategy's Gaussians for the eval clips.

    Args:
        predictions: clip_id, seed, <aspect>, <aspect>_std, cov_<a>_<b>, complete for the eval clips.
        manifest: the clips; the mean ratings of eval clips are what came.
        aspects: A of them.

    Returns:
        ``{"aspects": {aspect: {metric: summary}}, "joint_nll": summary, "train_nll": {aspect or "joint": nll}}``.
        A summary is over seeds; its ``ensemble`` is of one Gaussian with the mean and covariance of the seeds'
        mixture. ``train_nll`` is what one Gaussian fitted to the train clips' ratings would get for every clip: a
        head with a higher NLL would do better to say nothing. Joint NLLs are NaN where the train ratings of one
        aspect follow from those of others, or there are no more train clips than aspects.
        And the calibration curve: columns nominal, observed (mean over aspects), <aspect>; means over seeds.
    """
    clips = manifest[manifest["split"] == "eval"].set_index("clip_id").sort_index()
    actual = clips[list(aspects)].to_numpy(np.float64)  # (N, A)
    seeds = sorted(predictions["seed"].unique())
    by_seed = [predictions[predictions["seed"] == seed].set_index("clip_id").loc[clips.index] for seed in seeds]
    own = [moments_of(rows, aspects) for rows in by_seed]
    means, covariances = np.stack([mean for mean, _ in own]), np.stack([covariance for _, covariance in own])
    every = [*own, mix(means, covariances)]  # of each seed, and of their mixture
    result: dict[str, Any] = {"aspects": {}}
    curve = pd.DataFrame({"nominal": LEVELS, "observed": 0.0})
    train = manifest.loc[manifest["split"] == "train", list(aspects)].to_numpy(np.float64)
    train_mean, train_covariance = train.mean(axis=0), np.atleast_2d(np.cov(train.T))
    train_nll = {}
    for a, aspect in enumerate(aspects):
        normals = [(mean[:, a], np.sqrt(covariance[:, a, a]), actual[:, a]) for mean, covariance in every]
        scores = [gaussian_scores(*normal) for normal in normals]
        result["aspects"][aspect] = {
            metric: summarise_seeds([one[metric] for one in scores[:-1]], scores[-1][metric])
            for metric in UNCERTAINTY_METRICS
        }
        curve[aspect] = np.mean([coverage_curve(*normal) for normal in normals[:-1]], axis=0)
        spread = np.sqrt(train_covariance[a, a])
        train_nll[aspect] = float(-stats.norm.logpdf(actual[:, a], train_mean[a], spread).mean())
    curve["observed"] = curve[list(aspects)].mean(axis=1)
    same_mean, same_covariance = (np.resize(v, (len(actual), *v.shape)) for v in (train_mean, train_covariance))
    train_nll["joint"] = joint_nll(same_mean, same_covariance, actual)
    joint = [joint_nll(mean, covariance, actual) for mean, covariance in every]
    if math.isnan(train_nll["joint"]):  # the ratings of one aspect follow from others': a likelihood has no bound
        joint = [math.nan] * len(joint)
    result["joint_nll"] = summarise_seeds(joint[:-1], joint[-1])
    result["train_nll"] = train_nll
    return result, curve
