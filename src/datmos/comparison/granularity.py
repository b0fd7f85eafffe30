"""The K ablation scored: every number of domains against the baseline (paper, arXiv 2603.16201, Fig. 5)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from datmos.comparison.summaries import COMPARED, number
from datmos.evaluation.metrics import evaluate_systems


def score_granularity(
    predictions: pd.DataFrame, manifest: pd.DataFrame, aspects: Sequence[str]
) -> dict[int, dict[str, dict[str, Any]]]:
    """Score what `datmos.ablations.granularity.predict_every_k` returned.

    Returns:
        ``{k: {aspect: {metric: summary}}}`` of the system-level metrics, as `evaluate_predictions` has them.

    Raises:
        DatmosError: see `evaluate_predictions`.
    """
    return {int(k): evaluate_systems(rows, manifest, aspects) for k, rows in predictions.groupby("k", sort=False)}


def granularity_rows(
    found: Mapping[str, Mapping[str, Any]], baseline: Mapping[str, Any], aspects: Sequence[str]
) -> pd.DataFrame:
    """Compare every K with the baseline, seed by seed.

    Args:
        found: ``{strategy: what score_granularity returned}``, read back from JSON; of the first seeds alone.
        baseline: what `evaluate_predictions` returned for it, likewise.
        aspects: to compare.

    Returns:
        Columns strategy, k, aspect, metric (mse, srcc), mean, low, high: the difference to the baseline of the same
        seed, its mean over seeds and 95% interval (Student's t; NaN for one seed).
    """
    rows = []
    every = ((strategy, int(k), scores) for strategy, of_k in found.items() for k, scores in of_k.items())
    for strategy, k, scores in every:
        for aspect in aspects:
            for metric in COMPARED:
                ours = scores[aspect][metric]["seeds"]
                pairs = zip(ours, baseline[aspect]["system"][metric]["seeds"][: len(ours)], strict=True)
                differences = np.array([number(one) - number(other) for one, other in pairs])
                mean, half = float(differences.mean()), math.nan
                if len(differences) > 1:
                    half = float(stats.t.ppf(0.975, len(differences) - 1) * stats.sem(differences))
                rows.append((strategy, k, aspect, metric, mean, mean - half, mean + half))
    return pd.DataFrame(rows, columns=["strategy", "k", "aspect", "metric", "mean", "low", "high"])
