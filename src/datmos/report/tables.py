"""Results for people, in GitHub markdown: a table for each question that Table I leaves open.

All arguments are what was read back from data/details/, where NaN is None.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datmos.comparison.summaries import Metrics, common_ground, number, shortcut_summaries
from datmos.core.files import read_json, write_text
from datmos.report.markdown import METRIC_HEADINGS, cell, markdown_table, plain, spreads, with_interval
from datmos.report.table1 import table1


def write_shared_tables(folder: Path, details: Path, aspects: Sequence[str], published: bool = False) -> None:
    """Write the tables that the study itself and every evaluation set have, ``<folder>/<table>.md``.

    ``details`` is the folder that `datmos.comparison.results.write_results` wrote to; ``published``: see `table1`.
    """
    names = ("strategies", "uncertainty", "significance", "ceilings")
    metrics, uncertainty, significance, ceilings = (read_json(details / f"{name}.json") for name in names)
    write_text(folder / "table1.md", table1(metrics, aspects, significance, ceilings, published))
    write_text(folder / "agreement.md", agreement_table(metrics, aspects, ceilings))
    write_text(folder / "within.md", within_table(metrics, aspects))
    write_text(folder / "uncertainty.md", uncertainty_table(uncertainty, aspects))
    write_text(folder / "significance.md", significance_table(significance, aspects))


def agreement_table(metrics: Metrics, aspects: Sequence[str], ceilings: Mapping[str, Any]) -> str:
    """Lay every agreement metric out, per system and per clip, a table an aspect and level, with noise ceilings.

    Below each row, where there are several seeds: their ensemble.
    """
    parts = [
        "All agreement metrics, mean ± standard deviation over seeds. MSE (squared rating units) is mse_bias2, the "
        "squared mean error, plus mse_centred, the rest. Last row: what a predictor that knew the true mean "
        "opinion would score against these ratings. *together*: the seeds as one predictor, the mean of their "
        "predictions.\n"
    ]
    several = len(common_ground(metrics, aspects)["seeds"]) > 1
    for aspect in aspects:
        for level, title in {"system": "per system", "utterance": "per clip"}.items():
            names = list(next(iter(metrics.values()))[aspect][level])
            rows = []
            for name, scores in metrics.items():
                own = scores[aspect][level].values()
                rows.append([plain(name), *spreads(own, 3)])
                if several:
                    rows.append(["*together*", *(cell(number(summary["ensemble"]), 3) for summary in own)])
            ceiling = ceilings[aspect][level]
            rows.append(["*noise ceiling*", *(cell(number(ceiling.get(name)), 3) for name in names)])
            parts.append(f"\n## {plain(aspect)}, {title}\n\n" + markdown_table(["Strategy", *names], rows))
    return "".join(parts)


def within_table(metrics: Metrics, aspects: Sequence[str]) -> str:
    """Lay the SRCC within categories and within groups of systems out, with what the groups alone are worth."""
    first = next(iter(metrics.values()))
    columns = [(aspect, category) for aspect in aspects for category in [*first[aspect]["within_category"], None]]
    rows = []
    for name, scores in metrics.items():
        summaries = (
            scores[aspect]["within_category"][category]["srcc"]
            if category
            else scores[aspect]["groups"]["srcc_within_groups"]
            for aspect, category in columns
        )
        rows.append([plain(name), *spreads(summaries, 3)])
    alone = [
        "" if category else cell(number(first[aspect]["groups"]["srcc_of_split"]["mean"]), 3)
        for aspect, category in columns
    ]
    heads = [f"{plain(aspect)} {plain(category or 'within groups')}" for aspect, category in columns]
    return (
        "System-level SRCC among the systems of one category, and within two groups of systems, split at the "
        "widest gap in their scores (mean of both groups, weighted); mean ± standard deviation over seeds. Last "
        "row: the SRCC over all systems that telling the two groups apart, and nothing else, is worth. Where the "
        "scores have no real gap, groups mean little.\n\n"
        + markdown_table(["Strategy", *heads], [*rows, ["*groups alone*", *alone]])
    )


def significance_table(significance: Mapping[str, Any], aspects: Sequence[str]) -> str:
    """Lay the differences that `compare_strategies` returned out, a table for each strategy compared against."""
    parts = [
        "System level, strategy minus the one compared against: difference [95% interval over other systems, "
        "clips, raters and seeds]. Bold is separable: the permutation test over systems gives p < 0.05, corrected "
        "by Holm over strategies and aspects, and 0 is outside the interval. Last row: the smallest difference "
        "that this evaluation set could show (power 80%, uncorrected), the median over strategies.\n"
    ]
    for other, compared in significance["against"].items():
        columns = [(aspect, metric) for aspect in aspects for metric in METRIC_HEADINGS]
        names = list(compared[aspects[0]])
        rows = [
            [plain(name), *(_difference(compared[aspect][name][metric]) for aspect, metric in columns)]
            for name in names
        ]
        least = (
            [number(compared[aspect][name][metric]["smallest_detectable"]) for name in names]
            for aspect, metric in columns
        )
        known = ([value for value in values if math.isfinite(value)] for values in least)
        rows.append(
            ["*smallest detectable*", *(f"{np.median(values):.2f}" if values else "n/a" for values in known)]
        )
        heads = [f"{plain(aspect)} {metric.upper()}" for aspect, metric in columns]
        parts.append("\n" + markdown_table([f"against {plain(other)}", *heads], rows))
    return "".join(parts)


def _difference(found: Mapping[str, Any]) -> str:
    if found["difference"] is None:
        return "n/a"
    difference = f"{found['difference']:+.2f}"
    if found["separable"]:
        difference = f"**{difference}**"
    return with_interval(difference, found, "+.2f")


def shortcut_table(metrics: Metrics, aspects: Sequence[str]) -> str:
    """Lay the `SHORTCUT_METRICS` of all strategies out, one table an aspect, as ``mean ± std`` over seeds.

    Raises:
        DatmosError: the strategies differ in seeds or systems.
    """
    ground = common_ground(metrics, aspects)
    parts = [
        f"Shortcut metrics over {len(ground['seeds'])} seeds, mean ± standard deviation. 0 is no shortcut in all "
        "columns before mse_true. error_eta2: share of the variance of the signed error of eval clips that goes "
        "with their category or source (corrected for chance; given_score: of what the score itself leaves "
        "unexplained). signature_sensitivity: rating points that a prediction moves when the same content gets "
        "another source's signature, and its ratio to what content moves; shortcut_slope: whether it moves as the "
        "sources' train scores do (1: by as much). mse_true, srcc_true: system level, against the true scores.\n"
    ]
    for aspect in aspects:
        columns = {name: "" for scores in metrics.values() for name, _ in shortcut_summaries(scores[aspect])}
        rows = []
        for strategy, scores in metrics.items():
            known = dict(shortcut_summaries(scores[aspect]))
            rows.append([plain(strategy), *spreads((known[name] for name in columns), 3)])
        parts.append(f"\n## {plain(aspect)}\n\n" + markdown_table(["Strategy", *columns], rows))
    return "".join(parts)


def uncertainty_table(uncertainty: Mapping[str, Mapping[str, Any]], aspects: Sequence[str]) -> str:
    """Lay ``{strategy: what evaluate_uncertainty returned}`` out, a table an aspect."""
    parts = [
        "Single eval clips against their mean rating; mean ± standard deviation over seeds. nll: nats a clip "
        "(joint: all aspects together); coverage: share of clips inside the central interval, which should be the "
        "number in its name; calibration_error: mean distance of coverage from nominal over 19 intervals; "
        "sharpness: mean predicted standard deviation, rating points; error_correlation: Spearman's, of predicted "
        "standard deviation with absolute error. The last row has one Gaussian, fitted to the train ratings, for "
        "every clip.\n"
    ]
    first = next(iter(uncertainty.values()))
    for aspect in aspects:
        metrics = list(first["aspects"][aspect])
        rows = [[plain(name), *spreads(own["aspects"][aspect].values(), 2)] for name, own in uncertainty.items()]
        rows.append(["*train ratings*", cell(number(first["train_nll"][aspect]), 2), *[""] * (len(metrics) - 1)])
        parts.append(f"\n## {plain(aspect)}\n\n" + markdown_table(["Strategy", *metrics], rows))
    joint = [[plain(name), *spreads([own["joint_nll"]], 2)] for name, own in uncertainty.items()]
    joint.append(["*train ratings*", cell(number(first["train_nll"]["joint"]), 2)])
    why = "n/a: the train ratings of one aspect follow from those of the others, or there are too few.\n\n"
    unknown = first["train_nll"]["joint"] is None
    parts.append(
        f"\n## All aspects together\n\n{why if unknown else ''}" + markdown_table(["Strategy", "joint nll"], joint)
    )
    return "".join(parts)


def probe_table(probes: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay ``{strategy: what probe_seeds returned}`` out."""
    first = next(iter(probes.values()))
    metrics = [metric for metric in first if metric != "chance"]
    rows = [[plain(name), *spreads((own[metric] for metric in metrics), 2)] for name, own in probes.items()]
    return (
        "Probes of h of the natural clips (train and valid), 5-fold cross-validated, mean ± standard deviation "
        "over seeds. domain_accuracy: share of clips whose source is read right from h (chance: "
        f"{first['chance']['mean']:.2f}); srcc: of clips, against their mean rating. Most of these clips trained "
        "the heads. linear: logistic and ridge regression; nonlinear: support vectors, radial basis functions.\n\n"
        + markdown_table(["Strategy", *map(plain, metrics)], rows)
    )
