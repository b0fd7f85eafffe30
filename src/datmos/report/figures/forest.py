"""Differences from the baseline with their intervals: a row a strategy, a panel an aspect and metric."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from datmos.report.figures.style import Looks, drawing, name_rows, rows_size, save

METRICS = {"srcc": "SRCC, difference (right is better)", "mse": "MSE, difference (left is better)"}
BAND = "0.9"


def draw_forest(
    rows: pd.DataFrame,
    blocks: Sequence[Sequence[str]],
    ceilings: Mapping[tuple[str, str], float],
    looks: Looks,
    path: Path,
) -> None:
    """Draw differences of system-level MSE and SRCC from the baseline.

    A difference that lies outside of a panel is an arrow at its edge, with the number.

    Args:
        rows: what `datmos.comparison.summaries.difference_rows` returns.
        blocks: the strategies, in blocks with a line between them.
        ceilings: by aspect and metric, how far the noise ceiling is from the baseline; NaN or none: not drawn.
        looks: of the strategies.
        path: PNG to write.
    """
    aspects = list(rows["aspect"].unique())
    width, height = rows_size(len(aspects), blocks)
    with drawing({"font.size": 8.5}):
        figure = Figure(figsize=(width + 1.5, 2 * (height + 0.55) + 0.7), layout="constrained")
        grid = figure.subplots(2, len(aspects), sharex="row", sharey=True, squeeze=False)
        for line, (metric, title) in zip(grid, METRICS.items(), strict=True):
            own = rows[rows["metric"] == metric]
            reach = _reach(own[own["strategy"].isin(blocks[0])], [ceilings.get((one, metric)) for one in aspects])
            for axes, aspect in zip(line, aspects, strict=True):
                places = name_rows(axes, blocks)
                axes.set(xlim=(-reach, reach), xlabel=title)
                ceiling = ceilings.get((aspect, metric), np.nan)
                _draw_panel(axes, own[own["aspect"] == aspect], places, ceiling, looks)
        for axes, aspect in zip(grid[0], aspects, strict=True):
            axes.set_title(aspect)
        figure.legend(handles=_legend(bool(ceilings)), loc="outside lower center", ncols=3, frameon=False)
        save(figure, path)


def _reach(rows: pd.DataFrame, ceilings: Sequence[float | None]) -> float:
    """Return how far a panel reaches to both sides: to the noise ceiling, or to the first block's intervals."""
    known = np.array([one for one in ceilings if one is not None], float)
    known = known[np.isfinite(known)]
    if not len(known):
        known = rows[["difference", "low", "high"]].to_numpy(float).ravel()
        known = known[np.isfinite(known)]
    return 1.08 * float(np.abs(known).max(initial=0.0)) or 1.0


def _draw_panel(axes: Axes, rows: pd.DataFrame, places: Mapping[str, float], ceiling: float, looks: Looks) -> None:
    reach = axes.get_xlim()[1]
    detectable = rows["detectable"].median()
    if np.isfinite(detectable):
        axes.axvspan(-min(detectable, reach), min(detectable, reach), color=BAND, zorder=0)
    axes.axvline(0.0, color="black", linewidth=0.8)
    if np.isfinite(ceiling):
        axes.axvline(ceiling, color="black", linewidth=0.8, linestyle=":")
    row: Any
    for row in rows.itertuples():
        if row.strategy not in places or not np.isfinite(row.difference):
            continue
        look, height = looks[row.strategy], places[row.strategy]
        if abs(row.difference) > reach:
            side = float(np.sign(row.difference))
            axes.annotate(
                f"{row.difference:+.2g}", (side * reach, height), (side * 0.8 * reach, height),
                arrowprops={"arrowstyle": "->", "color": look.colour}, color=look.colour, fontsize=7,
                va="center", ha="right" if side > 0 else "left",
            )  # fmt: skip
            continue
        axes.plot(np.clip([row.low, row.high], -reach, reach), [height] * 2, color=look.colour, linewidth=1.2)
        axes.plot(
            row.difference, height, marker=look.marker, markersize=4.5, color=look.colour,
            markerfacecolor=look.colour if row.separable else "white", zorder=3,
        )  # fmt: skip
        if np.isfinite(row.ensemble) and abs(row.ensemble) <= reach and row.ensemble != row.difference:
            axes.plot(row.ensemble, height, "|", color=look.colour, markersize=8, markeredgewidth=1.4, zorder=4)


def _legend(with_ceiling: bool) -> list[Line2D | Patch]:
    black: dict[str, Any] = {"color": "black", "markersize": 4.5, "linewidth": 1.2}
    handles: list[Line2D | Patch] = [
        Line2D([], [], marker="o", label="mean over seeds, 95% interval: separable from the baseline", **black),
        Line2D([], [], marker="o", markerfacecolor="white", label="not separable", **black),
        Line2D([], [], marker="|", color="black", markersize=8, linestyle="", label="ensemble of the seeds"),
        Patch(color=BAND, label="too small to be detected here"),
    ]
    if with_ceiling:
        handles.append(Line2D([], [], color="black", linewidth=0.8, linestyle=":", label="noise ceiling"))
    return handles
