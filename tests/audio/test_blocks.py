"""Streamed audio is what reading it at once gives."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from datmos.audio import blocks
from datmos.audio.blocks import FileBlocks
from datmos.audio.excerpt import read_excerpt
from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError
from helpers.audio_files import write

WHOLE = AudioParams(clip_seconds=1000.0, offset=0.0, min_seconds=0.01)


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.m4a"])
def test_blocks_are_the_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 5000)
    samples = np.random.default_rng(0).normal(0, 0.1, (40_000, 2))
    if name == "a.m4a":
        write(tmp_path / name, "aac", np.ascontiguousarray(samples.T), 16_000)
    else:
        soundfile.write(tmp_path / name, samples, 16_000)
    streamed = list(FileBlocks(tmp_path / name))
    assert {rate for rate, _ in streamed} == {16_000}
    assert len(streamed) >= 6
    assert max(block.shape[1] for _, block in streamed) < 7000
    expected, _ = read_excerpt(tmp_path / name, WHOLE)
    np.testing.assert_array_equal(np.concatenate([block for _, block in streamed], axis=1).mean(axis=0), expected)


def test_reasons(tmp_path: Path, shared: Path) -> None:
    cases = {"zero_byte.wav": "empty file", "truncated.flac": "lost sync", "png.flac": "can't be decoded"}
    for name, reason in cases.items():
        with pytest.raises(UnusableAudioError, match=reason):
            list(FileBlocks(shared / "bad" / name))
    for path, reason in ((tmp_path, "is a folder"), (tmp_path / "missing.wav", "No such file")):
        with pytest.raises(UnusableAudioError, match=reason):
            list(FileBlocks(path))
