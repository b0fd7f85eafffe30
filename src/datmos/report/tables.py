"""Results for people, in GitHub markdown: the paper's Table I with intervals, and a table for each other question.

All arguments are what was read back from metrics/, where NaN is None.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from datmos.comparison.differences import Metrics, common_ground, number, shortcut_summaries

HEADS = {"mse": "MSE ↓", "srcc": "SRCC ↑"}


def table1(
    metrics: Metrics, aspects: Sequence[str], significance: Mapping[str, Any], ceilings: Mapping[str, Any]
) -> str:
    """Lay system-level results out as Table I of arXiv 2603.16201.

    One row a strategy; two columns an aspect: MSE (squared rating units) and SRCC, the mean over seeds with its 95%
    interval (n/a for NaN). The best of a column is bold only if it is separable from all others. A last row has
    the noise ceilings: what a predictor that knew the true mean opinion would score.

    Args:
        metrics: ``{strategy: what evaluate_predictions returned}``.
        aspects: columns.
        significance: what `compare_strategies` returned.
        ceilings: what `noise_ceilings` returned.

    Raises:
        DatmosError: the strategies differ in seeds or systems.
    """
    ground = common_ground(metrics, aspects)
    columns = [
        _column(
            {name: number(scores[aspect]["system"][metric]["mean"]) for name, scores in metrics.items()},
            {name: scores[metric] for name, scores in significance["scores"][aspect].items()},
            significance["best"][aspect][metric],
            number(ceilings[aspect]["system"][metric]),
            digits=3 if metric == "srcc" else None,
        )
        for aspect in aspects
        for metric in HEADS
    ]
    heads = ["Strategy", *(f"{aspect} {head}" for aspect in aspects for head in HEADS.values())]
    rows = zip([*metrics, "*noise ceiling*"], *columns, strict=True)
    return (
        f"System level ({ground['systems']} systems, scores averaged over the clips of a system first), mean over "
        f"{len(ground['seeds'])} seed(s) [95% interval over other systems, clips, raters and seeds]. Bold is the "
        "best of a column, if it is separable from every other row (see significance.md). "
        "Noise ceiling: what a predictor that knew the true mean opinion would score against these ratings.\n\n"
        + _markdown(heads, list(map(list, rows)))
    )


def _column(
    means: Mapping[str, float],
    intervals: Mapping[str, Mapping[str, float | None]],
    best: Mapping[str, Any],
    ceiling: float,
    digits: int | None,
) -> list[str]:
    known = [mean for mean in means.values() if math.isfinite(mean)]
    digits = digits if digits is not None else _digits(min(known, default=1.0))
    cells = []
    for name, mean in means.items():
        bounds = [_cell(number(intervals[name][bound]), digits) for bound in ("low", "high")]
        cell = f"{_cell(mean, digits)} [{', '.join(bounds)}]" if math.isfinite(mean) else "n/a"
        cells.append(f"**{cell}**" if best["separable"] and name == best["strategy"] else cell)
    return [*cells, _cell(ceiling, digits)]


def _digits(value: float) -> int:
    """Decimals that show three significant digits: MSE depends on the rating scale, 1..10 or 0..100."""
    return 3 if value == 0 else min(max(2 - math.floor(math.log10(abs(value))), 0), 9)


def _cell(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "n/a"


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
                rows.append([name, *_spreads(own, 3)])
                if several:
                    rows.append(["*together*", *(_cell(number(summary["ensemble"]), 3) for summary in own)])
            ceiling = ceilings[aspect][level]
            rows.append(["*noise ceiling*", *(_cell(number(ceiling.get(name)), 3) for name in names)])
            parts.append(f"\n## {aspect}, {title}\n\n" + _markdown(["Strategy", *names], rows))
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
        rows.append([name, *_spreads(summaries, 3)])
    alone = [
        "" if category else _cell(number(first[aspect]["groups"]["srcc_of_split"]["mean"]), 3)
        for aspect, category in columns
    ]
    heads = [f"{aspect} {category or 'within groups'}" for aspect, category in columns]
    return (
        "System-level SRCC among the systems of one category, and within two groups of systems, split at the "
        "widest gap in their scores (mean of both groups, weighted); mean ± standard deviation over seeds. Last "
        "row: the SRCC over all systems that telling the two groups apart, and nothing else, is worth. Where the "
        "scores have no real gap, groups mean little.\n\n"
        + _markdown(["Strategy", *heads], [*rows, ["*groups alone*", *alone]])
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
        columns = [(aspect, metric) for aspect in aspects for metric in HEADS]
        names = list(compared[aspects[0]])
        rows = [
            [name, *(_difference(compared[aspect][name][metric]) for aspect, metric in columns)] for name in names
        ]
        least = (
            [number(compared[aspect][name][metric]["smallest_detectable"]) for name in names]
            for aspect, metric in columns
        )
        known = ([value for value in values if math.isfinite(value)] for values in least)
        rows.append(
            ["*smallest detectable*", *(f"{np.median(values):.2f}" if values else "n/a" for values in known)]
        )
        heads = [f"{aspect} {metric.upper()}" for aspect, metric in columns]
        parts.append("\n" + _markdown([f"against {other}", *heads], rows))
    return "".join(parts)


def _difference(found: Mapping[str, Any]) -> str:
    if found["difference"] is None:
        return "n/a"
    difference = f"{found['difference']:+.2f}"
    if found["separable"]:
        difference = f"**{difference}**"
    return f"{difference} [{number(found['low']):+.2f}, {number(found['high']):+.2f}]"


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
            rows.append([strategy, *_spreads((known[name] for name in columns), 3)])
        parts.append(f"\n## {aspect}\n\n" + _markdown(["Strategy", *columns], rows))
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
        rows = [[name, *_spreads(own["aspects"][aspect].values(), 2)] for name, own in uncertainty.items()]
        rows.append(["*train ratings*", _cell(number(first["train_nll"][aspect]), 2), *[""] * (len(metrics) - 1)])
        parts.append(f"\n## {aspect}\n\n" + _markdown(["Strategy", *metrics], rows))
    joint = [[name, *_spreads([own["joint_nll"]], 2)] for name, own in uncertainty.items()]
    joint.append(["*train ratings*", _cell(number(first["train_nll"]["joint"]), 2)])
    parts.append("\n## All aspects together\n\n" + _markdown(["Strategy", "joint nll"], joint))
    return "".join(parts)


def probe_table(probes: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay ``{strategy: what probe_seeds returned}`` out."""
    first = next(iter(probes.values()))
    metrics = [metric for metric in first if metric != "chance"]
    rows = [[name, *_spreads((own[metric] for metric in metrics), 2)] for name, own in probes.items()]
    return (
        "Probes of h of the natural clips (train and valid), 5-fold cross-validated, mean ± standard deviation "
        "over seeds. domain_accuracy: share of clips whose source is read right from h (chance: "
        f"{first['chance']['mean']:.2f}); srcc: of clips, against their mean rating. Most of these clips trained "
        "the heads. linear: logistic and ridge regression; nonlinear: support vectors, radial basis functions.\n\n"
        + _markdown(["Strategy", *metrics], rows)
    )


def _spreads(summaries: Iterable[Mapping[str, Any]], digits: int) -> list[str]:
    """Mean over seeds, with the standard deviation if there are several."""
    pairs = [[_cell(number(summary[key]), digits) for key in ("mean", "std")] for summary in summaries]
    return [mean if std == "n/a" else f"{mean} ± {std}" for mean, std in pairs]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows of cells out under a head; the first column is text, the others are numbers."""
    lines = [head, [":---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
