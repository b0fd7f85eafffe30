"""Decoding: the right seconds, mono, the right rate and length; or a reason."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from datmos.audio import decoders
from datmos.audio.excerpt import read_excerpt
from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError
from datmos.audio.waveform import load_clip

RATE = 8000
AUDIO = AudioParams(clip_seconds=1.0, offset=0.0, min_seconds=0.25)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, samples.astype(np.float32), rate, subtype="FLOAT")
    return path


def ramp(seconds: float) -> np.ndarray:
    """Every sample is different, so that a shift by one shows."""
    return np.linspace(-0.9, 0.9, round(seconds * RATE))


def test_a_long_clip_is_cropped_at_the_offset(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", ramp(4))
    audio = AUDIO.model_copy(update={"offset": 2.0})
    np.testing.assert_array_equal(load_clip(path, audio, RATE), ramp(4)[2 * RATE : 3 * RATE].astype(np.float32))


def test_a_crop_beyond_the_end_moves_back(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", ramp(1.5))
    audio = AUDIO.model_copy(update={"offset": 1.0})
    np.testing.assert_array_equal(load_clip(path, audio, RATE), ramp(1.5)[RATE // 2 :].astype(np.float32))


def test_a_short_clip_is_repeated(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", ramp(0.4))
    expected = np.tile(ramp(0.4), 3)[:RATE].astype(np.float32)
    np.testing.assert_array_equal(load_clip(path, AUDIO, RATE), expected)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = ramp(1), 0.5 * np.sin(np.arange(RATE))
    path = write(tmp_path / "a.wav", np.stack([left, right], axis=1))
    np.testing.assert_allclose(load_clip(path, AUDIO, RATE), (left + right) / 2, atol=1e-6)


def test_resampling_keeps_pitch_and_length(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000), rate=48_000)
    waveform = load_clip(path, AUDIO, 16_000)
    assert waveform.shape == (16_000,)
    assert waveform.dtype == torch.float32
    assert torch.fft.rfft(waveform).abs().argmax() == 440  # 1 s: bins are Hz


def test_only_the_needed_seconds_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.wav", ramp(30))
    asked, ask = [], decoders._Decoder.ask
    monkeypatch.setattr(
        decoders._Decoder, "ask", lambda self, question, *file: asked.append(question) or ask(self, question, *file)
    )
    read_excerpt(path, AUDIO)
    assert [question["size"] for question in asked if "size" in question] == [RATE]


def test_reasons(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "dangling.wav").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    write(tmp_path / "offset.wav", np.full(RATE, 0.3))
    cases = {
        "folder.wav": "is a folder",
        "dangling.wav": os.strerror(2),
        "loop.wav": "symbolic links",
        "missing.wav": os.strerror(2),
        "offset.wav": "silent",
    }
    for name, reason in cases.items():
        with pytest.raises(UnusableAudioError, match=reason):
            read_excerpt(tmp_path / name, AUDIO)


@pytest.mark.parametrize("name", ["two words.wav", "naïve-日本.wav", "a,b.wav", 'q"uote.wav', "new\nline.wav"])
def test_names_with_odd_characters(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, ramp(1))
    assert load_clip(tmp_path / name, AUDIO, RATE).shape == (RATE,)


BAD = {  # file -> part of the reason, or None where it is usable
    "zero_byte.wav": "empty file",
    "truncated.wav": None,
    "truncated.flac": "lost sync",
    "truncated_in_header.flac": "can't be decoded",
    "truncated.mp3": None,
    "truncated.ogg": None,
    "truncated_in_header.wav": "can't be decoded",
    "header_claims_2GB.wav": None,
    "header_claims_less.wav": "shorter than audio.min_seconds",
    "header_rate_zero.wav": "can't be decoded",
    "samples_743.wav": "shorter than audio.min_seconds",
    "samples_1.wav": "shorter than audio.min_seconds",
    "samples_0.wav": "shorter than audio.min_seconds",
    "silence.wav": "silent",
    "nan_float32.wav": "NaN",
    "all_nan_float32.wav": "NaN",
    "inf_float32.wav": "NaN or infinite",
    "huge_float32.wav": "far above full scale",
    "rate_192k.wav": None,
    "rate_8k.wav": None,
    "channels_6.wav": None,
    "antiphase_stereo.wav": "cancel out",
    "int24.wav": None,
    "int32.wav": None,
    "uint8.wav": None,
    "ulaw.wav": None,
    "text.wav": "can't be decoded",
    "png.flac": "can't be decoded",
    "flac_inside.mp3": None,
    "long_30min.ogg": None,
    "dc_offset.wav": None,
    "full_clip.wav": None,
    "speech.g722": None,
    "speech.opus": None,
    "speech.m4a": None,
}


@pytest.mark.parametrize("name", BAD)
def test_hostile_files(shared: Path, name: str) -> None:
    audio = AUDIO.model_copy(update={"clip_seconds": 3.0})
    reason = BAD[name]
    if reason is None:
        waveform = load_clip(shared / "bad" / name, audio, 16_000)
        assert waveform.shape == (48_000,)
        assert waveform.isfinite().all()
    else:
        with pytest.raises(UnusableAudioError, match=reason):
            read_excerpt(shared / "bad" / name, audio)


def test_a_truncated_file_tells_its_true_length(shared: Path) -> None:
    _, header = read_excerpt(shared / "bad" / "truncated.mp3", AUDIO.model_copy(update={"clip_seconds": 3.0}))
    assert header.duration_s == pytest.approx(27119 / 24000, abs=0.01)


def test_the_same_speech_sounds_the_same_in_every_encoding(shared: Path) -> None:
    """int24, int32, 6 channels and FLAC are one recording: their waveforms correlate."""
    audio = AUDIO.model_copy(update={"clip_seconds": 3.0})
    reference = load_clip(shared / "bad" / "int32.wav", audio, 16_000)
    for name in ("int24.wav", "uint8.wav", "flac_inside.mp3"):
        waveform = load_clip(shared / "bad" / name, audio, 16_000)
        assert np.corrcoef(reference, waveform)[0, 1] > 0.99, name
