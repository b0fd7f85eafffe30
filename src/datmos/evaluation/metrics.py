"""How well predictions agree with listeners: per clip, per generative system, and within a category.

The paper (arXiv 2603.16201, Table I) reports MSE and SRCC per system. A large MSE can be nothing but an
offset, and a high SRCC nothing but telling speech from music, so both are taken apart here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from datmos.core.clips import COUNTERFACTUAL
from datmos.core.errors import DatmosError, listing
from datmos.evaluation.agreement import AGREEMENT_METRICS, MIN_SYSTEMS, agreement, system_means
from datmos.evaluation.shortcuts import error_shares, signature_effects
from datmos.evaluation.split_groups import srcc_of_split, srcc_within_groups

SHOWN = ("mse", "srcc")  # in metrics/scores.json


def evaluate_predictions(
    predictions: pd.DataFrame, manifest: pd.DataFrame, aspects: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Score one strategy's predictions of the eval and counterfactual clips; rows may come in any order.

    ``predictions`` has a row a clip and seed (``clip_id, seed, <aspect>``), ``manifest`` a row a clip; scores
    are on the rating scale. Returns::

        {aspect: {"evaluated_on": {"systems": n, "clips": n, "seeds": [...]},
                  "system": {metric: summary}, "utterance": {metric: summary},
                  "within_category": {category: {"srcc", "mse", "bias": summary}},
                  "groups": {"srcc_within_groups": summary, "srcc_of_split": {"mean": value}},
                  "shortcut": {"error_eta2_category", "error_eta2_source", and each with "_given_score": summary,
                               "signature_sensitivity", "signature_sensitivity_ratio", "shortcut_slope": summary,
                               "signature_offset": {source: summary}},
                  "true": {"system": {metric: summary}, "utterance": {metric: summary}}}}

    ``shortcut`` is explained in `datmos.evaluation.shortcuts`; its errors are those of single eval clips against
    the mean rating. All but these is there only if the manifest has counterfactual clips, and ``true``
    (against the true scores instead of the ratings) only if it has true scores of all eval clips.

    A summary is ``mean`` and ``std`` (ddof 1, NaN for one seed) over ``seeds``, the values by ascending seed,
    and ``ensemble``: the metric of the predictions averaged over seeds. ``within_category`` is of the category's
    systems: SRCC (NaN if they are fewer than three), MSE, and bias, the mean signed error; ``groups`` is explained
    in `datmos.evaluation.split_groups`.

    Raises `DatmosError` if there are no eval clips, if a seed lacks a finite prediction of one (naming the
    clips), or if a clip is predicted twice by one seed.
    """
    clips = manifest.set_index("clip_id").sort_index()
    evaluated, counterfactual = clips[clips["split"] == "eval"], clips[clips["split"] == COUNTERFACTUAL]
    if evaluated.empty:
        raise DatmosError("the manifest has no clip with split 'eval': there is nothing to evaluate on")
    twice = predictions.loc[predictions.duplicated(["clip_id", "seed"]), "clip_id"]
    if len(twice):
        raise DatmosError(f"clips predicted more than once by one seed: {listing(sorted(set(twice)))}")
    train_means = clips[clips["split"] == "train"].groupby("source")[list(aspects)].mean()
    return {
        aspect: _evaluate_aspect(_by_seed(predictions, evaluated.index, aspect), evaluated, aspect)
        | {
            "shortcut": _shortcut(
                _by_seed(predictions, evaluated.index, aspect),
                evaluated,
                _by_seed(predictions, counterfactual.index, aspect),
                counterfactual,
                aspect,
                train_means[aspect],
            )
        }
        for aspect in aspects
    }


def _by_seed(rows: pd.DataFrame, clip_ids: pd.Index, aspect: str) -> pd.DataFrame:
    """Lay predictions of one aspect out: a row a clip, a column a seed (ascending) and "ensemble", their mean.

    Every cell is finite.
    """
    rows = rows[rows["clip_id"].isin(clip_ids)]
    table = rows.pivot(index="clip_id", columns="seed", values=aspect).reindex(clip_ids).astype(np.float64)
    complete = np.isfinite(table).all(axis=1) if table.shape[1] else pd.Series(False, index=clip_ids)
    if not complete.all():
        raise DatmosError(
            f"{(~complete).sum()} of {len(clip_ids)} clips lack a finite prediction of {aspect} "
            f"by some seed: {listing(clip_ids[~complete])}. Evaluate this strategy again with the present manifest."
        )
    return table.assign(ensemble=table.mean(axis=1))


def _evaluate_aspect(predicted: pd.DataFrame, clips: pd.DataFrame, aspect: str) -> dict[str, Any]:
    table = predicted.assign(actual=clips[aspect])
    columns = list(table.columns)
    table = table.assign(system=clips["system"], category=clips["category"])
    systems = system_means(table, columns)
    within = {str(category): system_means(rows, columns) for category, rows in table.groupby("category", sort=True)}
    return {
        "evaluated_on": {
            "systems": len(systems),
            "clips": len(table),
            "seeds": [int(seed) for seed in predicted.columns.drop("ensemble")],
        },
        "system": _summarise(systems),
        "utterance": _summarise(table[columns]),
        "within_category": {category: _within(rows) for category, rows in within.items()},
        "groups": _groups(systems),
        **_against_truth(predicted, clips, aspect),
    }


def _groups(systems: pd.DataFrame) -> dict[str, Any]:
    """Summarise the SRCC within two groups of systems: columns <seed>..., "ensemble", "actual"."""
    actual = systems["actual"].to_numpy()
    within = systems.drop(columns="actual").apply(lambda column: srcc_within_groups(column.to_numpy(), actual))
    return {
        **_summarise_rows(within.to_frame("srcc_within_groups").T),
        "srcc_of_split": {"mean": srcc_of_split(actual)},
    }


def _within(systems: pd.DataFrame) -> dict[str, Any]:
    """Summarise the system means of one category: columns <seed>..., "ensemble", "actual"."""
    # no rows: every metric NaN
    ranked = _summarise(systems if len(systems) >= MIN_SYSTEMS else systems.iloc[:0], ["srcc"])
    bias = systems.drop(columns="actual").sub(systems["actual"], axis=0).mean()
    return {
        "srcc": ranked["srcc"],
        "mse": _summarise(systems, ["mse"])["mse"],
        **_summarise_rows(bias.to_frame("bias").T),
    }


def _shortcut(
    predicted: pd.DataFrame,
    clips: pd.DataFrame,
    counterfactual_predicted: pd.DataFrame,
    counterfactual: pd.DataFrame,
    aspect: str,
    train_means: pd.Series,
) -> dict[str, Any]:
    result = _summarise_rows(error_shares(predicted, clips[aspect], clips))
    if counterfactual.empty:
        return result
    effects, offsets = signature_effects(counterfactual_predicted, counterfactual, train_means)
    return result | _summarise_rows(effects) | {"signature_offset": _summarise_rows(offsets)}


def _against_truth(predicted: pd.DataFrame, clips: pd.DataFrame, aspect: str) -> dict[str, Any]:
    true = clips.get(f"{aspect}_true", pd.Series(np.nan, index=clips.index))
    if true.isna().any():
        return {}
    table = predicted.assign(actual=true)
    return {"true": {"system": _summarise(_systems(table, clips)), "utterance": _summarise(table)}}


def _systems(table: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Average all columns of a table over the clips of each system; ``clips`` has the same rows."""
    return system_means(table.assign(system=clips["system"]), list(table.columns))


def _summarise(table: pd.DataFrame, metrics: Sequence[str] = AGREEMENT_METRICS) -> dict[str, dict[str, Any]]:
    """Summarise metrics of a table with columns <seed>..., "ensemble", "actual"."""
    actual = table["actual"].to_numpy()
    ensemble = agreement(table["ensemble"].to_numpy(), actual, metrics)
    single = [
        agreement(column.to_numpy(), actual, metrics)
        for _, column in table.drop(columns=["ensemble", "actual"]).items()
    ]
    return {metric: summarise_seeds([scores[metric] for scores in single], ensemble[metric]) for metric in metrics}


def _summarise_rows(table: pd.DataFrame) -> dict[str, Any]:
    """Summarise every row of a table with columns <seed>... and "ensemble"."""
    return {
        str(name): summarise_seeds(row.drop("ensemble").tolist(), float(row["ensemble"]))
        for name, row in table.iterrows()
    }


def summarise_seeds(seeds: list[float], ensemble: float) -> dict[str, Any]:
    """Return mean and std (ddof 1, NaN for one seed) of a metric over seeds, its ensemble value, and the values."""
    # from the first: where no seed plays a part, exactly 0, not the last bit of a mean that was rounded
    std = float(np.std(np.subtract(seeds, seeds[0]), ddof=1)) if len(seeds) > 1 else float("nan")
    return {"mean": float(np.mean(seeds)), "std": std, "ensemble": ensemble, "seeds": seeds}


def evaluate_systems(
    predictions: pd.DataFrame, manifest: pd.DataFrame, aspects: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Compute the system-level part of `evaluate_predictions` alone: ``{aspect: {metric: summary}}``."""
    clips = manifest[manifest["split"] == "eval"].set_index("clip_id").sort_index()
    found = {}
    for aspect in aspects:
        predicted = _by_seed(predictions, clips.index, aspect)
        found[aspect] = _summarise(_systems(predicted.assign(actual=clips[aspect]), clips))
    return found


def validation_error(
    predictions: pd.DataFrame, manifest: pd.DataFrame, aspects: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Summarise the squared error of single validation clips, squared rating points, by aspect.

    For whoever compares settings: these clips are of the sources of training, and no eval rating is read.

    Raises `DatmosError` if a seed lacks a finite prediction of one, naming the clips.
    """
    clips = manifest[manifest["split"] == "valid"].set_index("clip_id").sort_index()
    found = {}
    for aspect in aspects:
        errors = np.square(_by_seed(predictions, clips.index, aspect).sub(clips[aspect], axis=0)).mean()
        found[aspect] = {"mse": summarise_seeds(errors.drop("ensemble").tolist(), float(errors["ensemble"]))}
    return found


def system_scores(
    metrics: Mapping[str, Mapping[str, Any]], aspects: Sequence[str]
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Pick system-level MSE and SRCC, means over seeds, out of ``{strategy: what evaluate_predictions returned}``.

    Returns ``{strategy: {aspect: {"mse", "srcc"}}}``, four decimals, None for NaN: what is shown by `dvc metrics`.
    """
    found = {}
    for strategy, scores in metrics.items():
        means = {aspect: {name: scores[aspect]["system"][name]["mean"] for name in SHOWN} for aspect in aspects}
        found[strategy] = {
            aspect: {name: round(mean, 4) if np.isfinite(mean) else None for name, mean in own.items()}
            for aspect, own in means.items()
        }
    return found
