"""The band limit of what is known."""

import numpy as np
import pytest
import torch
import torchaudio

from datmos.scoring.band_limit import Spectrum

RATE = 16_000


def band_limit(waveform: torch.Tensor) -> float:
    spectrum = Spectrum(RATE)
    for part in waveform.split(RATE):
        spectrum.add(part)
    return spectrum.band_limit()


def noise(rate: int) -> torch.Tensor:
    return 0.1 * torch.randn(3 * rate, generator=torch.Generator().manual_seed(0))


def test_noise_has_no_limit() -> None:
    assert band_limit(noise(RATE)) == RATE / 2
    assert band_limit(0.6 + 1e-3 * noise(RATE)) == RATE / 2  # a constant offset does not count


@pytest.mark.parametrize("rate", [8000, 11_025])
def test_an_upsampled_clip(rate: int) -> None:
    upsampled = torchaudio.functional.resample(noise(rate), rate, RATE, lowpass_filter_width=64)
    sixteen_bits = torch.from_numpy(np.round(upsampled.numpy() * 2**15) / 2**15).float()
    assert band_limit(sixteen_bits) == pytest.approx(rate / 2, rel=0.05)


def test_a_tone() -> None:
    assert band_limit(torch.sin(2 * torch.pi * 1000 * torch.arange(RATE) / RATE)) == pytest.approx(1000, rel=0.1)
