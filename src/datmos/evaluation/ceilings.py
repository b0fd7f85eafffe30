"""Noise ceilings: how well a predictor could score that knew the true mean opinion. Ratings are a sample of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from datmos.core.clips import single_ratings
from datmos.core.seeding import derive_seed
from datmos.evaluation.agreement import agreement, pearson, spearman

DRAWS = 4000  # of resampled clips: with 300, chance moves the third digit of SRCC
BLOCK = 250  # draws at once: (BLOCK, N) numbers in memory
HALVES = 50  # random splits of the raters
UNKNOWN = {"srcc": float("nan"), "lcc": float("nan"), "mse": float("nan")}


def noise_ceilings(manifest: pd.DataFrame, aspects: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Estimate the noise ceilings of the eval clips of systems, aspect by aspect.

    Args:
        manifest: columns clip_id, split, system, <aspect> and, where known, <aspect>_ratings (single ratings).
        aspects: to look at.

    Returns:
        ``{aspect: {"system": {"srcc", "lcc", "mse"}, "utterance": {"srcc", "lcc", "mse", "split_half_srcc"}}}``.
        NaN where it can't be known: per system if one has a single clip; per utterance without the same number,
        two or more, of single ratings for every clip. See `system_ceiling`, `utterance_ceiling`.
    """
    clips = manifest[(manifest["split"] == "eval") & manifest["system"].notna() & (manifest["system"] != "")]
    clips = clips.sort_values(["system", "clip_id"])
    counts = clips.groupby("system", sort=True).size().to_numpy()
    result = {}
    for aspect in aspects:
        generator = np.random.default_rng(derive_seed("ceilings", aspect))
        scores = clips[aspect].to_numpy(np.float64)
        ratings = single_ratings(clips, aspect)
        result[aspect] = {
            "system": system_ceiling(scores, counts, generator),
            "utterance": UNKNOWN | {"split_half_srcc": float("nan")}
            if ratings is None
            else utterance_ceiling(ratings, generator),
        }
    return result


def system_ceiling(scores: np.ndarray, counts: np.ndarray, generator: np.random.Generator) -> dict[str, float]:
    """Mean agreement of system means with those of resampled clips.

    Correlations: what resampling does to the means we have is, by the bootstrap's principle, what the draw of clips
    and raters that we have did to the true ones. Too high where systems have few clips, since the means we have
    scatter more than the truth and the resampled clips less than clips do: on AES-Natural cut to 6 clips a system
    by .01 to .03. Raters who rated several clips of a system are not accounted for, which is too high as well.

    MSE: the squared standard error of a system's mean, s^2 / n, averaged over systems. Resampled means scatter by
    (n - 1) / n of that, a sixth too little for 6 clips, so it isn't taken from them.

    Args:
        scores: of N clips, sorted by system.
        counts: clips of each system, (S,).
        generator: of the resampling.
    """
    if not len(counts) or counts.min() < 2:
        return dict(UNKNOWN)
    first, size = np.repeat(np.cumsum(counts) - counts, counts), np.repeat(counts, counts)  # of each clip's system
    starts = np.cumsum(counts) - counts
    means = np.add.reduceat(scores, starts) / counts
    squares = np.add.reduceat(np.square(scores - np.repeat(means, counts)), starts)
    found = []
    for _ in range(DRAWS // BLOCK):
        rows = first + (generator.random((BLOCK, len(scores))) * size).astype(int)
        # rounded, so that the last bits of sums don't rank means that are equal
        drawn = (np.add.reduceat(scores[rows], starts, axis=1) / counts).round(9)  # (BLOCK, S)
        found.append([spearman(drawn, means.round(9)).mean(), pearson(drawn, means.round(9)).mean()])
    srcc, lcc = np.mean(found, axis=0)
    return {"srcc": float(srcc), "lcc": float(lcc), "mse": float(np.mean(squares / (counts - 1) / counts))}


def utterance_ceiling(ratings: np.ndarray, generator: np.random.Generator) -> dict[str, float]:
    """Correlation of the true mean opinion with the mean of these ratings (N, J), and its squared error.

    Two random halves of the raters correlate by r (``split_half_srcc`` is Spearman's, the mean over splits). The
    mean of twice as many ratings has the reliability 2r / (1 + r) (Spearman 1910; Brown 1910), whose square root is
    its correlation with the true score (Lord & Novick 1968). MSE: the variance of the mean of J ratings.
    """
    n, raters = ratings.shape
    if raters < 2 or n < 2:
        return UNKNOWN | {"split_half_srcc": float("nan")}
    half = raters // 2
    found = []
    for _ in range(HALVES):
        shuffled = generator.permuted(ratings, axis=1)
        found.append(agreement(shuffled[:, :half].mean(axis=1), shuffled[:, half : 2 * half].mean(axis=1)))
    halves = {metric: float(np.mean([one[metric] for one in found])) for metric in ("srcc", "lcc")}
    # from halves to all raters: J / half times as many
    ceiling = {metric: _with_truth(r, raters / half) for metric, r in halves.items()}
    return ceiling | {"mse": float(ratings.var(axis=1, ddof=1).mean() / raters), "split_half_srcc": halves["srcc"]}


def _with_truth(r: float, times: float) -> float:
    """Correlation with the true score of a measurement ``times`` as long as two that correlate by r."""
    return float(np.sqrt(max(times * r / (1 + (times - 1) * r), 0.0))) if np.isfinite(r) else float("nan")
