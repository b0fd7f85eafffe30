"""Resampling is torchaudio's, whole or in pieces, with its table of filters or without."""

import pytest
import torch
import torchaudio

from datmos.audio import resample as resampling
from datmos.audio.resample import StreamingResampler, resample


def resampled(x: torch.Tensor, rate: int, new_rate: int, at_once: int, piece: int) -> torch.Tensor:
    resampler = StreamingResampler(rate, new_rate, at_once)
    return torch.cat([*(resampler.push(part) for part in x.split(piece)), resampler.finish()])


@pytest.mark.parametrize("rate", [44_100, 48_000, 22_050, 8000, 16_000, 192_000, 11_025])
@pytest.mark.parametrize(("at_once", "piece"), [(5000, 313), (5000, 20_000), (400, 1)])
def test_resampling_in_pieces(rate: int, at_once: int, piece: int) -> None:
    length = rate // 2 + 313 if piece > 1 else 2003
    x = torch.randn(length, generator=torch.Generator().manual_seed(0))
    whole = resample(x, rate, 16_000)
    assert torch.equal(whole, torchaudio.functional.resample(x, rate, 16_000))
    torch.testing.assert_close(resampled(x, rate, 16_000, at_once, piece), whole, rtol=0, atol=2e-6)
    assert torch.equal(resampled(x, rate, 16_000, length, piece), whole)  # one call: the same bits


@pytest.mark.parametrize(("rate", "new_rate"), [(4001, 3000), (3000, 4001), (11_025, 16_000)])
@pytest.mark.takes(1)
def test_rates_without_a_common_divisor_need_no_table(
    rate: int, new_rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(9003, generator=torch.Generator().manual_seed(0))
    whole = torchaudio.functional.resample(x.double(), rate, new_rate).float()
    monkeypatch.setattr(resampling, "LARGEST_FILTER", 0)
    resampling._resampler.cache_clear()
    for found in (resample(x, rate, new_rate), resampled(x, rate, new_rate, 5000, 999)):
        torch.testing.assert_close(found, whole, rtol=0, atol=2e-6)
    resampling._resampler.cache_clear()


def test_an_odd_rate_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchaudio's table from 44,101 Hz to 16 kHz would take 3 GB."""
    monkeypatch.delattr(torchaudio.transforms, "Resample")
    rate, new_rate = 44_101, 16_000
    found = resample(torch.sin(2 * torch.pi * 440 * torch.arange(rate) / rate), rate, new_rate)
    expected = torch.sin(2 * torch.pi * 440 * torch.arange(new_rate) / new_rate)
    assert len(found) == new_rate
    torch.testing.assert_close(found[100:-100], expected[100:-100], rtol=0, atol=2e-3)
