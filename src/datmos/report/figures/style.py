"""Pictures for reports: strategies compared, and what an encoder's h looks like.

Colours are Okabe and Ito's, which people with colour-blindness tell apart; hatches and markers carry the same
information in greyscale print. `matplotlib.figure.Figure` without pyplot needs no display and keeps no state;
a PNG's bytes depend on its data and matplotlib's version alone.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datmos.core.errors import DatmosError
from datmos.core.files import replacing

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442")
# both lists are coprime in length to the colours: a pair comes again only after 7 x 8 or 7 x 10 names
HATCHES = ("", "//", "..", "xx", "\\\\", "--", "oo", "||")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
PANELS = {"mse": "System MSE (lower is better)", "srcc": "System SRCC (higher is better)"}
DPI = 150


def draw_comparison(rows: pd.DataFrame, path: Path) -> None:
    """Draw system MSE and SRCC as bars: a group an aspect, a bar a strategy, std over seeds as error bars.

    ``rows`` is what `datmos.comparison.differences.comparison_rows` returns; other levels and metrics in it are
    ignored. Strategies and aspects keep their order. A NaN mean leaves a gap, a NaN std no error bar.
    """
    rows = rows[rows["level"] == "system"]
    strategies, aspects = list(rows["strategy"].unique()), list(rows["aspect"].unique())
    width = 2.4 + max(0.32 * len(strategies) * len(aspects), 4.0)  # inches: numbers above bars need the room
    with matplotlib.rc_context({"hatch.linewidth": 0.6, "font.size": 9}):
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
    width = 0.84 / len(strategies)
    for place, strategy in enumerate(strategies):
        own = rows[rows["strategy"] == strategy].set_index("aspect").reindex(aspects)
        bars = axes.bar(
            np.arange(len(aspects)) + (place - (len(strategies) - 1) / 2) * width,
            own["mean"],
            width,
            yerr=None if own["std"].isna().all() else own["std"].fillna(0.0),
            error_kw={"elinewidth": 0.9, "capsize": 2},
            color=COLOURS[place % len(COLOURS)],
            hatch=HATCHES[place % len(HATCHES)],
            edgecolor="black",
            linewidth=0.6,
            label=strategy,
        )
        numbers = ["" if math.isnan(mean) else f"{mean:#.3g}" for mean in own["mean"]]
        axes.bar_label(bars, numbers, padding=3, fontsize=7, rotation=90)
    axes.set_xticks(range(len(aspects)), aspects)
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.tick_params(axis="x", length=0)
    axes.margins(x=0.02, y=0.2)  # room for the numbers
    plain_frame(axes)
    axes.yaxis.grid(True, color="0.88", linewidth=0.6)
    axes.set_axisbelow(True)


def umap_coordinates(h: np.ndarray, neighbors: int, seed: int) -> np.ndarray:
    """Lay flattened encoder outputs ``h`` of shape (N, H) out in the plane with UMAP; returns (N, 2) float32.

    The same ``h`` and ``seed`` give the same coordinates. They have no unit, and far distances no meaning.

    Raises `DatmosError` if N is not larger than ``neighbors``.
    """
    if len(h) <= neighbors:
        raise DatmosError(
            f"umap.neighbors: {neighbors} neighbours need at least {neighbors + 1} clips, found {len(h)}. "
            f"Set umap.neighbors to {max(2, len(h) - 1)} or less, or use more clips."
        )
    import umap  # here, since its first import compiles for half a minute

    # one thread is what a fixed random_state means to UMAP, which warns if n_jobs leaves that unsaid
    layout = umap.UMAP(n_components=2, n_neighbors=neighbors, random_state=seed, n_jobs=1)
    return np.asarray(layout.fit_transform(np.asarray(h, np.float32)), np.float32)


def draw_embedding(
    coordinates: np.ndarray, sources: Sequence[str], scores: np.ndarray, aspect: str, title: str, path: Path
) -> None:
    """Draw points at ``coordinates`` (N, 2) twice: coloured by source, and by score on the rating scale.

    Shows whether h groups clips by quality or by where they come from: what adversarial training (arXiv
    2603.16201) is meant to change. ``sources`` and ``scores`` have N entries; an empty source is named "(none)".
    """
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(11.0, 4.6), layout="constrained")
        by_source, by_score = figure.subplots(1, 2, sharex=True, sharey=True)
        _draw_sources(by_source, coordinates, np.array([source or "(none)" for source in sources]))
        points = by_score.scatter(
            coordinates[:, 0], coordinates[:, 1], c=scores, cmap="viridis", s=_size(len(scores)), linewidths=0
        )
        figure.colorbar(points, ax=by_score, label=f"{aspect} (rating)")
        by_score.set_title(f"by {aspect}")
        for axes in (by_source, by_score):
            axes.set(xticks=[], yticks=[], xlabel="UMAP 1", ylabel="UMAP 2")
            plain_frame(axes)
        figure.suptitle(title)
        save(figure, path)


def _draw_sources(axes: Axes, coordinates: np.ndarray, sources: np.ndarray) -> None:
    names = sorted(set(sources))
    for place, name in enumerate(names):
        own = coordinates[sources == name]
        axes.scatter(
            own[:, 0],
            own[:, 1],
            color=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            s=_size(len(sources)),
            edgecolors="black",
            linewidths=0.25,
            label=name,
        )
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        ncols=math.ceil(len(names) / 20),
        frameon=False,
        markerscale=math.sqrt(30 / _size(len(sources))),
    )
    axes.set_title("by source")


def _size(points: int) -> float:
    """Marker area in points^2: small enough that thousands of clips don't cover one another."""
    return float(np.clip(6000 / points, 6, 30))


def plain_frame(axes: Axes) -> None:
    """Take away the frame's top and right side."""
    axes.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG whose bytes depend on the figure alone."""
    with replacing(path) as temporary:
        # the format is named since the temporary name ends otherwise; no version of the software in the file
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
