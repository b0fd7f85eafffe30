"""Strategies side by side: rows for plots and pictures.

``metrics`` is ``{strategy: what evaluate_predictions returned}`` everywhere, fresh or read back from JSON,
where NaN is None. Strategies are shown in its order.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from datmos.core.errors import DatmosError

COMPARED = ("mse", "srcc")
LOWER_IS_BETTER = ("mse",)
# column of the shortcut table -> where its summary is, in what evaluate_predictions returned for an aspect
SHORTCUT_METRICS = {
    "error_eta2_category": ("shortcut", "error_eta2_category"),
    "error_eta2_category_given_score": ("shortcut", "error_eta2_category_given_score"),
    "error_eta2_source": ("shortcut", "error_eta2_source"),
    "error_eta2_source_given_score": ("shortcut", "error_eta2_source_given_score"),
    "signature_sensitivity": ("shortcut", "signature_sensitivity"),
    "signature_sensitivity_ratio": ("shortcut", "signature_sensitivity_ratio"),
    "shortcut_slope": ("shortcut", "shortcut_slope"),
    "mse_true": ("true", "system", "mse"),
    "srcc_true": ("true", "system", "srcc"),
}
Metrics = Mapping[str, Mapping[str, Any]]


def shortcut_summaries(scores: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and summary of the `SHORTCUT_METRICS` that are known."""
    for name, keys in SHORTCUT_METRICS.items():
        found: Any = scores
        for key in keys:
            found = found.get(key, {})
        if found:
            yield name, found


def number(value: float | None) -> float:
    """Return a number of data/details/, where NaN is None."""
    return math.nan if value is None else float(value)


def common_ground(metrics: Metrics, aspects: Sequence[str]) -> dict[str, Any]:
    """Return the numbers of systems and clips, and the seeds, which must be the same for a fair comparison."""
    grounds = {strategy: dict(scores[aspects[0]]["evaluated_on"]) for strategy, scores in metrics.items()}
    first, *others = grounds
    for strategy in others:
        if grounds[strategy] != grounds[first]:
            raise DatmosError(
                f"strategies can't be compared: '{first}' was evaluated on {grounds[first]}, "
                f"'{strategy}' on {grounds[strategy]}. Run `dvc repro` to evaluate both anew."
            )
    return grounds[first]


def comparison_rows(metrics: Metrics, aspects: Sequence[str]) -> pd.DataFrame:
    """List all results in long form: ``strategy, aspect, level, metric, mean, std, ensemble``.

    ``level`` is ``system``, ``utterance``; ``system within <category>`` and ``system within groups``
    (`datmos.evaluation.split_groups`); and ``shortcut`` with those of the `SHORTCUT_METRICS` that are known.
    """
    rows = [
        (strategy, aspect, level, metric, *(number(summary[key]) for key in ("mean", "std", "ensemble")))
        for strategy, scores in metrics.items()
        for aspect in aspects
        for level, metric, summary in _summaries(scores[aspect])
    ]
    return pd.DataFrame(rows, columns=["strategy", "aspect", "level", "metric", "mean", "std", "ensemble"])


def _summaries(scores: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for level in ("system", "utterance"):
        for metric, summary in scores[level].items():
            yield level, metric, summary
    for category, summaries in scores["within_category"].items():
        for metric, summary in summaries.items():
            yield f"system within {category}", metric, summary
    yield "system within groups", "srcc", scores["groups"]["srcc_within_groups"]
    for name, summary in shortcut_summaries(scores):
        yield "shortcut", name, summary


def chart_rows(scores: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> pd.DataFrame:
    """List metrics/scores.json for DVC's bar charts: columns ``row`` (aspect and strategy), mse, srcc."""
    aspects = next(iter(scores.values()))
    rows = [{"row": f"{aspect} {name}", **own[aspect]} for aspect in aspects for name, own in scores.items()]
    return pd.DataFrame(rows)


def training_rows(curves: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """List the curves of all strategies, means over seeds: columns strategy, epoch, and what the curves have."""
    means = {name: mean_curve(own) for name, own in curves.items()}
    return pd.concat(means, names=["strategy", None]).reset_index("strategy")


def mean_curve(curves: pd.DataFrame) -> pd.DataFrame:
    """Average a strategy's curves over seeds: a row an epoch."""
    return curves.drop(columns="seed").groupby("epoch", as_index=False).mean()


def difference_rows(
    against: Mapping[str, Any], metrics: Metrics, rivals: Mapping[str, Sequence[str]], aspects: Sequence[str]
) -> pd.DataFrame:
    """List what strategies differ by from their baseline, system level.

    Args:
        against: that entry of data/details/significance.json.
        metrics: of all of them.
        rivals: baseline -> who is compared with it.
        aspects: to compare.

    Returns:
        Columns baseline, strategy, aspect, metric (mse, srcc); difference of the means over seeds, low, high,
        separable, detectable (the smallest that could be); ensemble (difference of the ensembles).
    """
    rows = []
    for baseline, strategies in rivals.items():
        for strategy in strategies:
            for aspect in aspects:
                for metric in COMPARED:
                    found = against[baseline][aspect][strategy][metric]
                    row: dict[str, Any] = {
                        "baseline": baseline, "strategy": strategy, "aspect": aspect, "metric": metric,
                        "separable": bool(found["separable"]), "detectable": number(found["smallest_detectable"]),
                    }  # fmt: skip
                    row |= {key: number(found[key]) for key in ("difference", "low", "high")}
                    ours, theirs = (
                        number(metrics[name][aspect]["system"][metric]["ensemble"]) for name in (strategy, baseline)
                    )
                    rows.append(row | {"ensemble": ours - theirs})
    return pd.DataFrame(rows)


def ceiling_gaps(
    ceilings: Mapping[str, Any], metrics: Metrics, baseline: str, aspects: Sequence[str]
) -> dict[tuple[str, str], float]:
    """Return how far the noise ceiling is from the baseline's mean over seeds, by aspect and metric (mse, srcc)."""
    return {
        (aspect, metric): number(ceilings[aspect]["system"][metric])
        - number(metrics[baseline][aspect]["system"][metric]["mean"])
        for aspect in aspects
        for metric in COMPARED
    }
