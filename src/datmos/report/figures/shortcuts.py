"""Pictures of a shortcut: what is planted in the scores, and what a signature alone does to predictions."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datmos.evaluation.agreement import system_means
from datmos.report.figures.style import COLOURS, MARKERS, drawing, plain_frame, save

PANEL = (5.2, 3.4)  # inches
WIDE = 8.0  # inches: panels wider than this stand below one another
DODGE = 0.09  # between strategies, where 1 is the way from source to source


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


def draw_signature_offsets(rows: pd.DataFrame, source_means: pd.DataFrame, path: Path) -> None:
    """Draw, an aspect a panel, how far predictions of the same content move under each source's signature.

    ``rows`` is what `datmos.comparison.summaries.comparison_rows` returns. ``source_means`` has a row a source
    and a column an aspect: its mean train score minus the mean over sources. A strategy whose line follows that
    grey line has learned the shortcut from source to score; on the zero line it ignores the signature. All in
    rating points; error bars are the standard deviation over seeds. Without counterfactual clips the picture says
    so.
    """
    rows = rows[(rows["metric"] == "offset") & rows["level"].str.startswith("signature ")]
    rows = rows.assign(source=lambda r: r["level"].str.removeprefix("signature "))
    with drawing({"font.size": 9}):
        if rows.empty:
            figure = Figure(figsize=PANEL, layout="constrained")
            figure.text(0.5, 0.5, "no counterfactual clips in this dataset", ha="center", va="center")
            save(figure, path)
            return
        known = source_means.loc[[source for source in source_means.index if source in set(rows["source"])]]
        aspects = list(rows["aspect"].unique())
        figure, panels = _panels(len(aspects), max(PANEL[0], 0.45 * len(known)))
        for axes, aspect in zip(panels, aspects, strict=True):
            _draw_offsets(axes, rows[rows["aspect"] == aspect], known[aspect].sort_values(kind="stable"))
            axes.set_title(aspect)
            axes.set_ylabel("offset (rating points)")
        figure.set_figwidth(figure.get_figwidth() + 1.8)  # room for the legend
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
        figure.suptitle("The same content under each source's signature:\nhow far the prediction moves")
        if rows["std"].notna().any():
            figure.supxlabel("Error bars: standard deviation over seeds", fontsize=8)
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


def _draw_offsets(axes: Axes, rows: pd.DataFrame, planted: pd.Series) -> None:
    axes.axhline(0.0, color="black", linewidth=0.8, label="a predictor that\nignores signatures")
    axes.plot(planted.to_numpy(), color="0.7", linewidth=4, zorder=1, label="mean train score\nof the source")
    strategies = list(rows["strategy"].unique())
    step = min(DODGE, 0.7 / max(1, len(strategies)))  # never as far as the next source
    for place, strategy in enumerate(strategies):
        own = rows[rows["strategy"] == strategy].set_index("source").reindex(planted.index)
        axes.errorbar(
            np.arange(len(own)) + step * (place - (len(strategies) - 1) / 2),  # side by side, not on one another
            own["mean"],
            yerr=None if own["std"].isna().all() else own["std"].fillna(0.0),
            color=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            markersize=4,
            linewidth=1,
            elinewidth=0.8,
            label=strategy,
        )
    _name_places(axes, list(planted.index))


def _name_places(axes: Axes, names: list[str]) -> None:
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.yaxis.grid(True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    plain_frame(axes)
