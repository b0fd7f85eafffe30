"""What all pictures share: how a strategy looks, rows of strategies, frames, and how they are saved.

Colours are Okabe and Ito's, which people with colour-blindness tell apart. Markers and lines carry the same
information in greyscale print. `matplotlib.figure.Figure` without pyplot needs no display and keeps no state;
a PNG's bytes depend on its data and matplotlib's version alone.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datmos.core.files import replacing

# in place of Okabe and Ito's yellow, which is faint on white: Tol's wine
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#882255")
# these lists are coprime in length to the colours: a look comes again only after 7 x 10 x 4 names
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
LINES = ("-", "--", "-.", ":")
GREY = "0.5"  # of predictors that were not trained here
DPI = 150
ROW, PANEL = 0.19, 2.3  # inches: height of a row, width of a panel that has rows


class Look(NamedTuple):
    """What a strategy is drawn with, in every picture."""

    colour: str
    marker: str
    line: str

    def of_line(self) -> dict[str, Any]:
        """Return it as `Axes.plot` takes it."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.line, "linewidth": 1.2}


Looks = Mapping[str, Look]


def make_looks(baseline: str, trained: Sequence[str], untrained: Sequence[str]) -> dict[str, Look]:
    """Give every predictor of a run its look: the baseline is black, what was not trained here is grey."""
    others = [name for name in trained if name != baseline]
    looks = {baseline: Look("black", "o", "-")}
    for place, name in enumerate(others):
        looks[name] = Look(*(every[place % len(every)] for every in (COLOURS, MARKERS, LINES)))
    for place, name in enumerate(untrained):
        looks[name] = Look(GREY, MARKERS[place % len(MARKERS)], LINES[place % len(LINES)])
    return looks


def legend_name(name: str) -> str:
    """Return a name for a legend, which leaves out those that begin with an underscore."""
    return f"\u200a{name}" if name.startswith("_") else name


def drawing(settings: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Return a context with settings of matplotlib, in which a name with a $ is no formula."""
    together: dict[Any, Any] = {"text.parse_math": False, **settings}
    return matplotlib.rc_context(together)


def rows_size(panels: int, blocks: Sequence[Sequence[str]]) -> tuple[float, float]:
    """Return width and height, in inches and without margins, of panels side by side that have `name_rows`."""
    return PANEL * panels, ROW * sum(len(block) + 0.6 for block in blocks)


def name_rows(axes: Axes, blocks: Sequence[Sequence[str]]) -> dict[str, float]:
    """Give every name a row, from the top; returns its height. There is a gap and a line between two blocks."""
    heights: dict[str, float] = {}
    height = 0.0
    for block in (block for block in blocks if block):
        if heights:
            axes.axhline(height - 0.2, color="0.6", linewidth=0.6)
            height += 0.6
        for name in block:
            heights[name] = height
            height += 1.0
    axes.set_yticks(list(heights.values()), list(heights))
    axes.set_ylim(height - 0.3, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="y", color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    plain_frame(axes)
    return heights


def plain_frame(axes: Axes) -> None:
    """Take away the frame's top and right side."""
    axes.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG whose bytes depend on the figure alone."""
    with replacing(path) as temporary:
        # the format is named since the temporary name ends otherwise; no version of the software in the file
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
