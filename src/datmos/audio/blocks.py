"""Decoding audio of any length block by block, in a memory that does not grow."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from datmos.audio.decode import NotOpenedError, UnusableAudioError, check_file
from datmos.audio.ffmpeg import NotAudioError, decode_blocks

BLOCK = 2**18  # samples decoded at a time: 6 s at 44.1 kHz


def read_blocks(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Decode a file from beginning to end: yields sample rate and channels, float32, (channels, samples).

    There is one block at least, though it may be empty.

    Raises:
        UnusableAudioError: not a readable file.
    """
    if path.is_dir():
        raise UnusableAudioError("is a folder, not a file")
    try:
        yield from _with_libsndfile(path)
    except NotOpenedError as error:
        yield from _with_ffmpeg(path, str(error))


def _with_libsndfile(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    opened = False
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            opened = True
            while True:
                block = file.read(BLOCK, dtype="float32", always_2d=True)  # (samples, channels)
                yield file.samplerate, np.ascontiguousarray(block.T)
                if len(block) < BLOCK:
                    return
    except soundfile.LibsndfileError as error:
        check_file(path)
        reason = f"can't be decoded: {error.error_string.strip()}"
        raise (UnusableAudioError if opened else NotOpenedError)(reason) from None
    except OSError as error:
        raise UnusableAudioError(str(error)) from None


def _with_ffmpeg(path: Path, reason: str) -> Iterator[tuple[int, np.ndarray]]:
    rate, waiting, count = 0, [], 0
    try:
        for rate, frame in decode_blocks(path):
            waiting.append(frame)
            count += len(frame)
            if count >= BLOCK:
                yield rate, np.ascontiguousarray(np.concatenate(waiting).T)
                waiting, count = [], 0
    except NotAudioError as error:
        # libsndfile's words if FFmpeg knows no better: most such files are broken wav or flac
        raise UnusableAudioError(f"can't be decoded: {error}" if rate else reason) from None
    if waiting:
        yield rate, np.ascontiguousarray(np.concatenate(waiting).T)
    elif not rate:
        raise UnusableAudioError(reason)
