"""Noise ceilings: how well a predictor could score that knew the true mean opinion. Ratings are a sample of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from datmos.agreement import agreement
from datmos.seeding import derive_seed

DRAWS = 300  # of resampled clips
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


def single_ratings(clips: pd.DataFrame, aspect: str) -> np.ndarray | None:
    """Return the single ratings of clips, shape (N, J), or None if some lack them or their numbers differ."""
    single = clips.get(f"{aspect}_ratings")
    if single is None or not len(single) or single.isna().any() or single.map(len).nunique() > 1:
        return None
    return np.stack(list(single)).astype(np.float64)


def system_ceiling(scores: np.ndarray, counts: np.ndarray, generator: np.random.Generator) -> dict[str, float]:
    """Mean agreement of system means with those of resampled clips.

    What resampling does to the means we have is, by the bootstrap's principle, what the draw of clips and raters
    that we have did to the true ones. A little too high (by some hundredths at most) where systems differ hardly
    more than their means are uncertain, since what is resampled scatters more than the truth does.

    Args:
        scores: of N clips, sorted by system.
        counts: clips of each system, (S,).
        generator: of the resampling.
    """
    if not len(counts) or counts.min() < 2:
        return dict(UNKNOWN)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    means = np.add.reduceat(scores, starts) / counts
    found = []
    for _ in range(DRAWS):
        rows = np.repeat(starts, counts) + (generator.random(len(scores)) * np.repeat(counts, counts)).astype(int)
        found.append(agreement(means, np.add.reduceat(scores[rows], starts) / counts))
    return {metric: float(np.mean([one[metric] for one in found])) for metric in UNKNOWN}


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
