"""Whether one strategy is really better than another: tests, intervals, and what could have been seen at all.

Everything is at system level and paired: both strategies predict the same systems. Three questions are kept apart.
The tests ask whether a difference could be chance among *these* systems; the hierarchical bootstrap asks how it
would vary with other systems, clips, raters and seeds; and the smallest detectable difference says what an
evaluation set of this size can't show.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]
POWER, LEVEL = 0.8, 0.05


def mse(predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Mean squared error over the last axis, (..., S) -> (...)."""
    return np.square(predicted - actual).mean(axis=-1)


def srcc(predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation over the last axis, (..., S) -> (...); NaN where either is constant."""
    ranks = [stats.rankdata(values, axis=-1) for values in np.broadcast_arrays(predicted, actual)]
    first, second = (rank - rank.mean(axis=-1, keepdims=True) for rank in ranks)
    scale = np.sqrt(np.square(first).sum(axis=-1) * np.square(second).sum(axis=-1))
    with np.errstate(invalid="ignore"):
        correlation: np.ndarray = (first * second).sum(axis=-1) / scale
    return correlation


METRICS: dict[str, Metric] = {"mse": mse, "srcc": srcc}


def t_test(predicted: np.ndarray, baseline: np.ndarray, actual: np.ndarray) -> float:
    """Two-sided p of the paired t-test on the squared errors of systems, each (S,), as in arXiv 2603.16201."""
    ours, theirs = np.square(predicted - actual), np.square(baseline - actual)
    if np.array_equal(ours, theirs):
        return 1.0
    return float(stats.ttest_rel(ours, theirs).pvalue)


def williams_test(predicted: np.ndarray, baseline: np.ndarray, actual: np.ndarray) -> float:
    """Two-sided p of Williams' test that two rank correlations with the same ``actual`` are equal; each (S,).

    Williams (1959); Steiger (1980), "Tests for comparing elements of a correlation matrix", equation 7; applied to
    Spearman's correlations, as is usual where metrics are compared. There it is liberal: in simulations without a
    difference 7 to 8% of p-values are below 0.05 (tests). NaN for fewer than four systems or a constant.
    """
    n = len(actual)
    ours, theirs = float(srcc(predicted, actual)), float(srcc(baseline, actual))
    between = float(srcc(predicted, baseline))
    if n < 4 or not np.isfinite(ours + theirs + between):
        return float("nan")
    if ours == theirs:
        return 1.0
    determinant = 1 - ours**2 - theirs**2 - between**2 + 2 * ours * theirs * between
    mean = (ours + theirs) / 2
    spread = 2 * determinant * (n - 1) / (n - 3) + mean**2 * (1 - between) ** 3
    t = (ours - theirs) * np.sqrt((n - 1) * (1 + between) / spread)
    return float(2 * stats.t.sf(abs(t), n - 3))


def permutation_test(
    metric: Metric,
    predicted: np.ndarray,
    baseline: np.ndarray,
    actual: np.ndarray,
    rounds: int,
    generator: np.random.Generator,
) -> float:
    """Two-sided p that two strategies are exchangeable: their predictions are swapped system by system.

    Args:
        metric: of `METRICS`.
        predicted, baseline: (S,), or (R, S) for R seeds: the metric is then averaged over seeds, and a swap takes
            a system's predictions of all seeds at once, since they are not independent of one another.
        actual: (S,).
        rounds: random swaps. The smallest p possible is 1 / (rounds + 1).
        generator: of the swaps.
    """
    ours, theirs = np.atleast_2d(predicted), np.atleast_2d(baseline)  # (R, S)
    swap = generator.integers(0, 2, size=(rounds, 1, len(actual)), dtype=np.int8).astype(bool)

    def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return (metric(first, actual) - metric(second, actual)).mean(axis=-1)

    observed = abs(difference(ours, theirs))
    if not np.isfinite(observed):
        return float("nan")
    chance = np.abs(difference(np.where(swap, theirs, ours), np.where(swap, ours, theirs)))
    tolerance = 1e-12 * max(1.0, float(observed))  # a swap that changes nothing must count as equal
    return float((1 + np.sum(chance >= observed - tolerance)) / (rounds + 1))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjust p-values for their number (Holm 1979): the chance of even one false finding stays below the level.

    NaN stays NaN and does not count.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]  # NaN sorts last
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


class EvalSet(NamedTuple):
    """The eval clips of one aspect, sorted by system so that a system's clips are neighbours."""

    ratings: np.ndarray  # (N, J) single ratings, or (N, 1) scores where single ratings are not known
    starts: np.ndarray  # (S,) first clip of each system
    counts: np.ndarray  # (S,) clips of each system


def hierarchical_bootstrap(
    predicted: Mapping[str, np.ndarray], clips: EvalSet, rounds: int, generator: np.random.Generator
) -> dict[str, dict[str, np.ndarray]]:
    """Draw evaluation sets anew: systems, then clips within them, raters within clips, and seeds.

    Args:
        predicted: of every strategy, (R, N) for R paired seeds and the clips of ``clips``. All strategies meet the
            same draws, so that differences between them are paired.
        clips: what they predict.
        rounds: draws.
        generator: of the draws.

    Returns:
        ``{strategy: {metric: (rounds,)}}``: means over the seeds drawn, of the system-level `METRICS`.
    """
    values = np.stack(list(predicted.values()))  # (K, R, N)
    seeds, raters = values.shape[1], clips.ratings.shape[1]
    systems, longest = len(clips.counts), int(clips.counts.max())
    found = {metric: np.empty((rounds, len(values))) for metric in METRICS}
    for number in range(rounds):
        drawn = generator.integers(systems, size=systems)
        counts = clips.counts[drawn][:, None]
        rows = clips.starts[drawn][:, None] + (generator.random((systems, longest)) * counts).astype(np.int64)
        weights = (np.arange(longest) < counts) / counts  # (S, longest): as many clips as the system has
        scores = clips.ratings[rows[..., None], generator.integers(raters, size=(*rows.shape, raters))].mean(axis=2)
        actual = (weights * scores).sum(axis=1)  # (S,)
        own = values[:, generator.integers(seeds, size=seeds)][:, :, rows]  # (K, R, S, longest)
        systems_predicted = np.einsum("krsc,sc->krs", own, weights)
        for name, metric in METRICS.items():
            found[name][number] = metric(systems_predicted, actual).mean(axis=1)
    return {
        strategy: {name: draws[:, index] for name, draws in found.items()}
        for index, strategy in enumerate(predicted)
    }


def interval(draws: np.ndarray) -> tuple[float, float]:
    """95% interval of bootstrap draws, by percentiles; draws that are NaN (a constant drawn) are left out."""
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.percentile(finite, [100 * LEVEL / 2, 100 * (1 - LEVEL / 2)])
    return float(low), float(high)


def smallest_detectable(draws: np.ndarray) -> float:
    """The difference that a two-sided test at 5% would find with a power of 80%, given its bootstrap draws."""
    finite = draws[np.isfinite(draws)]
    if len(finite) < 2:
        return float("nan")
    return float((stats.norm.ppf(1 - LEVEL / 2) + stats.norm.ppf(POWER)) * finite.std(ddof=1))
