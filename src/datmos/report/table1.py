"""Table I of the paper (arXiv 2603.16201), with intervals and noise ceilings."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from datmos.comparison.summaries import Metrics, common_ground, number
from datmos.report.markdown import METRIC_HEADINGS, cell, markdown_table, plain


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
        for metric in METRIC_HEADINGS
    ]
    heads = ["Strategy", *(f"{plain(aspect)} {head}" for aspect in aspects for head in METRIC_HEADINGS.values())]
    rows = zip([*map(plain, metrics), "*noise ceiling*"], *columns, strict=True)
    return (
        f"System level ({ground['systems']} systems, scores averaged over the clips of a system first), mean over "
        f"{len(ground['seeds'])} seed(s) [95% interval over other systems, clips, raters and seeds]. Bold is the "
        "best of a column, if it is separable from every other row (see significance.md). "
        "Noise ceiling: what a predictor that knew the true mean opinion would score against these ratings.\n\n"
        + markdown_table(heads, list(map(list, rows)))
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
        bounds = [cell(number(intervals[name][bound]), digits) for bound in ("low", "high")]
        text = f"{cell(mean, digits)} [{', '.join(bounds)}]" if math.isfinite(mean) else "n/a"
        cells.append(f"**{text}**" if best["separable"] and name == best["strategy"] else text)
    return [*cells, cell(ceiling, digits)]


def _digits(value: float) -> int:
    """Decimals that show three significant digits: MSE depends on the rating scale, 1..10 or 0..100."""
    return 3 if value == 0 else min(max(2 - math.floor(math.log10(abs(value))), 0), 9)
