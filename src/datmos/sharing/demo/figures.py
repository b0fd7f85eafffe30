"""Pictures of one clip's scores: the aspects with their uncertainty; the time line above the spectrogram."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datmos.report.figures.style import COLOURS, MARKERS, drawing, plain_frame
from datmos.sharing.demo.spectrogram import FLOOR, Spectrogram

FONT = {"font.size": 10, "axes.titlesize": 10}
WIDE = 1.96  # standard deviations: 95% of a Gaussian


def draw_aspects(mean: dict[str, float], std: dict[str, float], scale: tuple[float, float]) -> Figure:
    """Draw each aspect's score as a point with bars: thick one standard deviation, thin the 95% interval."""
    with drawing(FONT):
        figure = Figure(figsize=(6.4, 0.9 + 0.55 * len(mean)), layout="constrained")
        axes = figure.subplots()
        for row, (aspect, value) in enumerate(mean.items()):
            colour = COLOURS[row % len(COLOURS)]
            axes.errorbar(value, row, xerr=WIDE * std[aspect], color=colour, elinewidth=1.4, capsize=4)
            axes.errorbar(value, row, xerr=std[aspect], color=colour, elinewidth=6.0, alpha=0.45)
            axes.plot(value, row, MARKERS[row % len(MARKERS)], color=colour, markersize=9, markeredgecolor="white")
            known = f" ± {std[aspect]:.2f}" if math.isfinite(std[aspect]) else ""  # some models give no spread
            where = axes.get_yaxis_transform()
            axes.text(1.02, row, f"{value:.2f}{known}", va="center", transform=where)
        axes.set(xlim=scale, ylim=(len(mean) - 0.5, -0.5), yticks=range(len(mean)), xlabel="predicted rating")
        axes.set_yticklabels(list(mean))
        axes.xaxis.grid(True, color="0.88", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        plain_frame(axes)
    return figure


def draw_time(
    windows: pd.DataFrame,
    aspects: Sequence[str],
    scale: tuple[float, float],
    spectrogram: Spectrogram,
    heard: float,
) -> Figure:
    """Draw the scores of the windows, a strip an aspect, over the spectrogram, on one time axis.

    Args:
        windows: a row a window: start_s, end_s, <aspect>, <aspect>_std; NaN where it is silent.
        aspects: A of them.
        scale: lowest and highest rating.
        spectrogram: of the same clip.
        heard: highest frequency that the model hears, Hz.
    """
    with drawing(FONT):
        figure = Figure(figsize=(11.0, 2.8 + 0.75 * len(aspects)), layout="constrained")
        heights = [0.75] * len(aspects) + [2.2]
        *strips, picture = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        for place, (axes, aspect) in enumerate(zip(strips, aspects, strict=True)):
            _draw_strip(axes, windows, aspect, COLOURS[place % len(COLOURS)])
            axes.set(ylim=scale, yticks=scale)
        _draw_spectrogram(picture, spectrogram, heard)
        picture.set_xlim(0.0, float(windows["end_s"].max()))
        plural = "s" if len(windows) > 1 else ""
        strips[0].set_title(f"Time line: {len(windows)} window{plural}, bands one standard deviation", loc="left")
        figure.align_ylabels()
    return figure


def _draw_strip(axes: Axes, windows: pd.DataFrame, aspect: str, colour: str) -> None:
    edges = [*windows["start_s"], windows["end_s"].iloc[-1]]
    mean, std = windows[aspect].to_numpy(), windows[f"{aspect}_std"].to_numpy()
    low, high = (np.append(bound, bound[-1]) for bound in (mean - std, mean + std))
    axes.fill_between(edges, low, high, step="post", color=colour, alpha=0.25, linewidth=0)
    axes.stairs(mean, edges, baseline=None, color=colour, linewidth=1.8)
    axes.set_ylabel(aspect, rotation=0, ha="right", va="center")
    axes.yaxis.grid(True, color="0.88", linewidth=0.6)
    axes.tick_params(axis="x", length=0)
    plain_frame(axes)


def _draw_spectrogram(axes: Axes, spectrogram: Spectrogram, heard: float) -> None:
    decibels, step, nyquist = spectrogram
    extent = (0.0, decibels.shape[1] * step, 0.0, nyquist / 1000)
    image = axes.imshow(
        decibels,
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap="magma",
        vmin=-FLOOR,
        vmax=0.0,
        interpolation="nearest",
    )
    axes.set_facecolor("black")  # the last windows end before the file does
    if heard < nyquist:
        axes.axhline(heard / 1000, color="white", linestyle="--", linewidth=1.0)
        where = axes.get_yaxis_transform()
        axes.text(0.005, heard / 1000, "the model hears what is below", color="white", va="bottom", transform=where)
    axes.set(ylabel="frequency, kHz", xlabel="time, s")
    axes.set_title("Spectrogram", loc="left")
    axes.figure.colorbar(image, ax=axes, label="dB", pad=0.01, fraction=0.08)
