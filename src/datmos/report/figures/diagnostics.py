"""Pictures behind the comparison: training, calibration, errors by category, clusters, and the K ablation.

Panels that are compared have the same axes; colours, markers and lines are those of `datmos.report.figures.style`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datmos.report.figures.style import (
    COLOURS,
    MARKERS,
    draw_bars,
    drawing,
    finish_bars,
    plain_frame,
    save,
    side_by_side,
)

LINES = ("-", "--", "-.", ":")
LEGEND: dict[str, Any] = {"loc": "outside right upper", "frameon": False}
FONT: dict[Any, Any] = {"font.size": 9, "hatch.linewidth": 0.6}
BETTER = {"mse": "MSE, difference\n(below 0 is better)", "srcc": "SRCC, difference\n(above 0 is better)"}


def draw_training(curves: Mapping[str, pd.DataFrame], path: Path, unit: str = "nats a clip") -> None:
    """Draw losses and domain accuracy over the epochs, a line a strategy, means over seeds.

    ``curves`` has a table a strategy: epoch, task_loss and validation_loss (in ``unit``), domain_accuracy (0 to 1);
    and adversarial_gradient, its norm at the encoder, where the encoder is trained.
    """
    titles = {"task_loss": "train loss", "validation_loss": "validation loss", "domain_accuracy": "domain accuracy"}
    tuned = all("adversarial_gradient" in table for table in curves.values())
    titles |= {"adversarial_gradient": "gradient of the adversaries at the encoder"} if tuned else {}
    with drawing(FONT):
        figure = Figure(figsize=(4.0 * len(titles), 3.8), layout="constrained")
        panels = figure.subplots(1, len(titles))
        panels[1].sharey(panels[0])
        for axes, (column, title) in zip(panels, titles.items(), strict=True):
            for style, (strategy, table) in zip(_styles(), curves.items(), strict=False):
                axes.plot(table["epoch"], table[column], label=strategy, markevery=5, markersize=4, **style)
            axes.set(title=title, xlabel="epoch", ylabel=unit)
            _grid(axes)
        panels[2].set(ylabel="share of train clips", ylim=(0, 1))
        if tuned:
            panels[3].set(ylabel="Euclidean norm")
        figure.legend(*panels[0].get_legend_handles_labels(), title="Strategy", **LEGEND)
        figure.supxlabel("At lambda 0 the domain classifier only watches: nothing flows back from it.", fontsize=8)
        save(figure, path)


def draw_calibration(curves: Mapping[str, pd.DataFrame], aspects: Sequence[str], path: Path) -> None:
    """Draw the share of eval clips inside central intervals against the share that should be: a panel an aspect.

    ``curves`` has a table a strategy: nominal and a column an aspect, both 0 to 1.
    """
    with drawing(FONT):
        figure = Figure(figsize=(2.9 * len(aspects) + 1.6, 3.4), layout="constrained")
        panels = figure.subplots(1, len(aspects), sharex=True, sharey=True, squeeze=False)[0]
        for axes, aspect in zip(panels, aspects, strict=True):
            axes.plot([0, 1], [0, 1], color="0.6", linewidth=3, zorder=0, label="perfect")
            for style, (strategy, table) in zip(_styles(), curves.items(), strict=False):
                axes.plot(table["nominal"], table[aspect], label=strategy, markevery=4, markersize=4, **style)
            axes.set(title=aspect, xlim=(0, 1), ylim=(0, 1), aspect="equal")
            axes.text(0.97, 0.04, "intervals\ntoo narrow", ha="right", fontsize=8, color="0.35")
            _grid(axes)
        panels[0].set_ylabel("share of clips inside")
        figure.legend(*panels[0].get_legend_handles_labels(), title="Strategy", **LEGEND)
        figure.supxlabel("share that the interval should hold", fontsize=9)
        save(figure, path)


def draw_errors(rows: pd.DataFrame, path: Path) -> None:
    """Draw MSE and bias (mean signed error) among the systems of each category: a panel an aspect.

    ``rows`` is what `datmos.comparison.summaries.comparison_rows` returns.
    """
    rows = rows[rows["level"].str.startswith("system within ") & rows["metric"].isin(["mse", "bias"])]
    rows = rows.assign(category=rows["level"].str.removeprefix("system within "))
    strategies, aspects = list(rows["strategy"].unique()), list(rows["aspect"].unique())
    categories = sorted(rows["category"].unique())
    labels = {"mse": "MSE\n(lower is better)", "bias": "bias, rating points\n(0 is best)"}
    with drawing(FONT):
        width = max(2.6, 0.12 * len(strategies) * len(categories)) * len(aspects) + 1.8
        figure = Figure(figsize=(width, 5.0), layout="constrained")
        grid = figure.subplots(2, len(aspects), sharex=True, sharey="row", squeeze=False)
        for row, (metric, label) in zip(grid, labels.items(), strict=True):
            for axes, aspect in zip(row, aspects, strict=True):
                own = rows[(rows["metric"] == metric) & (rows["aspect"] == aspect)]
                table = own.pivot(index="category", columns="strategy", values="mean").reindex(categories)
                _bars(axes, table[strategies])
                axes.set_xticks(range(len(categories)), categories)
            row[0].set_ylabel(label)
        for axes, aspect in zip(grid[0], aspects, strict=True):
            axes.set_title(aspect)
        figure.legend(*grid[0][0].get_legend_handles_labels(), title="Strategy", handleheight=1.4, **LEGEND)
        figure.suptitle("Errors of system means by category, means over seeds")
        save(figure, path)


def _bars(axes: Axes, table: pd.DataFrame) -> None:
    """Draw a group a row, a bar a column."""
    for series, (strategy, values) in enumerate(table.items()):
        places, width = side_by_side(len(table), series, table.shape[1])
        draw_bars(axes, places, values, series, str(strategy), width)
    finish_bars(axes)


def draw_composition(counts: pd.DataFrame, path: Path) -> None:
    """Draw what clusters are made of: ``counts`` has train clips by source (rows) and cluster (columns).

    The colour is the share of the source's clips that are in the cluster.
    """
    shares = counts.div(counts.sum(axis=1), axis=0).to_numpy()
    with drawing(FONT):
        size = (0.62 * counts.shape[1] + 3.2, 0.42 * len(counts) + 1.4)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for (row, column), count in np.ndenumerate(counts.to_numpy()):
            colour = "black" if shares[row, column] > 0.6 else "white"
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=8)
        axes.set_xticks(range(counts.shape[1]), [str(name) for name in counts.columns])
        axes.set_yticks(range(len(counts)), list(counts.index))
        axes.set(xlabel="cluster", title="Train clips by source and cluster")
        figure.colorbar(image, ax=axes, label="share of the source")
        save(figure, path)


def draw_granularity(rows: pd.DataFrame, path: Path) -> None:
    """Draw the K ablation (paper, Fig. 5): a row a metric, a panel an aspect, a line a strategy.

    ``rows`` is what `datmos.comparison.granularity.granularity_rows` returns. Without rows the picture says so.
    """
    with drawing(FONT):
        if rows.empty:
            figure = Figure(figsize=(5.2, 1.6), layout="constrained")
            figure.text(0.5, 0.5, "granularity.k is empty: the K ablation was left out", ha="center", va="center")
            save(figure, path)
            return
        aspects, ks = list(rows["aspect"].unique()), sorted(rows["k"].unique())
        strategies = list(rows["strategy"].unique())
        figure = Figure(figsize=(2.7 * len(aspects) + 1.8, 4.8), layout="constrained")
        grid = figure.subplots(2, len(aspects), sharex=True, sharey="row", squeeze=False)
        for row, (metric, label) in zip(grid, BETTER.items(), strict=True):
            for axes, aspect in zip(row, aspects, strict=True):
                own = rows[(rows["metric"] == metric) & (rows["aspect"] == aspect)]
                for place, (style, strategy) in enumerate(zip(_styles(), strategies, strict=False)):
                    _intervals(axes, own[own["strategy"] == strategy], ks, place - (len(strategies) - 1) / 2, style)
                axes.axhline(0.0, color="0.4", linewidth=1.0)
                axes.set_xticks(range(len(ks)), [str(k) for k in ks])
                _grid(axes)
            row[0].set_ylabel(label)
        for axes, aspect in zip(grid[0], aspects, strict=True):
            axes.set_title(aspect)
        figure.legend(*grid[0][0].get_legend_handles_labels(), title="Strategy", **LEGEND)
        note = "K, the number of domains. 0 is the baseline of the same seed."
        if rows["low"].notna().any():
            note += " Error bars: 95% intervals over seeds."
        figure.supxlabel(note, fontsize=8)
        save(figure, path)


def _intervals(axes: Axes, own: pd.DataFrame, ks: list[int], side: float, style: dict[str, Any]) -> None:
    own = own.set_index("k").reindex(ks)
    half = None if own["low"].isna().all() else (own["mean"] - own["low"]).fillna(0.0)
    places = np.arange(len(ks)) + 0.12 * side  # dodged, so that error bars don't hide one another
    axes.errorbar(
        places, own["mean"], half, label=own["strategy"].dropna().iloc[0], markersize=5, capsize=2, **style
    )


def _styles() -> Iterator[dict[str, Any]]:
    """Yield a colour, marker and line for one strategy after another, without end."""
    place = 0
    while True:
        yield {
            "color": COLOURS[place % len(COLOURS)],
            "marker": MARKERS[place % len(MARKERS)],
            "linestyle": LINES[place % len(LINES)],
            "linewidth": 1.2,
        }
        place += 1


def _grid(axes: Axes) -> None:
    plain_frame(axes)
    axes.grid(True, axis="y", color="0.88", linewidth=0.6)
    axes.set_axisbelow(True)
