"""Resampling as torchaudio does it: whole waveforms, or those that come in pieces, in a memory that stays small."""

import math
from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Tensor

ZERO_CROSSINGS, ROLLOFF = 6, 0.99  # torchaudio's defaults: half the length and the cut-off of its filter
LARGEST_FILTER = 2**24  # numbers in its table of filters
AT_ONCE = 2**21  # weights that are computed together where there is no table: bounds memory to about 100 MB


def resample(waveform: Tensor, rate: int, new_rate: int) -> Tensor:
    """Resample a waveform, float32 (samples,), from ``rate`` to ``new_rate``, both in Hz.

    The bits of `torchaudio.functional.resample`, except between rates whose table of filters would take more than
    64 MB (`_resample_directly`).
    """
    divisor = math.gcd(rate, new_rate)
    return waveform if rate == new_rate else _resampler(rate // divisor, new_rate // divisor)(waveform)


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
        self._resample = _resampler(self._period, self._new_period)
        self._margin = -(-_half_width(self._period, self._new_period) // self._period) * self._period
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


def _half_width(rate: int, new_rate: int) -> int:
    """Input samples on either side that torchaudio's filter reaches, for rates without a common divisor."""
    return math.ceil(ZERO_CROSSINGS * rate / (ROLLOFF * min(rate, new_rate)))


@lru_cache(maxsize=16)
def _resampler(rate: int, new_rate: int) -> Callable[[Tensor], Tensor]:
    if new_rate * (2 * _half_width(rate, new_rate) + rate) > LARGEST_FILTER:
        return partial(_resample_directly, rate=rate, new_rate=new_rate)
    import torchaudio  # here: most clips have the encoder's rate

    # float32 as the function has it: by default the class computes its filter in float64
    transform: Callable[[Tensor], Tensor] = torchaudio.transforms.Resample(rate, new_rate, dtype=torch.float32)
    return transform


def _resample_directly(waveform: Tensor, rate: int, new_rate: int) -> Tensor:
    """Compute what torchaudio does, without its table: (n,) -> (ceil(n new_rate / rate),).

    The table has a filter for every output sample of a period, and zeros: 3 GB from 44,101 Hz to 16 kHz. Values
    differ from those of the function by about 1e-4, since its filter is computed in single precision.
    """
    width, base = _half_width(rate, new_rate), ROLLOFF * min(rate, new_rate)
    padded = torch.nn.functional.pad(waveform, (width, width + 1))
    parts = []
    for number in torch.arange(-(-len(waveform) * new_rate // rate)).split(max(1, AT_ONCE // (2 * width + 1))):
        middle = number * rate // new_rate
        taps = middle[:, None] + torch.arange(-width, width + 1)  # (outputs, taps), places in the waveform
        t = (taps * new_rate - number[:, None] * rate).double() * (base / (rate * new_rate))
        t = t.clamp(-ZERO_CROSSINGS, ZERO_CROSSINGS)
        window = torch.cos(t * (math.pi / ZERO_CROSSINGS / 2)).square()
        weights = torch.sinc(t) * window * (base / rate)
        parts.append((padded[taps + width] * weights.float()).sum(dim=1))
    return torch.cat(parts)
