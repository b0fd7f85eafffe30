"""How well two columns of scores agree, and the means of systems that they are compared by."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

AGREEMENT_METRICS = ("mse", "srcc", "lcc", "ktau", "mse_bias2", "mse_centred")
MIN_SYSTEMS = 3  # two systems always have SRCC 1 or -1, which says nothing


def agreement(
    predicted: np.ndarray, actual: np.ndarray, metrics: Sequence[str] = AGREEMENT_METRICS
) -> dict[str, float]:
    """Compare two arrays of shape (N,) on the rating scale, by some of `AGREEMENT_METRICS`.

    ``mse`` is the sum of ``mse_bias2`` (squared mean error: the offset) and ``mse_centred`` (the rest), all
    in squared rating units. ``srcc`` (Spearman), ``lcc`` (Pearson) and ``ktau`` (Kendall's tau-b) are NaN for
    fewer than two points or when either array is constant; no points make everything NaN.

    Raises `ValueError` if the shapes differ or are not 1-D.
    """
    predicted, actual = np.asarray(predicted, np.float64), np.asarray(actual, np.float64)
    if predicted.ndim != 1 or predicted.shape != actual.shape:
        raise ValueError(f"two arrays of one shape (N,) are expected, got {predicted.shape} and {actual.shape}")
    if predicted.size == 0:
        return dict.fromkeys(metrics, float("nan"))
    constant = _constant(predicted) or _constant(actual)
    return {
        name: float("nan") if constant and name in CORRELATIONS else float(MEASURES[name](predicted, actual))
        for name in metrics
    }


def _constant(values: np.ndarray) -> bool:
    """Whether all values are one up to the last bits, which are noise that ranks would amplify."""
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pearson's correlation over the last axis, (..., N) -> (...); NaN where either is constant."""
    first, second = (values - values.mean(axis=-1, keepdims=True) for values in (first, second))
    scale = np.sqrt(np.square(first).sum(axis=-1) * np.square(second).sum(axis=-1))
    with np.errstate(invalid="ignore"):
        correlation: np.ndarray = (first * second).sum(axis=-1) / scale
    return correlation


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation over the last axis, (..., N) -> (...); NaN where either is constant."""
    return pearson(ranks(first), ranks(second))


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks over the last axis from 1 on, ties averaged, as `scipy.stats.rankdata` has them; fast without ties."""
    order = np.argsort(values, axis=-1)
    found = np.empty(values.shape)
    np.put_along_axis(found, order, np.broadcast_to(np.arange(1.0, values.shape[-1] + 1), values.shape), axis=-1)
    ascending = np.take_along_axis(values, order, axis=-1)
    plain = (ascending[..., 1:] > ascending[..., :-1]).all(axis=-1)  # not so for NaN either
    if not plain.all():
        found[~plain] = stats.rankdata(values[~plain], axis=-1)
    return found


CORRELATIONS = ("srcc", "lcc", "ktau")
MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "mse": lambda predicted, actual: np.mean((predicted - actual) ** 2),
    "srcc": spearman,
    "lcc": pearson,
    "ktau": lambda predicted, actual: stats.kendalltau(predicted, actual).statistic,
    "mse_bias2": lambda predicted, actual: np.mean(predicted - actual) ** 2,
    "mse_centred": lambda predicted, actual: np.var(predicted - actual),
}


def system_means(table: pd.DataFrame, columns: Sequence[Any]) -> pd.DataFrame:
    """Average ``columns`` over the clips of each system.

    Returns one row a system (float64), indexed and sorted by ``system``. Natural clips (``system`` empty)
    belong to no system and are left out.
    """
    generated = table[table["system"].notna() & (table["system"] != "")]
    # float64 first: sums of float32 ratings are then exact, so equal means stay tied
    return generated[list(columns)].astype(np.float64).groupby(generated["system"].astype(str)).mean()
