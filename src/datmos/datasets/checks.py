"""Ratings that no run can learn from: off the scale, or all the same."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from datmos.core.errors import DatmosError, listing

# Further off the scale than this part of its width is another scale. Listeners of AES-Natural, asked for 1 to 10,
# gave 60,100 ratings for an aspect; up to 2,700 of them are 0, and means go down to 0.7.
MEAN, SINGLE = 0.1, 0.25
SCALES = ((0, 1), (1, 5), (0, 5), (1, 7), (1, 10), (0, 10), (0, 100))  # that listeners are usually given


def rating_problems(clips: pd.DataFrame, aspects: Sequence[str], scale: tuple[float, float]) -> Iterator[str]:
    """Say what is wrong with ratings, a sentence for each aspect and fault.

    Args:
        clips: what a dataset lists.
        aspects: to look at.
        scale: lowest and highest rating, ``data.scale``.
    """
    for aspect in aspects:
        yield from _off_scale(clips, aspect, scale)
        train = clips.loc[clips["split"] == "train", aspect].dropna()
        if len(train) > 1 and train.nunique() == 1:
            yield f"{aspect}: all train ratings are {train.iloc[0]:g}; there is nothing to learn"


def check_ratings(clips: pd.DataFrame, aspects: Sequence[str], scale: tuple[float, float], root: Path) -> None:
    """Refuse the ratings of the dataset in ``root`` that have `rating_problems`.

    Raises:
        DatmosError: all of them.
    """
    if problems := list(rating_problems(clips, aspects, scale)):
        raise DatmosError(f"{root}: " + "\n  ".join(problems))


def _off_scale(clips: pd.DataFrame, aspect: str, scale: tuple[float, float]) -> Iterator[str]:
    single = clips[f"{aspect}_ratings"].map(lambda own: own or [np.nan])
    means, lows, highs = (one.astype(float) for one in (clips[aspect], single.map(min), single.map(max)))
    width = scale[1] - scale[0]
    off = _beyond(means, means, scale, MEAN * width) | _beyond(lows, highs, scale, SINGLE * width)
    if not off.any():
        return
    low, high = float(np.fmin(means, lows).min()), float(np.fmax(means, highs).max())
    rows = [f"{path}: {rating:g}" for path, rating in clips.loc[off, ["path", aspect]].itertuples(index=False)]
    fitting = next((one for one in SCALES if one[0] <= low and high <= one[1]), None)
    advice = f"Set data.scale to {list(fitting)}?" if fitting else "Set data.scale to the scale of your ratings."
    yield (
        f"{aspect}: {int(off.sum())} of {len(clips)} clips have ratings outside data.scale {[*scale]}, "
        f"from {low:g} to {high:g}. {advice}\n  " + listing(rows, "\n  ")
    )


def _beyond(lows: pd.Series, highs: pd.Series, scale: tuple[float, float], margin: float) -> pd.Series:
    return (lows < scale[0] - margin) | (highs > scale[1] + margin)
