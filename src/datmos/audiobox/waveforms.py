"""Clips as an encoder's inputs: decoded ahead of the network, padded to one length, with a mask."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from datmos.audio.excerpt import read_excerpt
from datmos.audio.resample import resample
from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError
from datmos.audiobox.model import Inputs
from datmos.core.errors import DatmosError

AHEAD = 4  # batches that are decoded while the network computes
THREADS = 4  # that decode
HOUR = 3600.0  # nobody rates more at a time: bounds memory where clips are read whole


class Hearing(NamedTuple):
    """What of a clip a model hears, seconds."""

    window: float  # at a time; what is shorter is padded
    offset: float = 0.0  # where the first window starts
    whole: bool = False  # all windows of the clip, not the first alone

    @property
    def excerpt(self) -> AudioParams:
        """The part of a file to decode."""
        return AudioParams(clip_seconds=HOUR if self.whole else self.window, offset=self.offset, min_seconds=1e-3)


class Waveforms:
    """Waveforms of files, float32 (samples,), at one rate.

    Args:
        paths: of the files.
        hearing: which part of them.
        sample_rate: to resample to, Hz.
        keep: bytes of waveforms that may stay in memory, for files that are read again.
    """

    def __init__(self, paths: Sequence[Path], hearing: Hearing, sample_rate: int, keep: int = 0) -> None:
        self.paths, self.hearing, self.sample_rate = paths, hearing, sample_rate
        self._kept: dict[int, Tensor] = {}
        self._room = keep

    def stream(self, parts: Iterable[Sequence[int]]) -> Iterator[list[Tensor]]:
        """Yield the waveforms of the files at each of ``parts``, decoding ahead.

        Raises:
            DatmosError: a file can't be used.
        """
        with ThreadPoolExecutor(THREADS) as threads:
            coming: deque[list[Any]] = deque()
            for places in parts:
                coming.append([threads.submit(self._read, place) for place in places])
                if len(coming) > AHEAD:
                    yield [one.result() for one in coming.popleft()]
            while coming:
                yield [one.result() for one in coming.popleft()]

    def _read(self, place: int) -> Tensor:
        if place in self._kept:
            return self._kept[place]
        try:
            samples, header = read_excerpt(self.paths[place], self.hearing.excerpt)
        except UnusableAudioError as error:
            raise DatmosError(f"{self.paths[place]}: {error}") from None
        waveform = resample(torch.from_numpy(samples), header.sample_rate, self.sample_rate)
        if self._room >= waveform.nbytes:  # threads may overdraw it by a clip each
            self._room -= waveform.nbytes
            self._kept[place] = waveform
        return waveform


def collate(waveforms: Sequence[Tensor], length: int, extractor: Any, device: torch.device) -> Inputs:
    """Make the encoder's inputs of B waveforms of at most ``length`` samples, with the encoder's own extractor.

    All batches have one length: the group norm of wav2vec2-like encoders runs over the padding too, so that else a
    prediction would depend on which clips are beside it. What does not fit the length is cut off.
    """
    name, rate = extractor.model_input_names[0], extractor.sampling_rate
    padding = {"padding": "max_length", "max_length": length} if name == "input_values" else {}
    arrays = [np.asarray(waveform[:length].numpy(), dtype=np.float32) for waveform in waveforms]
    inputs = extractor(arrays, sampling_rate=rate, return_attention_mask=True, return_tensors="pt", **padding)
    return {key: inputs[key].to(device) for key in (name, "attention_mask")}
