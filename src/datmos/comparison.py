"""Strategies side by side: differences for `dvc metrics diff`, the paper's Table I, and rows for plots.

``metrics`` is ``{strategy: what evaluate_predictions returned}`` everywhere, fresh or read back from JSON,
where NaN is None. Strategies are shown in its order.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from datmos.errors import DatmosError

# column of Table I -> (its header, the direction that is better)
TABLE_METRICS = {"mse": ("MSE ↓", min), "srcc": ("SRCC ↑", max)}
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


def compare(metrics: Metrics, baseline: str, aspects: Sequence[str]) -> dict[str, Any]:
    """Compare system-level MSE and SRCC of every strategy with the baseline's.

    Returns ``{aspect: {strategy: {"mse", "mse_delta", "mse_delta_std", "srcc", "srcc_delta",
    "srcc_delta_std"}}}``: means over seeds; a delta is strategy minus baseline of the same seed, so that what
    a seed does to both cancels, and its std (ddof 1, NaN for one seed) is over seeds. A negative
    ``mse_delta`` and a positive ``srcc_delta`` are improvements. The baseline has deltas of 0. Beside them, the
    means of those `SHORTCUT_METRICS` that the dataset allows.

    ``baseline`` is one of the strategies. Raises `DatmosError` for strategies that differ in seeds or systems.
    """
    _common_ground(metrics, aspects)
    return {
        aspect: {
            strategy: _against(scores[aspect]["system"], metrics[baseline][aspect]["system"])
            | {name: _number(summary["mean"]) for name, summary in _shortcut_summaries(scores[aspect])}
            for strategy, scores in metrics.items()
        }
        for aspect in aspects
    }


def _against(system: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, float]:
    result = {}
    for metric in TABLE_METRICS:
        paired = zip(system[metric]["seeds"], baseline[metric]["seeds"], strict=True)
        deltas = [_number(ours) - _number(theirs) for ours, theirs in paired]
        result[metric] = _number(system[metric]["mean"])
        result[f"{metric}_delta"] = float(np.mean(deltas))
        result[f"{metric}_delta_std"] = float(np.std(deltas, ddof=1)) if len(deltas) > 1 else math.nan
    return result


def _shortcut_summaries(scores: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and summary of the `SHORTCUT_METRICS` that are known."""
    for name, keys in SHORTCUT_METRICS.items():
        found: Any = scores
        for key in keys:
            found = found.get(key, {})
        if found:
            yield name, found


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _common_ground(metrics: Metrics, aspects: Sequence[str]) -> dict[str, Any]:
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


def table1(metrics: Metrics, aspects: Sequence[str]) -> str:
    """Lay system-level results out as Table I of arXiv 2603.16201, in GitHub markdown.

    One row a strategy; two columns an aspect: MSE (squared rating units) and SRCC, as ``mean ± std`` over
    seeds (the mean alone for one seed, n/a for NaN). The best mean of a column is bold; means that print
    alike tie.

    Raises `DatmosError` if strategies differ in seeds or systems.
    """
    ground = _common_ground(metrics, aspects)
    columns = [
        _column([scores[aspect]["system"][metric] for scores in metrics.values()], metric)
        for aspect in aspects
        for metric in TABLE_METRICS
    ]
    heads = [f"{aspect} {head}" for aspect in aspects for head, _ in TABLE_METRICS.values()]
    body = zip(metrics, *columns, strict=True)
    lines = [["Strategy", *heads], [":---"] + ["---:"] * len(heads), *map(list, body)]
    return f"{_caption(ground)}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def shortcut_table(metrics: Metrics, aspects: Sequence[str]) -> str:
    """Lay the `SHORTCUT_METRICS` of all strategies out, one table an aspect, as ``mean ± std`` over seeds.

    Raises `DatmosError` if strategies differ in seeds or systems.
    """
    ground = _common_ground(metrics, aspects)
    parts = [
        f"Shortcut metrics over {len(ground['seeds'])} seeds, mean ± standard deviation. 0 is no shortcut in all "
        "columns before mse_true. error_eta2: share of the variance of the signed error of eval clips that goes "
        "with their category or source (corrected for chance; given_score: of what the score itself leaves "
        "unexplained). signature_sensitivity: rating points that a prediction moves when the same content gets "
        "another source's signature, and its ratio to what content moves; shortcut_slope: whether it moves as the "
        "sources' train scores do (1: by as much). mse_true, srcc_true: system level, against the true scores.\n"
    ]
    for aspect in aspects:
        columns = {name: "" for scores in metrics.values() for name, _ in _shortcut_summaries(scores[aspect])}
        lines = [["Strategy", *columns], [":---"] + ["---:"] * len(columns)]
        for strategy, scores in metrics.items():
            known = dict(_shortcut_summaries(scores[aspect]))
            cells = [_cell(_number(known[n]["mean"]), _number(known[n]["std"]), 3, None) for n in columns]
            lines.append([strategy, *cells])
        parts.append(f"\n## {aspect}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines))
    return "".join(parts)


def _caption(ground: Mapping[str, Any]) -> str:
    seeds = len(ground["seeds"])
    spread = f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "1 seed"
    return (
        f"System level ({ground['systems']} systems, scores averaged over the clips of a system first), "
        f"{spread}. Bold is the best mean of a column, which need not be significant."
    )


def _column(summaries: list[Mapping[str, Any]], metric: str) -> list[str]:
    means = [_number(summary["mean"]) for summary in summaries]
    stds = [_number(summary["std"]) for summary in summaries]
    better = TABLE_METRICS[metric][1]
    known = [mean for mean in means if math.isfinite(mean)]
    digits = 3 if metric == "srcc" or not known else _digits(better(known))
    best = f"{better(known):.{digits}f}" if known else None  # as printed, so that what looks alike ties
    return [_cell(mean, std, digits, best) for mean, std in zip(means, stds, strict=True)]


def _digits(value: float) -> int:
    """Decimals that show three significant digits: MSE depends on the rating scale, 1..10 or 0..100."""
    return 3 if value == 0 else min(max(2 - math.floor(math.log10(abs(value))), 0), 9)


def _cell(mean: float, std: float, digits: int, best: str | None) -> str:
    if not math.isfinite(mean):
        return "n/a"
    text = f"{mean:.{digits}f}"
    cell = f"{text} ± {std:.{digits}f}" if math.isfinite(std) else text
    return f"**{cell}**" if text == best else cell


def comparison_rows(metrics: Metrics, aspects: Sequence[str]) -> pd.DataFrame:
    """List all results in long form: ``strategy, aspect, level, metric, mean, std, ensemble``.

    ``level`` is ``system``, ``utterance``; ``system within <category>``, which has ``srcc`` only; ``shortcut``
    with those of the `SHORTCUT_METRICS` that are known; and ``signature <source>`` with the ``offset`` of
    predictions under that source's signature.
    """
    rows = [
        (strategy, aspect, level, metric, *(_number(summary[key]) for key in ("mean", "std", "ensemble")))
        for strategy, scores in metrics.items()
        for aspect in aspects
        for level, metric, summary in _summaries(scores[aspect])
    ]
    return pd.DataFrame(rows, columns=["strategy", "aspect", "level", "metric", "mean", "std", "ensemble"])


def _summaries(scores: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for level in ("system", "utterance"):
        for metric, summary in scores[level].items():
            yield level, metric, summary
    for category, summary in scores["srcc_within_category"].items():
        yield f"system within {category}", "srcc", summary
    for name, summary in _shortcut_summaries(scores):
        yield "shortcut", name, summary
    for source, summary in scores["shortcut"].get("signature_offset", {}).items():
        yield f"signature {source}", "offset", summary


def chart_rows(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Pick one system-level metric out of `comparison_rows` for a DVC bar chart: columns ``row``, ``<metric>``."""
    picked = rows[(rows["level"] == "system") & (rows["metric"] == metric)]
    return pd.DataFrame({"row": picked["aspect"] + " " + picked["strategy"], metric: picked["mean"]})
