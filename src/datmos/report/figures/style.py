"""What all pictures share: colours, frames, bars, and how they are saved.

Colours are Okabe and Ito's, which people with colour-blindness tell apart; hatches and markers carry the same
information in greyscale print. `matplotlib.figure.Figure` without pyplot needs no display and keeps no state;
a PNG's bytes depend on its data and matplotlib's version alone.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from datmos.core.files import replacing

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442")
# both lists are coprime in length to the colours: a pair comes again only after 7 x 8 or 7 x 10 names
HATCHES = ("", "//", "..", "xx", "\\\\", "--", "oo", "||")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
DPI = 150


def drawing(settings: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Return a context with settings of matplotlib, in which a name with a $ is no formula."""
    together: dict[Any, Any] = {"text.parse_math": False, **settings}
    return matplotlib.rc_context(together)


def draw_bars(
    axes: Axes, places: np.ndarray, heights: Any, series: int, label: str, width: float, errors: Any = None
) -> BarContainer:
    """Draw the bars of one series at ``places``; ``errors`` as `Axes.bar` takes them, None for none."""
    return axes.bar(
        places,
        heights,
        width,
        yerr=errors,
        error_kw={"elinewidth": 0.9, "capsize": 2},
        color=COLOURS[series % len(COLOURS)],
        hatch=HATCHES[series % len(HATCHES)],
        edgecolor="black",
        linewidth=0.6,
        label=label,
    )


def side_by_side(groups: int, series: int, of: int) -> tuple[np.ndarray, float]:
    """Return places and width of the bars of one series out of ``of``, a bar in each of the groups 0, 1, ..."""
    width = 0.84 / of
    return np.arange(groups) + (series - (of - 1) / 2) * width, width


def finish_bars(axes: Axes) -> None:
    """Draw the zero line, horizontal rules, and no frame above and to the right."""
    axes.axhline(0.0, color="black", linewidth=0.8)
    plain_frame(axes)
    axes.yaxis.grid(True, color="0.88", linewidth=0.6)
    axes.set_axisbelow(True)


def plain_frame(axes: Axes) -> None:
    """Take away the frame's top and right side."""
    axes.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG whose bytes depend on the figure alone."""
    with replacing(path) as temporary:
        # the format is named since the temporary name ends otherwise; no version of the software in the file
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
