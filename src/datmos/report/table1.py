"""Table I of the paper (arXiv 2603.16201), with intervals and noise ceilings."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datmos.comparison.summaries import Metrics, common_ground, number
from datmos.report.markdown import METRIC_HEADINGS, cell, markdown_table, plain, with_interval
from datmos.report.published import TABLE_1


def table1(
    metrics: Metrics,
    aspects: Sequence[str],
    significance: Mapping[str, Any],
    ceilings: Mapping[str, Any],
    published: bool = False,
) -> str:
    """Lay system-level results out as Table I of arXiv 2603.16201, and once more for the ensembles.

    One row a strategy; two columns an aspect: MSE (squared rating units) and SRCC, the mean over seeds with its 95%
    interval, where both are known. The best of a column is bold only if it is separable from all others. A last row
    has the noise ceilings: what a predictor that knew the true mean opinion would score. The second table has the
    ensemble of each strategy's seeds, which is what `datmos score` uses.

    Args:
        metrics: ``{strategy: what evaluate_predictions returned}``.
        aspects: columns.
        significance: what `compare_strategies` returned.
        ceilings: what `noise_ceilings` returned.
        published: whether the run is on the paper's data, and has the paper's figures below its own.

    Raises:
        DatmosError: the strategies differ in seeds or systems.
    """
    ground = common_ground(metrics, aspects)
    columns = [(aspect, metric) for aspect in aspects for metric in METRIC_HEADINGS]
    heads = [f"{plain(aspect)} {METRIC_HEADINGS[metric]}" for aspect, metric in columns]
    digits = {column: _digits(metrics, *column) for column in columns}
    cells = {column: _column(metrics, significance, *column, digits[column]) for column in columns}
    rows = [[plain(name), *(cells[column][name] for column in columns)] for name in metrics]
    rows += [[f"*{name} (paper)*", *_published(own, columns)] for name, own in TABLE_1.items() if published]
    ends = [number(ceilings[aspect]["system"][metric]) for aspect, metric in columns]
    ceiling = ["*noise ceiling*", *(cell(end, digits[column]) for end, column in zip(ends, columns, strict=True))]
    text = (
        f"System level ({ground['systems']} systems, scores averaged over the clips of a system first), mean over "
        f"{len(ground['seeds'])} seed(s) [95% interval over other systems, clips, raters and seeds]. Bold is the "
        "best of a column, if it is separable from every other row (see significance.md). "
        "Noise ceiling: what a predictor that knew the true mean opinion would score against these ratings.\n\n"
        + markdown_table(["Strategy", *heads], [*rows, ceiling])
    )
    if len(ground["seeds"]) == 1:
        return text
    together = [
        [plain(name), *(_mean(metrics, name, *column, digits[column], "ensemble") for column in columns)]
        for name in metrics
    ]
    return (
        f"{text}\nThe same of the ensembles: the mean of the predictions of all seeds, which is what `datmos "
        "score` gives. They are not tested.\n\n" + markdown_table(["Ensemble", *heads], [*together, ceiling])
    )


def _mean(metrics: Metrics, name: str, aspect: str, metric: str, digits: int, key: str = "mean") -> str:
    return cell(number(metrics[name][aspect]["system"][metric][key]), digits)


def _column(
    metrics: Metrics, significance: Mapping[str, Any], aspect: str, metric: str, digits: int
) -> dict[str, str]:
    best, cells = significance["best"][aspect][metric], {}
    for name in metrics:
        mean = _mean(metrics, name, aspect, metric, digits)
        interval = significance["scores"][aspect][name][metric]
        text = with_interval(mean, interval, f".{digits}f")
        cells[name] = f"**{text}**" if best["separable"] and name == best["strategy"] else text
    return cells


def _published(
    own: Mapping[str, tuple[float | None, float | None]], columns: Sequence[tuple[str, str]]
) -> Iterator[str]:
    for aspect, metric in columns:
        value = own.get(aspect, (None, None))[list(METRIC_HEADINGS).index(metric)]
        yield "" if value is None else f"{value:.3f}"


def _digits(metrics: Metrics, aspect: str, metric: str) -> int:
    """Decimals that show three significant digits: MSE depends on the rating scale, 1..10 or 0..100."""
    if metric == "srcc":
        return 3
    means = [number(own[aspect]["system"][metric]["mean"]) for own in metrics.values()]
    least = min((mean for mean in means if math.isfinite(mean)), default=1.0)
    return 3 if least == 0 else min(max(2 - math.floor(math.log10(abs(least))), 0), 9)
