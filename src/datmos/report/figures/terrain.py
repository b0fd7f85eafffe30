"""The quality terrain (paper, arXiv 2603.16201, Fig. 4): ratings as heights over the plane that UMAP laid out."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy.spatial import KDTree

from datmos.report.figures.style import drawing, save

SIZE = 60  # points a side
NEIGHBOURS = 15
NEAR = 1.0  # a height is drawn where this many clips, each weighted by the kernel, are near


def quality_surface(coordinates: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth scores over the plane: Nadaraya and Watson's kernel regression, with a Gaussian kernel.

    The bandwidth is the median distance from a clip to its 15th neighbour: clusters far apart, as UMAP lays them
    out, do not widen it.

    Args:
        coordinates: of N clips, shape (N, 2).
        scores: of these clips, shape (N,).

    Returns:
        x and y of the grid, shape (60,) each, and the height, shape (60, 60), by y and x; NaN where there are no
        clips near.
    """
    neighbour = min(NEIGHBOURS, len(coordinates) - 1)
    bandwidth = max(float(np.median(KDTree(coordinates).query(coordinates, neighbour + 1)[0][:, -1])), 1e-9)
    low, high = coordinates.min(axis=0) - bandwidth, coordinates.max(axis=0) + bandwidth
    x, y = (np.linspace(low[axis], high[axis], SIZE) for axis in (0, 1))
    along_x, along_y = (
        np.exp(-0.5 * np.square((grid[:, None] - coordinates[:, axis]) / bandwidth))  # (60, N)
        for axis, grid in enumerate((x, y))
    )
    weight = along_y @ along_x.T
    with np.errstate(invalid="ignore", divide="ignore"):
        height = (along_y * scores) @ along_x.T / weight
    return x, y, np.where(weight >= NEAR, height, np.nan)


def draw_terrain(terrains: Mapping[str, tuple[np.ndarray, np.ndarray]], aspect: str, path: Path) -> None:
    """Draw a terrain a strategy, side by side, with the same heights and colours.

    ``terrains`` has coordinates (N, 2) and scores (N,) of each strategy.
    """
    surfaces = {name: quality_surface(*points) for name, points in terrains.items()}
    heights = np.concatenate([height[np.isfinite(height)] for _, _, height in surfaces.values()])
    scale = Normalize(heights.min(), heights.max())
    with drawing({"font.size": 9}):
        figure = Figure(figsize=(5.2 * len(surfaces) + 1.0, 4.6), layout="constrained")
        for place, (name, (x, y, height)) in enumerate(surfaces.items(), start=1):
            axes = figure.add_subplot(1, len(surfaces), place, projection="3d")
            axes.plot_surface(
                *np.meshgrid(x, y), height, cmap="cividis", norm=scale, rcount=SIZE, ccount=SIZE, linewidth=0
            )
            axes.set(title=name, xlabel="UMAP 1", ylabel="UMAP 2", zlim=(heights.min(), heights.max()))
            axes.set(xticklabels=[], yticklabels=[])
            axes.view_init(elev=38, azim=-60)
        mappable = ScalarMappable(scale, cmap="cividis")
        figure.colorbar(mappable, ax=figure.axes, shrink=0.7, label=f"{aspect} (rating points)")
        save(figure, path)
