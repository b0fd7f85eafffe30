"""Streamed audio is what reading it at once gives."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from datmos import streaming
from datmos.audio import UnusableAudioError, read_excerpt
from datmos.params import AudioParams
from datmos.streaming import StreamingResampler, read_blocks
from test_containers import write

WHOLE = AudioParams(clip_seconds=1000.0, offset=0.0, min_seconds=0.01)


def resampled(x: torch.Tensor, rate: int, new_rate: int, at_once: int, piece: int) -> torch.Tensor:
    resampler = StreamingResampler(rate, new_rate, at_once)
    return torch.cat([*(resampler.push(part) for part in x.split(piece)), resampler.finish()])


@pytest.mark.parametrize("rate", [44_100, 48_000, 22_050, 8000, 16_000, 192_000, 11_025])
@pytest.mark.parametrize(("at_once", "piece"), [(5000, 313), (5000, 20_000), (400, 1)])
def test_resampling_in_pieces(rate: int, at_once: int, piece: int) -> None:
    length = rate // 2 + 313 if piece > 1 else 2003
    x = torch.randn(length, generator=torch.Generator().manual_seed(0))
    whole = torchaudio.functional.resample(x, rate, 16_000)
    torch.testing.assert_close(resampled(x, rate, 16_000, at_once, piece), whole, rtol=0, atol=2e-6)
    assert torch.equal(resampled(x, rate, 16_000, length, piece), whole)  # one call: the same bits


@pytest.mark.parametrize(("rate", "new_rate"), [(4001, 3000), (3000, 4001), (11_025, 16_000)])
def test_rates_without_a_common_divisor_need_no_table(
    rate: int, new_rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(9003, generator=torch.Generator().manual_seed(0))
    whole = torchaudio.functional.resample(x.double(), rate, new_rate).float()
    monkeypatch.setattr(streaming, "LARGEST_FILTER", 0)
    streaming._resampler.cache_clear()
    torch.testing.assert_close(resampled(x, rate, new_rate, 5000, 999), whole, rtol=0, atol=2e-6)
    streaming._resampler.cache_clear()


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.m4a"])
def test_blocks_are_the_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "BLOCK", 5000)
    samples = np.random.default_rng(0).normal(0, 0.1, (40_000, 2))
    if name == "a.m4a":
        write(tmp_path / name, "aac", np.ascontiguousarray(samples.T), 16_000)
    else:
        soundfile.write(tmp_path / name, samples, 16_000)
    blocks = list(read_blocks(tmp_path / name))
    assert {rate for rate, _ in blocks} == {16_000}
    assert len(blocks) >= 6
    assert max(block.shape[1] for _, block in blocks) < 7000
    expected, _ = read_excerpt(tmp_path / name, WHOLE)
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks], axis=1).mean(axis=0), expected)


def test_reasons(tmp_path: Path, shared: Path) -> None:
    cases = {"zero_byte.wav": "empty file", "truncated.flac": "lost sync", "png.flac": "can't be decoded"}
    for name, reason in cases.items():
        with pytest.raises(UnusableAudioError, match=reason):
            list(read_blocks(shared / "bad" / name))
    for path, reason in ((tmp_path, "is a folder"), (tmp_path / "missing.wav", "No such file")):
        with pytest.raises(UnusableAudioError, match=reason):
            list(read_blocks(path))
