"""Whether one strategy is really better than another: tests, intervals, and what could have been seen at all.

Everything is at system level and paired: both strategies predict the same systems. Three questions are kept apart.
The tests ask whether a difference could be chance among *these* systems; the hierarchical bootstrap asks how it
would vary with other systems, clips, raters and seeds; and the smallest detectable difference says what an
evaluation set of this size can't show.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from datmos.comparison.summaries import LOWER_IS_BETTER
from datmos.core.clips import single_ratings
from datmos.core.seeding import derive_seed
from datmos.evaluation.agreement import ranks, spearman, system_means

Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]
POWER, LEVEL = 0.8, 0.05
SWAPS, DRAWS = 4999, 1000  # of the permutation test and of the bootstrap


def mse(predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Mean squared error over the last axis, (..., S) -> (...)."""
    return np.square(predicted - actual).mean(axis=-1)


TESTED_METRICS: dict[str, Metric] = {"mse": mse, "srcc": spearman}
RANGES = {"mse": (0.0, np.inf), "srcc": (-1.0, 1.0)}  # what they can be


def t_test(predicted: np.ndarray, baseline: np.ndarray, actual: np.ndarray) -> float:
    """Two-sided p of the paired t-test on the squared errors of systems, as in arXiv 2603.16201.

    ``actual`` is (S,), the predictions are (S,) or (R, S) for R seeds, over which a system's errors are averaged.
    """
    ours, theirs = (np.square(np.atleast_2d(values) - actual).mean(axis=0) for values in (predicted, baseline))
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
    ours, theirs = float(spearman(predicted, actual)), float(spearman(baseline, actual))
    between = float(spearman(predicted, baseline))
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
        metric: of `TESTED_METRICS`.
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

    found = difference(ours, theirs)
    observed = abs(found)
    if not np.isfinite(observed):
        return float("nan")
    effects = SWAP_EFFECTS[metric](ours, theirs, actual) if metric in SWAP_EFFECTS else None
    if effects is None:
        chance = np.abs(difference(np.where(swap, theirs, ours), np.where(swap, ours, theirs)))
    else:
        chance = np.abs(found + swap[:, 0] @ effects)
    tolerance = 1e-12 * max(1.0, float(observed))  # a swap that changes nothing must count as equal
    return float((1 + np.sum(chance >= observed - tolerance)) / (rounds + 1))


def _mse_effects(ours: np.ndarray, theirs: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """What swapping each system adds to the difference of MSE, (S,): twice its share, the other way round."""
    gap = np.square(ours - actual) - np.square(theirs - actual)  # (R, S)
    effects: np.ndarray = -2 * gap.mean(axis=0) / len(actual)
    return effects


def _srcc_effects(ours: np.ndarray, theirs: np.ndarray, actual: np.ndarray) -> np.ndarray | None:
    """What swapping each system adds to the difference of SRCC, (S,); None where predictions are tied.

    A rank counts the systems below. Whether u is below s depends on who predicts u and s, so the SRCC of one
    predictor after swaps w in {0, 1} is quadratic in w. The other predictor has the swaps 1 - w, and in the
    difference of the two all products cancel. Without ties the scale of the ranks is the same after every swap.
    """
    below, above = ours[:, None, :], ours[:, :, None]  # (R, s, u)
    below_theirs, above_theirs = theirs[:, None, :], theirs[:, :, None]
    others = ~np.eye(len(actual), dtype=bool)
    pairs = ((below, above), (below_theirs, above_theirs), (below, above_theirs))
    if any(((one == other) & others).any() for one, other in pairs):
        return None
    same = (np.less(below, above) * 1.0 - np.less(below_theirs, above_theirs)).mean(axis=0)  # both of one predictor
    mixed = (np.less(below, above_theirs) * 1.0 - np.less(below_theirs, above)).mean(axis=0) * others
    order = ranks(actual) - (len(actual) + 1) / 2
    weights = order / np.sqrt(np.square(order).sum() * (len(actual) ** 3 - len(actual)) / 12)
    effects: np.ndarray = weights * (mixed - same).sum(axis=1) - weights @ (same + mixed)
    return effects


# metric -> what every swap adds to its difference, whatever else is swapped: a test is then one product of matrices
SWAP_EFFECTS: dict[Metric, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray | None]] = {
    mse: _mse_effects,
    spearman: _srcc_effects,
}


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

    Raters are drawn clip by clip. Where the same people rated many clips, which ratings without names don't tell,
    the draws scatter too little.

    Args:
        predicted: of every strategy, (R, N) for R paired seeds and the clips of ``clips``. All strategies meet the
            same draws, so that differences between them are paired.
        clips: what they predict.
        rounds: draws.
        generator: of the draws.

    Returns:
        ``{strategy: {metric: (rounds,)}}``: means over the seeds drawn, of the system-level `TESTED_METRICS`. NaN
        if there is one system: it tells nothing about others.
    """
    values = np.stack(list(predicted.values()))  # (K, R, N)
    strategies, seeds, raters = *values.shape[:2], clips.ratings.shape[1]
    # a predictor without randomness is the same for every seed: once is enough
    unique, rows_of = np.unique(values.reshape(strategies * seeds, -1), axis=0, return_inverse=True)
    systems, longest = len(clips.counts), int(clips.counts.max())
    actual = np.empty((rounds, 1, systems))
    systems_predicted = np.empty((rounds, len(unique), systems))  # 70 MB of a usual study
    drawn_seeds = np.empty((rounds, seeds), dtype=np.int64)
    for number in range(rounds):
        drawn = generator.integers(systems, size=systems)
        counts = clips.counts[drawn][:, None]
        rows = clips.starts[drawn][:, None] + (generator.random((systems, longest)) * counts).astype(np.int64)
        weights = (np.arange(longest) < counts) / counts  # (S, longest): as many clips as the system has
        scores = clips.ratings[rows[..., None], generator.integers(raters, size=(*rows.shape, raters))].mean(axis=2)
        actual[number] = (weights * scores).sum(axis=1)
        drawn_seeds[number] = generator.integers(seeds, size=seeds)
        systems_predicted[number] = np.einsum("usc,sc->us", unique[:, rows], weights)
    found = {}
    for name, metric in TESTED_METRICS.items():
        every = metric(systems_predicted, actual)[:, rows_of].reshape(rounds, strategies, seeds)
        every = every if systems > 1 else np.full_like(every, np.nan)
        found[name] = np.take_along_axis(every, drawn_seeds[:, None, :], axis=2).mean(axis=2)
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


def score_interval(draws: np.ndarray, score: float, metric: str) -> tuple[float, float]:
    """95% interval of a score, within what the metric can be; NaN where it would have no width.

    The noise of clips and raters is in the ratings, and the bootstrap adds it once more. That raises every MSE
    drawn and lowers every SRCC, by as much on average as the draws' mean is off, and they are moved by that.
    Differences are free of it, since all strategies meet the same noise. What then lies outside of what the metric
    can be is cut off, which loses nothing. Moved on a logarithmic or Fisher's scale instead, the interval held the
    truth less often. benchmarks/size_and_power.py counts that.

    Args:
        draws: of the bootstrap, (rounds,).
        score: mean over seeds of the eval set itself.
        metric: name in `TESTED_METRICS`.
    """
    finite = draws[np.isfinite(draws)]
    if not len(finite) or np.ptp(finite) == 0:  # nothing drawn differs: too few systems, not certainty
        return float("nan"), float("nan")
    low, high = np.clip(interval(finite - (finite.mean() - score)), *RANGES[metric])
    return float(low), float(high)


def smallest_detectable(draws: np.ndarray) -> float:
    """The difference that a two-sided test at 5% would find with a power of 80%, given its bootstrap draws."""
    finite = draws[np.isfinite(draws)]
    if len(finite) < 2:
        return float("nan")
    return float((stats.norm.ppf(1 - LEVEL / 2) + stats.norm.ppf(POWER)) * finite.std(ddof=1))


class _Rivals(NamedTuple):
    """What the strategies predict of one aspect."""

    systems: dict[str, np.ndarray]  # of each strategy (R, S): system means by seed
    actual: np.ndarray  # (S,)
    draws: dict[str, dict[str, np.ndarray]]  # of each strategy and metric, paired


def compare_strategies(
    predictions: Mapping[str, pd.DataFrame],
    manifest: pd.DataFrame,
    aspects: Sequence[str],
    against: Sequence[str],
    rivals_of: Mapping[str, Collection[str]] | None = None,
) -> dict[str, Any]:
    """Compare every strategy with each of ``against``, and the best of each column with all others.

    Args:
        predictions: of every strategy, columns clip_id, seed, <aspect>; all of the same seeds.
        manifest: the clips; eval clips of systems are used.
        aspects: compared.
        against: names of strategies: the baselines and the controls.
        rivals_of: the names that one of ``against`` is compared with; all, for those that are not in it.

    Returns:
        ``{"scores": {aspect: {strategy: {metric: {"low", "high"}}}},
        "best": {aspect: {metric: {"strategy", "p_holm", "separable"}}},
        "against": {other: {aspect: {strategy: {metric: {"difference", "low", "high", "smallest_detectable", "p",
        "p_holm", "separable", ...}}}}}}``.

        A score is the mean over seeds; a difference is strategy minus ``other``, the mean over seeds; low and high
        are the 95% interval of either, by the hierarchical bootstrap. p is the permutation test's, and p_holm that
        corrected over all strategies and aspects of the same ``other`` and metric. MSE has ``p_t_test`` besides,
        SRCC ``p_williams`` (of the predictions averaged over seeds), both uncorrected.

        Two strategies are separable if p_holm is below 0.05 and 0 is outside the interval. The tests are about the
        models at hand, whose seeds they take as given; the interval is about other seeds (and systems, clips,
        raters), but is not corrected. Either alone would call too much a finding.

        ``best`` names the strategy with the best score, the largest p_holm of its permutation tests against all
        others (corrected for their number), and whether it is separable from them all. NaN and False if it has no
        rival, and None instead of a name if no score is known.
    """
    clips = manifest[(manifest["split"] == "eval") & manifest["system"].notna() & (manifest["system"] != "")]
    clips = clips.sort_values(["system", "clip_id"])
    result: dict[str, Any] = {"scores": {}, "best": {}, "against": {name: {} for name in against}}
    wanted = {name: set(predictions) - {name} for name in against}
    wanted |= {name: set(rivals) - {name} for name, rivals in (rivals_of or {}).items()}
    for aspect in tqdm(aspects, desc="bootstrap and permutations", unit="aspect"):
        rivals = _lay_out(predictions, clips, aspect)
        result["scores"][aspect] = {
            name: {metric: _score(rivals, metric, name) for metric in TESTED_METRICS} for name in predictions
        }
        result["best"][aspect] = {metric: _best(rivals, metric, aspect) for metric in TESTED_METRICS}
        for other in against:
            result["against"][other][aspect] = {
                name: {metric: _difference(rivals, metric, aspect, name, other) for metric in TESTED_METRICS}
                for name in predictions
                if name in wanted[other]
            }
    for compared in result["against"].values():
        for metric in TESTED_METRICS:
            family = [found[metric] for of_aspect in compared.values() for found in of_aspect.values()]
            for found, p in zip(family, holm([found["p"] for found in family]), strict=True):
                found["p_holm"] = float(p)
                found["separable"] = bool(p < LEVEL and _beyond_zero(found["low"], found["high"]))
    return result


def _lay_out(predictions: Mapping[str, pd.DataFrame], clips: pd.DataFrame, aspect: str) -> _Rivals:
    by_seed = {
        name: table.pivot(index="clip_id", columns="seed", values=aspect).loc[clips["clip_id"]]
        for name, table in predictions.items()
    }
    draws = hierarchical_bootstrap(
        {name: table.to_numpy(np.float64).T for name, table in by_seed.items()},
        _eval_set(clips, aspect),
        DRAWS,
        _generator("bootstrap", aspect),
    )
    system = clips.set_index("clip_id")["system"]
    systems = {
        name: system_means(table.assign(system=system), list(table.columns)).to_numpy().T
        for name, table in by_seed.items()
    }
    return _Rivals(systems, system_means(clips, [aspect])[aspect].to_numpy(), draws)


def _score(rivals: _Rivals, metric: str, name: str) -> dict[str, float]:
    score = float(TESTED_METRICS[metric](rivals.systems[name], rivals.actual).mean())
    low, high = score_interval(rivals.draws[name][metric], score, metric)
    return {"low": low, "high": high}


def _best(rivals: _Rivals, metric: str, aspect: str) -> dict[str, Any]:
    scores = {
        name: float(TESTED_METRICS[metric](own, rivals.actual).mean()) for name, own in rivals.systems.items()
    }
    known = [name for name, score in scores.items() if np.isfinite(score)]
    if not known:
        return {"strategy": None, "p_holm": float("nan"), "separable": False}
    best = (min if metric in LOWER_IS_BETTER else max)(known, key=lambda name: scores[name])
    others = [name for name in known if name != best]
    p = holm([_p(rivals, metric, aspect, best, name) for name in others]).max(initial=-np.inf)
    apart = [_beyond_zero(*interval(rivals.draws[best][metric] - rivals.draws[name][metric])) for name in others]
    return {
        "strategy": best,
        "p_holm": float(p) if others else float("nan"),
        "separable": bool(others) and bool(p < LEVEL) and all(apart),
    }


def _beyond_zero(low: float, high: float) -> bool:
    return low > 0 or high < 0


def _p(rivals: _Rivals, metric: str, aspect: str, name: str, other: str) -> float:
    generator = _generator("swaps", aspect, metric, *sorted((name, other)))  # the same whoever comes first
    ours, theirs = rivals.systems[name], rivals.systems[other]
    return permutation_test(TESTED_METRICS[metric], ours, theirs, rivals.actual, SWAPS, generator)


def _difference(rivals: _Rivals, metric: str, aspect: str, name: str, other: str) -> dict[str, float]:
    ours, theirs, actual = rivals.systems[name], rivals.systems[other], rivals.actual
    draws = rivals.draws[name][metric] - rivals.draws[other][metric]
    low, high = interval(draws)
    measure = TESTED_METRICS[metric]
    found = {
        "difference": float((measure(ours, actual) - measure(theirs, actual)).mean()),
        "low": low,
        "high": high,
        "smallest_detectable": smallest_detectable(draws),
        "p": _p(rivals, metric, aspect, name, other),
    }
    if metric == "mse":
        return found | {"p_t_test": t_test(ours, theirs, actual)}
    return found | {"p_williams": williams_test(ours.mean(axis=0), theirs.mean(axis=0), actual)}


def _eval_set(clips: pd.DataFrame, aspect: str) -> EvalSet:
    """Lay the clips, sorted by system, out for the bootstrap."""
    ratings = single_ratings(clips, aspect)
    counts = clips.groupby("system", sort=True).size().to_numpy()
    return EvalSet(
        clips[[aspect]].to_numpy(np.float64) if ratings is None else ratings,
        np.concatenate([[0], np.cumsum(counts)[:-1]]),
        counts,
    )


def _generator(*names: str) -> np.random.Generator:
    return np.random.default_rng(derive_seed("significance", *names))
