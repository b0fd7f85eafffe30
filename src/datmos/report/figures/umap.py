"""What h looks like in the plane (UMAP)."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datmos.core.errors import DatmosError
from datmos.report.figures.style import COLOURS, MARKERS, drawing, legend_name, plain_frame, save


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
    with drawing({"font.size": 9}):
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
            label=legend_name(name),
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
