"""A clip of any length as windows of the length that a model was trained on, and one score out of theirs."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from datmos.audio.excerpt import SILENCE, Mixer, check_length
from datmos.audio.limits import check_format
from datmos.audio.resample import StreamingResampler
from datmos.audio.unusable import UnusableAudioError
from datmos.scoring.band_limit import Spectrum


class Windowing(NamedTuple):
    """How a model wants its audio.

    Attributes:
        sample_rate: Hz.
        seconds: of a window.
        min_seconds: shorter clips are refused.
        repeats: all windows have one length: a shorter clip is repeated, and the last window of a longer one ends
            with it and overlaps the one before. If false, the last window is what is left, however short.
    """

    sample_rate: int
    seconds: float
    min_seconds: float
    repeats: bool = True

    @property
    def length(self) -> int:
        """Samples of a window."""
        return round(self.seconds * self.sample_rate)


class Window(NamedTuple):
    """A part of a clip."""

    start: int  # in samples
    waveform: Tensor  # float32, (samples,)
    silent: bool  # nothing there that could have been rated


class Windows:
    """Cuts one clip into windows while it is decoded: iterate over it once; then the attributes are there.

    Attributes:
        rate: sample rate of the clip, Hz.
        seconds: its duration.
        spectrum: of what was cut.
        length: of the clip in samples at the model's rate.
    """

    def __init__(
        self, blocks: Iterable[tuple[int, np.ndarray]], windowing: Windowing, hop_seconds: float | None = None
    ) -> None:
        """Prepare to cut.

        Args:
            blocks: sample rate and channels (channels, samples), in order.
            windowing: how the model wants it.
            hop_seconds: from the start of a window to that of the next; None: as long as a window.
        """
        self._blocks, self._windowing = blocks, windowing
        self._hop = windowing.length if hop_seconds is None else round(hop_seconds * windowing.sample_rate)
        self.rate, self.seconds, self.length = 0, 0.0, 0
        self.spectrum = Spectrum(windowing.sample_rate)

    def __iter__(self) -> Iterator[Window]:
        """Yield the windows in order; memory holds a few of them at a time.

        Raises:
            UnusableAudioError: not readable, outside of `datmos.audio.limits`, too short, silent, not finite, or
                far above full scale.
        """
        wanted = self._windowing.length
        buffer, first = torch.empty(0), 0  # samples from ``first`` on
        start = 0  # of the next window
        for piece in self._pieces():
            buffer = torch.cat([buffer, piece])
            self.length += len(piece)
            while start + wanted <= self.length:
                yield self._window(start, buffer[start - first : start - first + wanted].clone())
                start += self._hop
            keep = max(first, min(start, self.length - wanted))  # the last window may reach back that far
            buffer, first = buffer[keep - first :].clone(), keep
        if self.length < wanted:
            repeats = -(-wanted // self.length) if self._windowing.repeats else 1
            yield self._window(0, buffer, repeats)
        elif start - self._hop + wanted < self.length:
            last = self.length - wanted if self._windowing.repeats else start
            yield self._window(last, buffer[last - first :].clone())

    def ends(self, starts: np.ndarray) -> np.ndarray:
        """Where the windows end that begin at ``starts``, in samples."""
        return np.minimum(starts + self._windowing.length, self.length)

    def _window(self, start: int, waveform: Tensor, repeats: int = 1) -> Window:
        self.spectrum.add(waveform)
        lowest, highest = waveform.aminmax()
        repeated = waveform.repeat(repeats)[: self._windowing.length]
        return Window(start, repeated, bool(highest - lowest < SILENCE))

    def _pieces(self) -> Iterator[Tensor]:
        """Decode, mix down, resample."""
        mixer, resampler, samples, max_samples = Mixer(), None, 0, 0
        for rate, channels in self._blocks:
            self.rate = rate
            if resampler is None:
                check_format(rate, channels.shape[0])
                # a clip of one window is resampled at once, as in training
                max_samples = round(max(self._windowing.seconds, 10.0) * rate) + rate
                resampler = StreamingResampler(rate, self._windowing.sample_rate, max_samples)
            samples += channels.shape[1]
            yield resampler.push(torch.from_numpy(mixer.mix(channels)))
        if resampler is None:
            raise UnusableAudioError("no samples could be decoded")
        self.seconds = samples / self.rate
        check_length(self.seconds, self._windowing.min_seconds)
        mixer.check()
        yield resampler.finish()


def shares(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Share a clip out among its windows: every sample counts once, in equal parts for the windows that cover it.

    Args:
        starts, ends: of the windows, in samples, (N,).

    Returns:
        Samples of each window, (N,); where windows follow one another without overlap, their lengths.
    """
    edges = np.unique(np.concatenate([starts, ends]))
    cover = np.searchsorted(np.sort(starts), edges[:-1], "right") - np.searchsorted(
        np.sort(ends), edges[:-1], "right"
    )
    part = np.append(0.0, np.cumsum(np.diff(edges) / np.maximum(cover, 1)))
    total: np.ndarray = part[np.searchsorted(edges, ends)] - part[np.searchsorted(edges, starts)]
    return total


def combine(means: np.ndarray, covariances: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Make one Gaussian out of those of several windows of a clip.

    With ``w`` the weights scaled to sum 1, ``P = sum_i w_i inv(C_i)``; covariance ``inv(P)``, mean
    ``inv(P) sum_i w_i inv(C_i) m_i``. So a window counts by its length, and less where the model is less certain.
    This is covariance intersection (Julier and Uhlmann, "A non-divergent estimation algorithm in the presence of
    unknown correlations", 1997), or the logarithmic opinion pool of the windows. The weights sum to 1, not to N,
    because the errors for windows of one clip are not independent: the product of N Gaussians would claim that a
    song played twice is known twice as well. Equal covariances give the mean weighted by length alone; so do
    covariances that are not known (NaN), as of a model without uncertainty.

    Args:
        means: (N, A).
        covariances: (N, A, A).
        weights: (N,), not all 0.

    Returns:
        Mean (A,) and covariance (A, A), float64; of a single window its own.
    """
    used = weights > 0
    means, covariances, weights = means[used], covariances[used], weights[used] / weights[used].sum()
    if len(means) == 1:
        return means[0], covariances[0]
    if np.isnan(covariances).any():
        return weights @ means, np.full_like(covariances[0], np.nan)
    precisions = np.linalg.inv(covariances) * weights[:, None, None]
    covariance = np.linalg.inv(precisions.sum(axis=0))
    covariance = (covariance + covariance.T) / 2
    mean: np.ndarray = covariance @ (precisions @ means[:, :, None]).sum(axis=0)[:, 0]
    return mean, covariance
