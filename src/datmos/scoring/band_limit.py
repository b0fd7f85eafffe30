"""Up to which frequency a clip has any sound."""

import numpy as np
import torch
from torch import Tensor

FRAME = 1024  # samples of a short-time spectrum
LOWEST = 50.0  # Hz; a constant offset and hum below do not count
ABSENT = 1e-7  # of the energy, -70 dB: what is left above the band of an upsampled or low-passed clip
DOUBTFUL = 0.8  # of half the encoder's sample rate: a clip with a lower band limit is warned of


class Spectrum:
    """Sums up the power spectrum of a clip's windows."""

    def __init__(self, sample_rate: int) -> None:
        self.nyquist = sample_rate / 2
        self._frequencies = np.linspace(0, self.nyquist, FRAME // 2 + 1)
        self._power = np.zeros(FRAME // 2 + 1)
        self._taper = torch.hann_window(FRAME)

    def add(self, waveform: Tensor) -> None:
        """Add a window, (samples,). What fills no frame at its end is left out: a cut has every frequency."""
        if len(waveform) < FRAME:
            waveform = torch.nn.functional.pad(waveform, (0, FRAME - len(waveform)))
        frames = waveform.unfold(0, FRAME, FRAME)
        self._power += torch.fft.rfft(frames * self._taper).abs().square().sum(dim=0).double().numpy()

    def band_limit(self) -> float:
        """Return the spectral roll-off at all but -70 dB of the energy, Hz: above it there is nothing."""
        power = np.where(self._frequencies < LOWEST, 0.0, self._power)
        above = np.cumsum(power[::-1])[::-1]  # energy at this frequency and higher
        return float(self._frequencies[np.count_nonzero(above > ABSENT * above[0]) - 1]) if above[0] > 0 else 0.0
