"""Pictures of a shortcut: what is planted in the scores, and what a signature alone does to predictions."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datmos.evaluation.agreement import system_means
from datmos.report.figures.style import COLOURS, Looks, drawing, name_rows, plain_frame, rows_size, save

PANEL = (5.2, 3.4)  # inches
WIDE = 8.0  # inches: panels wider than this stand below one another


def draw_planted(manifest: pd.DataFrame, aspects: Sequence[str], path: Path) -> None:
    """Draw, an aspect a panel, train scores by source beside eval scores of systems by category.

    Where boxes on the left differ, the source predicts the score; a model that uses that fails where those on the
    right do not. Scores are mean ratings on the rating scale; a box spans the quartiles, its line is the median,
    whiskers reach 1.5 times the box's height. On the left a value is a clip's score; on the right it is a system's
    mean over its clips, and each is drawn as a point. NaN scores are left out.

    ``manifest`` needs the columns split, category, source, system and the aspects.
    """
    train = manifest[manifest["split"] == "train"].sort_values(["category", "source"], kind="stable")
    evaluated = manifest[manifest["split"] == "eval"]
    sources, categories = list(train["source"].unique()), sorted(evaluated["category"].unique())
    width = max(PANEL[0], 0.34 * (len(sources) + len(categories)))
    with drawing({"font.size": 9}):
        figure, panels = _panels(len(aspects), width)
        for axes, aspect in zip(panels, aspects, strict=True):
            scores = [train.loc[train["source"] == source, aspect].dropna().to_numpy() for source in sources]
            systems = [
                system_means(evaluated[evaluated["category"] == category], [aspect])[aspect].dropna().to_numpy()
                for category in categories
            ]
            _draw_boxes(axes, [*scores, *systems], [*sources, *categories], boundary=len(sources))
            for place, values in enumerate(systems, start=len(sources)):
                spots = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else np.zeros(len(values))
                axes.plot(place + spots, values, "o", color="black", markersize=2.5, zorder=3)
            axes.set_title(aspect)
            axes.set_ylabel("rating")
        figure.suptitle("Scores of train clips by source (left)\nand of eval systems by category (right)")
        save(figure, path)


def draw_slopes(rows: pd.DataFrame, blocks: Sequence[Sequence[str]], looks: Looks, path: Path) -> None:
    """Draw, an aspect a panel, how far a prediction follows a source's signature alone (``shortcut_slope``).

    0: the same content gets the same prediction under every source's signature. 1: the prediction moves by as much
    as the mean train scores of the sources differ. Without counterfactual clips the picture says so.

    Args:
        rows: what `datmos.comparison.summaries.comparison_rows` returns.
        blocks: the strategies, in blocks with a line between them.
        looks: of the strategies.
        path: PNG to write.
    """
    rows = rows[rows["metric"] == "shortcut_slope"]
    with drawing({"font.size": 8.5}):
        if rows.empty:
            figure = Figure(figsize=PANEL, layout="constrained")
            figure.text(0.5, 0.5, "no counterfactual clips in this dataset", ha="center", va="center")
            save(figure, path)
            return
        aspects = list(rows["aspect"].unique())
        width, height = rows_size(len(aspects), blocks)
        figure = Figure(figsize=(width + 1.5, height + 1.0), layout="constrained")
        panels = figure.subplots(1, len(aspects), sharex=True, sharey=True, squeeze=False)[0]
        for axes, aspect in zip(panels, aspects, strict=True):
            heights = name_rows(axes, blocks)
            axes.axvline(0.0, color="black", linewidth=0.8)
            row: Any
            for row in rows[rows["aspect"] == aspect].itertuples():
                look, spread = looks[row.strategy], 0.0 if math.isnan(row.std) else row.std
                axes.errorbar(
                    row.mean, heights[row.strategy], xerr=spread or None, color=look.colour, marker=look.marker,
                    markersize=4.5, linewidth=1.2,
                )  # fmt: skip
            axes.set_title(aspect)
            axes.set_xlabel("slope")
        note = "0: predictions ignore the source's signature. 1: they follow its mean train score."
        if rows["std"].notna().any():
            note += " Bars: standard deviation over seeds."
        figure.supxlabel(note, fontsize=8)
        save(figure, path)


def _panels(count: int, width: float) -> tuple[Figure, list[Axes]]:
    columns = min(count, 2) if width <= WIDE else 1
    lines = math.ceil(count / columns)
    figure = Figure(figsize=(columns * width, lines * PANEL[1]), layout="constrained")
    grid = np.ravel(figure.subplots(lines, columns, squeeze=False))
    for spare in grid[count:]:
        spare.remove()
    return figure, list(grid[:count])


def _draw_boxes(axes: Axes, values: list[np.ndarray], names: list[str], boundary: int) -> None:
    boxes = axes.boxplot(
        values,
        positions=range(len(values)),
        widths=0.6,
        patch_artist=True,
        medianprops={"color": "black"},
        flierprops={"markersize": 2, "markeredgewidth": 0.4},
    )
    for place, box in enumerate(boxes["boxes"]):
        box.set(facecolor=COLOURS[0] if place < boundary else COLOURS[1], alpha=0.6)
    for outliers in boxes["fliers"][boundary:]:
        outliers.set_visible(False)  # every system is drawn as a point
    axes.axvline(boundary - 0.5, color="0.4", linewidth=0.8, linestyle="--")
    _name_places(axes, names)


def _name_places(axes: Axes, names: list[str]) -> None:
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.yaxis.grid(True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    plain_frame(axes)
