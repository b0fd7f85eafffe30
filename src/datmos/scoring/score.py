"""What a scorer gives for a clip."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from datmos.audio.blocks import Blocks
from datmos.audio.open_file import FileFacts
from datmos.core.errors import printable
from datmos.scoring.band_limit import DOUBTFUL
from datmos.scoring.model import WindowModel, judge
from datmos.scoring.windows import Windows, combine, shares

FAR = 99.0  # a clip farther from the train clips than this percentage of the validation clips is warned of


class Failure(NamedTuple):
    """A clip that can't be scored."""

    path: str | None
    error: str
    file: FileFacts | None = None  # that was opened


@dataclass(frozen=True)
class Score:
    """The predicted scores of one clip, in rating points; print it, or take what you need.

    Attributes:
        path: as it was given; None for samples.
        aspects: names of the scores.
        mean, std: by aspect; std is the predicted uncertainty, one standard deviation (NaN: the model knows none).
        covariance: of all aspects, (A, A), in the order of ``aspects``.
        seconds: of audio.
        windows: one row a window: start_s, end_s, weight (its share of the clip, sum 1), <aspect>, <aspect>_std,
            distance. A window without sound has weight 0 and no scores (NaN).
        distance: from the train clips (`datmos.heads.familiarity`), mean over the windows; None if the model does
            not know them.
        percentile: how many of the model's validation clips are no farther away, in percent.
        band_limit: Hz; above it the clip has no sound, as far as the model listens.
        warnings: why the score may be doubtful, as sentences.
        file: size and time of the last change of the file when it was opened; None for samples.
    """

    path: str | None
    aspects: list[str]
    mean: dict[str, float]
    std: dict[str, float]
    covariance: np.ndarray = field(repr=False)
    seconds: float
    windows: pd.DataFrame = field(repr=False)
    distance: float | None
    percentile: float | None
    band_limit: float
    warnings: list[str]
    file: FileFacts | None = field(repr=False)

    def __str__(self) -> str:
        """Return the scores with their standard deviations in one line, and each warning in one more."""
        scores = "  ".join(f"{aspect} {self.mean[aspect]:.2f}{self._spread(aspect)}" for aspect in self.aspects)
        name = f"{printable(self.path)}: " if self.path is not None else ""
        return "\n".join(
            [f"{name}{scores}  ({self.seconds:.1f} s)", *(f"  warning: {text}" for text in self.warnings)]
        )

    def _spread(self, aspect: str) -> str:
        return "" if np.isnan(self.std[aspect]) else f" ± {self.std[aspect]:.2f}"

    def per_second(self) -> pd.DataFrame:
        """Return a time line: second, <aspect>, <aspect>_std.

        A second's score is that of the windows that cover it, combined as `datmos.scoring.windows.combine` does
        with the overlap as weight, aspect by aspect. Seconds that only silent windows cover have no score (NaN). It
        is no finer than the hop: with windows that do not overlap all seconds of one are alike.
        """
        table = self.windows.dropna(subset=self.aspects)
        starts, ends = table["start_s"].to_numpy(), table["end_s"].to_numpy()
        means = table[self.aspects].to_numpy()
        variances = np.square(table[[f"{aspect}_std" for aspect in self.aspects]].to_numpy())
        rows = []
        for second in range(int(np.ceil(self.seconds))):
            first = np.searchsorted(ends, second, side="right")  # ends ascend
            last = np.searchsorted(starts, second + 1, side="left")
            row = {"second": second}
            if first < last:
                part = slice(first, last)
                overlap = np.minimum(ends[part], second + 1) - np.maximum(starts[part], second)
                diagonals = np.eye(len(self.aspects)) * variances[part, :, None]
                mean, covariance = combine(means[part], diagonals, overlap)
                row |= dict(zip(self.aspects, mean.tolist(), strict=True))
                stds = np.sqrt(covariance.diagonal()).tolist()
                row |= {f"{aspect}_std": std for aspect, std in zip(self.aspects, stds, strict=True)}
            rows.append(row)
        columns = ["second", *(name for aspect in self.aspects for name in (aspect, f"{aspect}_std"))]
        return pd.DataFrame(rows, columns=columns)


class ScoredWindow(NamedTuple):
    """One window's place and its distribution, float64; None where there was nothing to score."""

    start: int  # in samples
    mean: np.ndarray | None  # (A,)
    covariance: np.ndarray | None  # (A, A)
    distance: float | None


def make_score(
    path: str | None, model: WindowModel, blocks: Blocks, cut: Windows, scored: list[ScoredWindow]
) -> Score:
    """Put a clip's windows, in order, together.

    Raises:
        UnusableAudioError: the model gives scores that can't be believed.
    """
    aspects, rate = model.aspects, model.windowing.sample_rate
    starts = np.array([window.start for window in scored])
    weights = shares(starts, cut.ends(starts))
    weights[[window.mean is None for window in scored]] = 0.0
    weights /= weights.sum()
    count, nothing = len(aspects), float("nan")
    means = np.array([np.full(count, nothing) if w.mean is None else w.mean for w in scored])
    covariances = np.array([np.eye(count) if w.covariance is None else w.covariance for w in scored])
    distances = np.array([nothing if w.distance is None else w.distance for w in scored])
    heard = weights > 0
    judge(model, means[heard], covariances[heard], distances[heard & (model.familiarity is not None)])
    mean, covariance = combine(means, covariances, weights)
    judge(model, mean[None], covariance[None], np.empty(0))
    distance = None if model.familiarity is None else float(np.nansum(distances * weights))
    percentile = None if model.familiarity is None or distance is None else model.familiarity.percentile(distance)
    stds = np.sqrt(covariances.diagonal(axis1=1, axis2=2))
    table = {"start_s": starts / rate, "end_s": np.minimum(cut.ends(starts) / rate, cut.seconds), "weight": weights}
    for a, aspect in enumerate(aspects):
        table |= {aspect: means[:, a], f"{aspect}_std": np.where(np.isnan(means[:, a]), nothing, stds[:, a])}
    band_limit = min(cut.spectrum.band_limit(), cut.rate / 2)
    return Score(
        path=path,
        aspects=list(aspects),
        mean=dict(zip(aspects, mean.tolist(), strict=True)),
        std=dict(zip(aspects, np.sqrt(covariance.diagonal()).tolist(), strict=True)),
        covariance=covariance,
        seconds=cut.seconds,
        windows=pd.DataFrame(table | {"distance": distances}),
        distance=distance,
        percentile=percentile,
        band_limit=band_limit,
        warnings=list(_warnings(blocks.shortfall, band_limit, cut.spectrum.nyquist, percentile, scored)),
        file=blocks.facts,
    )


def _warnings(
    shortfall: str | None,
    band_limit: float,
    nyquist: float,
    percentile: float | None,
    scored: Sequence[ScoredWindow],
) -> Iterator[str]:
    if shortfall is not None:
        yield shortfall
    if band_limit < DOUBTFUL * nyquist:
        yield (
            f"nothing above {band_limit / 1000:.1f} kHz, where the model listens up to {nyquist / 1000:g} kHz: "
            "upsampled or low-passed, or it has no high sounds"
        )
    if percentile is not None and percentile > FAR:
        yield "unlike the clips the model was trained on: farther from them than 99 % of validation clips"
    if silent := sum(window.mean is None for window in scored):
        yield f"{silent} of {len(scored)} windows are silent and do not count"
