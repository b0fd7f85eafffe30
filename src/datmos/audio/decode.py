"""Reading audio: only the needed seconds, mono, at the encoder's rate, cropped or tiled to one length."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch

from datmos.audio.ffmpeg import NotAudioError, decode_excerpt
from datmos.audio.resample import resample
from datmos.audio.settings import AudioParams

SILENCE = 1e-5  # peak below -100 dBFS: nothing a listener could have rated
CANCELLED = 1e-3  # mono mix 60 dB below its channels: opposite phases, not a recording
FULL_SCALE_LIMIT = 10.0  # +20 dB over full scale: integers stored as floats, or garbage


class UnusableAudioError(Exception):
    """A file that can't be used; the message is the reason shown in data/excluded.csv."""


class NotOpenedError(Exception):
    """libsndfile does not know the format; the message says so in its words."""


class AudioHeader(NamedTuple):
    """What a file's header says."""

    duration_s: float
    sample_rate: int
    channels: int


def read_excerpt(path: Path, audio: AudioParams) -> tuple[np.ndarray, AudioHeader]:
    """Decode the excerpt of a file that `AudioParams` asks for, as mono.

    A clip longer than ``offset + clip_seconds`` is cropped at ``offset``; a shorter one is cropped as late as
    still gives ``clip_seconds``, or taken whole.

    Returns:
        Mono samples (channel mean), float32, shape (samples,), at the file's own rate, and its header.

    Raises:
        UnusableAudioError: not a readable file, too short, silent, not finite, or far above full scale.
    """
    if path.is_dir():
        raise UnusableAudioError("is a folder, not a file")
    try:
        samples, header = _read_with_libsndfile(path, audio)
    except NotOpenedError as error:
        samples, header = _read_with_ffmpeg(path, audio, str(error))
    channels = np.ascontiguousarray(samples.T)  # (channels, samples): numpy is ten times faster along long rows
    return _mix_down(channels, header, audio), header


def _read_with_libsndfile(path: Path, audio: AudioParams) -> tuple[np.ndarray, AudioHeader]:
    opened = False
    try:
        with soundfile.SoundFile(str(path)) as file:
            opened = True
            header = AudioHeader(file.frames / file.samplerate, file.samplerate, file.channels)
            check_length(header.duration_s, audio.min_seconds)
            wanted = round(audio.clip_seconds * file.samplerate)
            start = min(round(audio.offset * file.samplerate), max(0, file.frames - wanted))
            if start > 0:
                file.seek(start)
            samples = file.read(wanted, dtype="float32", always_2d=True)  # (samples, channels)
    except soundfile.LibsndfileError as error:
        check_file(path)
        reason = f"can't be decoded: {error.error_string.strip()}"
        raise (UnusableAudioError if opened else NotOpenedError)(reason) from None
    except (OSError, RuntimeError) as error:  # RuntimeError: soundfile, an ill-formed file while seeking
        raise UnusableAudioError(str(error)) from None
    if len(samples) < min(wanted, file.frames - start):  # cut short: the header promises more than there is
        header = header._replace(duration_s=(start + len(samples)) / header.sample_rate)
    return samples, header


def _read_with_ffmpeg(path: Path, audio: AudioParams, reason: str) -> tuple[np.ndarray, AudioHeader]:
    try:
        samples, rate, duration = decode_excerpt(path, audio.clip_seconds, audio.offset)
    except NotAudioError:
        raise UnusableAudioError(reason) from None  # libsndfile's words: most such files are broken wav or flac
    check_length(duration, audio.min_seconds)
    return samples, AudioHeader(duration, rate, samples.shape[1])


def check_length(duration_s: float, min_seconds: float) -> None:
    """Refuse a clip that is too short."""
    if duration_s < min_seconds:
        raise UnusableAudioError(f"{duration_s:.3g} s long, shorter than audio.min_seconds {min_seconds:g}")


def check_file(path: Path) -> None:
    """Refuse a file that no decoder could open."""
    try:
        size = path.stat().st_size
    except OSError as problem:  # missing, a dangling link, a loop of links, no permission
        raise UnusableAudioError(problem.strerror or str(problem)) from None
    if size == 0:
        raise UnusableAudioError("empty file")


def _mix_down(channels: np.ndarray, header: AudioHeader, audio: AudioParams) -> np.ndarray:
    """Average the channels (channels, samples), unless they can't be used."""
    if channels.shape[1] < audio.min_seconds * header.sample_rate:
        raise UnusableAudioError(f"only {channels.shape[1]} samples could be decoded")
    mixer = Mixer()
    mono = mixer.mix(channels)
    mixer.check()
    return mono


class Mixer:
    """Averages the channels of a clip, in one block or many, and refuses what can't be used."""

    def __init__(self) -> None:
        self._lowest: np.ndarray | None = None  # (channels + 1,): of every channel, and of their mean
        self._highest: np.ndarray | None = None

    def mix(self, channels: np.ndarray) -> np.ndarray:
        """Return the mean of channels (channels, samples).

        Raises:
            UnusableAudioError: not finite, or far above full scale.
        """
        if channels.shape[1] == 0:
            return channels.mean(axis=0)
        if not np.isfinite(channels).all():
            raise UnusableAudioError("has samples that are NaN or infinite")
        peak = float(np.abs(channels).max())
        if peak > FULL_SCALE_LIMIT:
            raise UnusableAudioError(f"peak {peak:.3g} is far above full scale 1.0")
        mono: np.ndarray = channels.mean(axis=0)
        lowest = np.append(channels.min(axis=1), mono.min())
        highest = np.append(channels.max(axis=1), mono.max())
        self._lowest = lowest if self._lowest is None else np.minimum(self._lowest, lowest)
        self._highest = highest if self._highest is None else np.maximum(self._highest, highest)
        return mono

    def check(self) -> None:
        """Refuse a clip that was silent from beginning to end.

        Raises:
            UnusableAudioError: silent, by itself or once mixed.
        """
        assert self._lowest is not None
        assert self._highest is not None
        swings = self._highest - self._lowest  # largest minus lowest value: a constant offset is silent too
        swing = float(swings[:-1].max())
        if swing < SILENCE:
            raise UnusableAudioError("silent")
        if float(swings[-1]) < max(SILENCE, CANCELLED * swing):
            raise UnusableAudioError("its channels cancel out: the mono mix is silent")


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
