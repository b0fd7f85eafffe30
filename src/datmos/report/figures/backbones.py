"""Pictures of two backbones side by side (arXiv 2603.16201, Fig. 2)."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datmos.report.figures.diagnostics import BETTER, FONT
from datmos.report.figures.style import draw_bars, drawing, finish_bars, save


def draw_backbones(rows: pd.DataFrame, path: Path) -> None:
    """Draw each strategy's difference to the baseline of its own backbone: a row a metric, a panel an aspect.

    ``rows`` is what `datmos.comparison.summaries.backbone_rows` returns. Error bars are 95% intervals over other
    systems, clips, raters and seeds; a star marks a separable difference.
    """
    aspects = list(rows["aspect"].unique())
    width = max(2.4, 0.5 * rows.groupby("baseline")["strategy"].nunique().sum()) * len(aspects) + 1.8
    with drawing(FONT):
        figure = Figure(figsize=(width, 5.6), layout="constrained")
        grid = figure.subplots(2, len(aspects), sharex=True, sharey="row", squeeze=False)
        for row, (metric, label) in zip(grid, BETTER.items(), strict=True):
            for axes, aspect in zip(row, aspects, strict=True):
                _draw_bars(axes, rows[(rows["metric"] == metric) & (rows["aspect"] == aspect)])
            row[0].set_ylabel(label)
        for axes, aspect in zip(grid[0], aspects, strict=True):
            axes.set_title(aspect)
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", frameon=False, title="Against", handleheight=1.4)
        figure.supxlabel("0 is the baseline of the same backbone. Star: separable from it.", fontsize=8)
        save(figure, path)


def _draw_bars(axes: Axes, rows: pd.DataFrame) -> None:
    place, names = 0.0, []
    for index, (baseline, own) in enumerate(rows.groupby("baseline", sort=False)):
        places = place + np.arange(len(own))
        errors = np.stack([own["difference"] - own["low"], own["high"] - own["difference"]])
        bars = draw_bars(
            axes, places, own["difference"], index, str(baseline), 0.8, np.nan_to_num(errors).clip(min=0)
        )
        axes.bar_label(bars, ["*" if one else "" for one in own["separable"]], fontsize=12)
        names += list(zip(places, own["strategy"], strict=True))
        place = places[-1] + 1.6  # a gap between backbones
    axes.set_xticks([at for at, _ in names], [name for _, name in names], rotation=60, ha="right", fontsize=7)
    finish_bars(axes)
