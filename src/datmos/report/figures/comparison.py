"""All strategies side by side, as bars."""

import math
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datmos.report.figures.style import draw_bars, drawing, finish_bars, save, side_by_side

PANELS = {"mse": "System MSE (lower is better)", "srcc": "System SRCC (higher is better)"}


def draw_comparison(rows: pd.DataFrame, path: Path) -> None:
    """Draw system MSE and SRCC as bars: a group an aspect, a bar a strategy, std over seeds as error bars.

    ``rows`` is what `datmos.comparison.summaries.comparison_rows` returns; other levels and metrics in it are
    ignored. Strategies and aspects keep their order. A NaN mean leaves a gap, a NaN std no error bar.
    """
    rows = rows[rows["level"] == "system"]
    strategies, aspects = list(rows["strategy"].unique()), list(rows["aspect"].unique())
    width = 2.4 + max(0.32 * len(strategies) * len(aspects), 4.0)  # inches: numbers above bars need the room
    with drawing({"hatch.linewidth": 0.6, "font.size": 9}):
        figure = Figure(figsize=(width, 6.0), layout="constrained")
        panels = figure.subplots(len(PANELS), 1, sharex=True)
        for axes, (metric, title) in zip(panels, PANELS.items(), strict=True):
            _draw_bars(axes, rows[rows["metric"] == metric], strategies, aspects)
            axes.set_ylabel(title)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", title="Strategy", handleheight=1.4)
        if rows["std"].notna().any():
            figure.supxlabel("Error bars: standard deviation over seeds", fontsize=8)
        save(figure, path)


def _draw_bars(axes: Axes, rows: pd.DataFrame, strategies: list[str], aspects: list[str]) -> None:
    for series, strategy in enumerate(strategies):
        own = rows[rows["strategy"] == strategy].set_index("aspect").reindex(aspects)
        places, width = side_by_side(len(aspects), series, len(strategies))
        errors = None if own["std"].isna().all() else own["std"].fillna(0.0)
        bars = draw_bars(axes, places, own["mean"], series, strategy, width, errors)
        numbers = ["" if math.isnan(mean) else f"{mean:#.3g}" for mean in own["mean"]]
        axes.bar_label(bars, numbers, padding=3, fontsize=7, rotation=90)
    axes.set_xticks(range(len(aspects)), aspects)
    axes.tick_params(axis="x", length=0)
    axes.margins(x=0.02, y=0.2)  # room for the numbers
    finish_bars(axes)
