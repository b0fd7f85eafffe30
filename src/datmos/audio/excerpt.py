"""Reading audio: only the needed seconds, mono, at the file's own rate, cropped."""

from collections import deque
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datmos.audio.blocks import BLOCK
from datmos.audio.decoders import Sound, open_sound
from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError

SILENCE = 1e-5  # peak below -100 dBFS: nothing a listener could have rated
FRAMES = 2**14  # samples decoded at a time where decoding ends with the excerpt
CANCELLED = 1e-3  # mono mix 60 dB below its channels: opposite phases, not a recording
FULL_SCALE_LIMIT = 10.0  # +20 dB over full scale: integers stored as floats, or garbage


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
    with open_sound(path) as (sound, _):
        wanted = round(audio.clip_seconds * sound.sample_rate)
        if sound.samples is not None:
            return _cut_anywhere(sound, sound.samples, audio, wanted)
        return _cut(sound, audio, wanted)


def _cut_anywhere(sound: Sound, available: int, audio: AudioParams, wanted: int) -> tuple[np.ndarray, AudioHeader]:
    """Cut from a sound that tells its length and can be entered anywhere."""
    rate = sound.sample_rate
    check_length(available / rate, audio.min_seconds)
    start = min(round(audio.offset * rate), max(0, available - wanted))
    if start > 0:
        sound.seek(start)
    mixer, mono, found = Mixer(), [], 0
    size = max(1, min(wanted, BLOCK // sound.channels))
    for block in sound.blocks(size):
        block = block[: wanted - found]
        found += len(block)
        mono.append(mixer.mix(_channels(block)))
        if found >= wanted:
            break
    seconds = available / rate
    if found < min(wanted, available - start):  # cut short: the header promises more than there is
        seconds = (start + found) / rate
    return _join(mono, mixer, rate, audio), AudioHeader(seconds, rate, sound.channels)


def _cut(sound: Sound, audio: AudioParams, wanted: int) -> tuple[np.ndarray, AudioHeader]:
    """Cut from a sound that shows its length when it ends; decoding ends with the excerpt if a header tells it."""
    rate, offset = sound.sample_rate, round(audio.offset * sound.sample_rate)
    kept: deque[np.ndarray] = deque()
    found = first = 0  # samples decoded; the number of the first that is kept
    for block in sound.blocks(FRAMES):
        if found < offset + wanted:
            kept.append(block)
        found += len(block)
        # what lies before the offset is of use only if the sound ends early
        while first + len(kept[0]) <= min(offset, found - wanted):
            first += len(kept.popleft())
        if found >= offset + wanted and sound.seconds is not None:  # else only the end tells how long it is
            break
    start = max(0, min(offset, found - wanted))
    ended = found < offset + wanted
    seconds = found / rate if ended or sound.seconds is None else sound.seconds
    check_length(seconds, audio.min_seconds)
    samples = np.concatenate(kept)[start - first :][:wanted]
    mixer = Mixer()
    mono = [mixer.mix(_channels(part)) for part in np.array_split(samples, -(-samples.size // BLOCK) or 1)]
    return _join(mono, mixer, rate, audio), AudioHeader(seconds, rate, sound.channels)


def _channels(block: np.ndarray) -> np.ndarray:
    """Turn (samples, channels) over: numpy is ten times faster along long rows."""
    return np.ascontiguousarray(block.T)


def _join(mono: list[np.ndarray], mixer: "Mixer", rate: int, audio: AudioParams) -> np.ndarray:
    samples = np.concatenate(mono) if mono else np.empty(0, dtype=np.float32)
    if len(samples) < audio.min_seconds * rate:
        raise UnusableAudioError(f"only {len(samples)} samples could be decoded")
    mixer.check()
    return samples


def check_length(duration_s: float, min_seconds: float) -> None:
    """Refuse a clip that is too short."""
    if duration_s < min_seconds:
        raise UnusableAudioError(f"{duration_s:.3g} s long, shorter than audio.min_seconds {min_seconds:g}")


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
