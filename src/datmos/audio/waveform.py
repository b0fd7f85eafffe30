"""A clip as its encoder takes it: resampled, and of one length."""

from pathlib import Path

import torch

from datmos.audio.excerpt import read_excerpt
from datmos.audio.resample import resample
from datmos.audio.settings import AudioParams


def load_clip(path: Path, audio: AudioParams, sample_rate: int) -> torch.Tensor:
    """Load one clip for the encoder: the excerpt, resampled, repeated if short.

    Returns:
        Waveform, float32, shape (round(clip_seconds * sample_rate),).

    Raises:
        UnusableAudioError: see `read_excerpt`.
    """
    samples, header = read_excerpt(path, audio)
    waveform = resample(torch.from_numpy(samples), header.sample_rate, sample_rate)
    length = round(audio.clip_seconds * sample_rate)
    repeats = -(-length // len(waveform))
    return waveform.repeat(repeats)[:length]
