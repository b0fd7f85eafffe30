"""Reading audio of any length in a memory that does not grow: decoded, mixed down and resampled piece by piece."""

import math
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from torch import Tensor

from datmos.audio import NotOpenedError, UnusableAudioError, check_file
from datmos.containers import NotAudioError, decode_blocks

BLOCK = 2**18  # samples decoded at a time: 6 s at 44.1 kHz


def read_blocks(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Decode a file from beginning to end: yields sample rate and channels, float32, (channels, samples).

    There is one block at least, though it may be empty.

    Raises:
        UnusableAudioError: not a readable file.
    """
    if path.is_dir():
        raise UnusableAudioError("is a folder, not a file")
    try:
        yield from _with_libsndfile(path)
    except NotOpenedError as error:
        yield from _with_ffmpeg(path, str(error))


def _with_libsndfile(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    opened = False
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            opened = True
            while True:
                block = file.read(BLOCK, dtype="float32", always_2d=True)  # (samples, channels)
                yield file.samplerate, np.ascontiguousarray(block.T)
                if len(block) < BLOCK:
                    return
    except soundfile.LibsndfileError as error:
        check_file(path)
        reason = f"can't be decoded: {error.error_string.strip()}"
        raise (UnusableAudioError if opened else NotOpenedError)(reason) from None
    except OSError as error:
        raise UnusableAudioError(str(error)) from None


def _with_ffmpeg(path: Path, reason: str) -> Iterator[tuple[int, np.ndarray]]:
    rate, waiting, count = 0, [], 0
    try:
        for rate, frame in decode_blocks(path):
            waiting.append(frame)
            count += len(frame)
            if count >= BLOCK:
                yield rate, np.ascontiguousarray(np.concatenate(waiting).T)
                waiting, count = [], 0
    except NotAudioError as error:
        # libsndfile's words if FFmpeg knows no better: most such files are broken wav or flac
        raise UnusableAudioError(f"can't be decoded: {error}" if rate else reason) from None
    if waiting:
        yield rate, np.ascontiguousarray(np.concatenate(waiting).T)
    elif not rate:
        raise UnusableAudioError(reason)


class StreamingResampler:
    """`torchaudio.functional.resample` of a waveform that comes in pieces, with the same result.

    Every output sample is a weighted sum of a few input samples around it, and the weights repeat every
    ``rate / gcd`` input samples. So a piece that begins at a multiple of that, with enough samples of its
    neighbours on either side, gives what the whole waveform would give there.

    Args:
        rate: of the waveform, Hz.
        new_rate: wanted, Hz.
        at_once: input samples that are resampled together, about. A waveform that is no longer is resampled by one
            call: to the last bit what the function gives.
    """

    def __init__(self, rate: int, new_rate: int, at_once: int) -> None:
        divisor = math.gcd(rate, new_rate)
        self._period, self._new_period = rate // divisor, new_rate // divisor
        self._resample = _resampler(rate, new_rate)
        margin = math.ceil(
            6 * self._period / (0.99 * min(self._period, self._new_period))
        )  # its filter's half width
        self._margin = -(-margin // self._period) * self._period
        self._length = max(self._margin, -(-at_once // self._period) * self._period)
        self._waiting = torch.empty(0)  # from `_margin` samples before the next output on, once there was one
        self._before = 0  # how many of them were used already

    def push(self, samples: Tensor) -> Tensor:
        """Take samples (n,) and return those of the output that are certain by now."""
        if self._period == self._new_period:
            return samples
        self._waiting = torch.cat([self._waiting, samples])
        ready = []
        while len(self._waiting) > self._before + self._length + self._margin:
            used = self._before + self._length
            piece = self._resample(self._waiting[: used + self._margin])
            ready.append(piece[self._outputs(self._before) : self._outputs(used)])
            self._waiting = self._waiting[used - self._margin :].clone()
            self._before = self._margin
        return torch.cat(ready) if ready else torch.empty(0)

    def finish(self) -> Tensor:
        """Return the rest of the output."""
        if len(self._waiting) == 0:
            return self._waiting
        return self._resample(self._waiting)[self._outputs(self._before) :]

    def _outputs(self, samples: int) -> int:
        return samples // self._period * self._new_period


@lru_cache(maxsize=16)
def _resampler(rate: int, new_rate: int) -> torchaudio.transforms.Resample:
    # float32 as the function has it: by default the class computes its filter in float64
    return torchaudio.transforms.Resample(rate, new_rate, dtype=torch.float32)
