"""Decoding what libsndfile can't open (m4a, webm, wma, g722, ...) with FFmpeg's libraries."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np


class NotAudioError(Exception):
    """FFmpeg does not know the format, or finds no sound in it."""


class Decoded(NamedTuple):
    """The part of a file that was asked for."""

    samples: np.ndarray  # float32, (samples, channels)
    sample_rate: int
    duration_s: float  # of the whole file


def decode_excerpt(path: Path, clip_seconds: float, offset: float) -> Decoded:
    """Decode ``clip_seconds`` from ``offset`` on, earlier if the file ends before.

    Decoding starts at the beginning, since seeking in these containers is not exact, and ends with the excerpt.

    Raises:
        NotAudioError: see there.
    """
    try:
        return _decode(path, clip_seconds, offset)
    except av.FFmpegError as error:
        raise NotAudioError(str(error)) from None


def decode_blocks(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Decode a whole file, piece by piece: yields sample rate and samples, float32, (samples, channels).

    Raises:
        NotAudioError: see there.
    """
    try:
        with av.open(str(path)) as container:
            stream, rate = _find_audio(container)
            for block in _blocks(container, stream):
                yield rate, block
    except av.FFmpegError as error:
        raise NotAudioError(str(error)) from None


def _decode(path: Path, clip_seconds: float, offset: float) -> Decoded:
    with av.open(str(path)) as container:
        stream, rate = _find_audio(container)
        wanted, end = round(clip_seconds * rate), round((offset + clip_seconds) * rate)
        blocks: list[np.ndarray] = []
        found = 0
        for block in _blocks(container, stream):
            blocks.append(block)
            found += len(block)
            if found >= end:
                break
        samples = np.concatenate(blocks) if blocks else np.empty((0, stream.channels), dtype=np.float32)
        start = max(0, min(round(offset * rate), found - wanted))
        ended = found < end
        told = None if container.duration is None else container.duration / av.time_base
        duration = found / rate if ended or told is None else told
    return Decoded(samples[start : start + wanted], rate, duration)


def _find_audio(container: Any) -> tuple[Any, int]:
    """Return the first audio track and its sample rate."""
    if not container.streams.audio:
        raise NotAudioError("has no audio track")
    stream = container.streams.audio[0]
    if not stream.codec_context.sample_rate or not stream.codec_context.channels:
        raise NotAudioError("its audio track has no sample rate")
    return stream, stream.codec_context.sample_rate


def _blocks(container: Any, stream: Any) -> Iterator[np.ndarray]:
    """Decode a track frame by frame: float32, (samples, channels)."""
    context = stream.codec_context
    to_float = av.AudioResampler(format="flt", layout=context.layout, rate=context.sample_rate)
    for frame in container.decode(stream):
        for plain in to_float.resample(frame):
            yield plain.to_ndarray().reshape(-1, context.channels)  # interleaved
