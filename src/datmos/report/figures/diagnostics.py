"""Pictures behind the comparison: training, calibration, errors by category, clusters, and the K ablation.

Panels that are compared have the same axes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from datmos.report.figures.style import (
    MARKERS,
    Looks,
    drawing,
    legend_name,
    name_rows,
    plain_frame,
    rows_size,
    save,
)

MOST = 98  # percent of the losses that are in the picture
LEGEND: dict[str, Any] = {"loc": "outside right upper", "frameon": False}
FONT: dict[Any, Any] = {"font.size": 9}
BETTER = {"mse": "MSE, difference\n(below 0 is better)", "srcc": "SRCC, difference\n(above 0 is better)"}


def draw_training(curves: Mapping[str, pd.DataFrame], looks: Looks, path: Path, unit: str = "nats a clip") -> None:
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
            for name, table in curves.items():
                style = looks[name].of_line()
                axes.plot(table["epoch"], table[column], label=name, markevery=5, markersize=4, **style)
            axes.set(title=title, xlabel="epoch", ylabel=unit)
            _grid(axes)
        losses = np.concatenate(
            [table[["task_loss", "validation_loss"]].to_numpy().ravel() for table in curves.values()]
        )
        # a batch that went astray in one epoch must not flatten all the others
        low, high = np.nanpercentile(losses, [0, MOST])
        margin = 0.1 * (high - low) or 1.0
        panels[0].set_ylim(low - margin, high + margin)
        panels[2].set(ylabel="share of train clips", ylim=(0, 1))
        if tuned:
            panels[3].set(ylabel="Euclidean norm")
        figure.legend(*panels[0].get_legend_handles_labels(), title="Strategy", **LEGEND)
        figure.supxlabel("At lambda 0 the domain classifier only watches: nothing flows back from it.", fontsize=8)
        save(figure, path)


def draw_calibration(curves: Mapping[str, pd.DataFrame], aspects: Sequence[str], looks: Looks, path: Path) -> None:
    """Draw the share of eval clips inside central intervals against the share that should be: a panel an aspect.

    ``curves`` has a table a strategy: nominal and a column an aspect, both 0 to 1.
    """
    with drawing(FONT):
        figure = Figure(figsize=(2.9 * len(aspects) + 1.6, 3.4), layout="constrained")
        panels = figure.subplots(1, len(aspects), sharex=True, sharey=True, squeeze=False)[0]
        for axes, aspect in zip(panels, aspects, strict=True):
            axes.plot([0, 1], [0, 1], color="0.6", linewidth=3, zorder=0, label="perfect")
            for name, table in curves.items():
                style = looks[name].of_line()
                axes.plot(table["nominal"], table[aspect], label=name, markevery=4, markersize=4, **style)
            axes.set(title=aspect, xlim=(0, 1), ylim=(0, 1), aspect="equal")
            axes.text(0.97, 0.04, "intervals\ntoo narrow", ha="right", fontsize=8, color="0.35")
            _grid(axes)
        panels[0].set_ylabel("share of clips inside")
        figure.legend(*panels[0].get_legend_handles_labels(), title="Strategy", **LEGEND)
        figure.supxlabel("share that the interval should hold", fontsize=9)
        save(figure, path)


def draw_errors(rows: pd.DataFrame, blocks: Sequence[Sequence[str]], looks: Looks, path: Path) -> None:
    """Draw MSE and bias (mean signed error) among the systems of each category: a row a strategy.

    ``rows`` is what `datmos.comparison.summaries.comparison_rows` returns; ``blocks`` has its strategies.
    """
    rows = rows[rows["level"].str.startswith("system within ") & rows["metric"].isin(["mse", "bias"])]
    rows = rows.assign(category=rows["level"].str.removeprefix("system within "))
    aspects, categories = list(rows["aspect"].unique()), sorted(rows["category"].unique())
    labels = {"mse": "MSE (0 is best)", "bias": "bias, rating points (0 is best)"}
    with drawing(FONT):
        width, height = rows_size(len(aspects), blocks)
        figure = Figure(figsize=(width + 1.6, 2 * (height + 0.7) + 0.6), layout="constrained")
        grid = figure.subplots(2, len(aspects), sharex="row", sharey=True, squeeze=False)
        for line, (metric, label) in zip(grid, labels.items(), strict=True):
            for axes, aspect in zip(line, aspects, strict=True):
                heights = name_rows(axes, blocks)
                axes.axvline(0.0, color="black", linewidth=0.8)
                axes.set_xlabel(label)
                own = rows[(rows["metric"] == metric) & (rows["aspect"] == aspect)]
                for name, category, value in own[["strategy", "category", "mean"]].itertuples(index=False):
                    marker = MARKERS[categories.index(category) % len(MARKERS)]
                    axes.plot(value, heights[name], marker, color=looks[name].colour, markersize=4.5, alpha=0.85)
        for axes, aspect in zip(grid[0], aspects, strict=True):
            axes.set_title(aspect)
        shapes = [
            Line2D(
                [],
                [],
                marker=MARKERS[place % len(MARKERS)],
                color="black",
                linestyle="",
                label=legend_name(category),
            )
            for place, category in enumerate(categories)
        ]
        figure.legend(handles=shapes, loc="outside lower center", ncols=len(shapes), frameon=False)
        save(figure, path)


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


def draw_granularity(rows: pd.DataFrame, looks: Looks, path: Path) -> None:
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
                for place, name in enumerate(strategies):
                    side, style = place - (len(strategies) - 1) / 2, looks[name].of_line()
                    _intervals(axes, own[own["strategy"] == name], ks, side, style)
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


def _grid(axes: Axes) -> None:
    plain_frame(axes)
    axes.grid(True, axis="y", color="0.88", linewidth=0.6)
    axes.set_axisbelow(True)
