"""The spectrogram of a file of any length, in a memory that does not grow."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

FRAME = 1024  # samples of a column
FLOOR = 80.0  # dB below the loudest that are shown


class Spectrogram(NamedTuple):
    """Power by time and frequency."""

    decibels: np.ndarray  # float32, (frequencies, columns), 0 the loudest
    seconds: float  # between two columns
    nyquist: float  # the highest frequency, Hz


def compute_spectrogram(blocks: Iterable[tuple[int, np.ndarray]], seconds: float, columns: int) -> Spectrogram:
    """Compute a spectrogram of about ``columns`` columns: power spectra of Hann windows at equal distances.

    Where there are more windows than columns, those between are left out: a picture shows no more.

    Args:
        blocks: sample rate and channels (channels, samples), in order, one block at least.
        seconds: duration of the file.
        columns: wanted; a short file gives fewer.
    """
    taper, found = np.hanning(FRAME + 1)[:-1], []
    waiting, start, hop, rate = np.empty(0, np.float32), 0, 0, 0
    for rate, channels in blocks:
        hop = hop or max(FRAME // 4, math.ceil(seconds * rate / columns))
        waiting = np.concatenate([waiting, channels.mean(axis=0)])
        while start + FRAME <= len(waiting):
            found.append(np.abs(np.fft.rfft(taper * waiting[start : start + FRAME])).astype(np.float32))
            start += hop
        done = min(start, len(waiting))
        waiting, start = waiting[done:].copy(), start - done
    if not found:  # shorter than one window
        padded = np.pad(waiting, (0, FRAME - len(waiting)))
        found.append(np.abs(np.fft.rfft(taper * padded)).astype(np.float32))
    decibels = 20 * np.log10(np.maximum(np.stack(found, axis=1), 1e-10))
    return Spectrogram(np.maximum(decibels - decibels.max(), -FLOOR), hop / rate, rate / 2)
