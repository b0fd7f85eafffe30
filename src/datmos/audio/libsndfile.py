"""Decoding with libsndfile (wav, flac, ogg, mp3, ...)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO

import numpy as np
import soundfile

from datmos.audio.limits import check_format
from datmos.audio.outline import Outline
from datmos.audio.unusable import NotOpenedError, UnusableAudioError

# of its formats, those that hold recordings; the others (Matlab's, samplers') are not sound that people rate
PERMITTED = ("AIFF", "AU", "CAF", "FLAC", "MP3", "NIST", "OGG", "RF64", "VOC", "W64", "WAV", "WAVEX")
SKIPPED = 2**16  # samples decoded at a time where they are not used


class SndfileSound:
    """An open file.

    Attributes:
        sample_rate: Hz.
        channels: how many.
        promised: seconds that the header says, of those formats whose samples libsndfile does not count.
        samples: how many there are, by the header.
        seconds: how long that is.
    """

    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file
        self.sample_rate, self.channels = file.samplerate, file.channels
        self.samples = int(file.frames)
        self.seconds = self.samples / self.sample_rate
        self.promised: float | None = self.seconds

    def seek(self, sample: int) -> None:
        """Go on from a sample; where a format can't (GSM 6.10), what comes before is decoded."""
        if self._file.seekable():
            self._file.seek(sample)
            return
        while sample > 0 and (skipped := len(self._file.read(min(sample, SKIPPED), always_2d=True))):
            sample -= skipped

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Yield float32 (samples, channels), all of ``size`` samples but the last."""
        while True:
            try:
                block = self._file.read(size, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise UnusableAudioError(_reason(error)) from None
            yield block
            if len(block) < size:
                return


@contextmanager
def open_with_libsndfile(file: FileIO, outline: Outline) -> Iterator[SndfileSound]:
    """Open a file whose headers say ``outline``.

    Raises:
        NotOpenedError: it is of no format that libsndfile knows, or of one that it reads in part.
        UnusableAudioError: outside the limits.
    """
    if outline.chained or outline.unstated:
        raise NotOpenedError("can't be decoded: libsndfile would read a part of it")
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    try:
        opened = soundfile.SoundFile(file.fileno(), closefd=False)  # by number: it never sees a name
    except soundfile.LibsndfileError as error:
        raise NotOpenedError(_reason(error)) from None
    with opened:
        if opened.format not in PERMITTED:
            raise NotOpenedError(f"can't be decoded: {opened.format} is not a format of recordings")
        check_format(opened.samplerate, opened.channels)
        yield SndfileSound(opened)


def _reason(error: soundfile.LibsndfileError) -> str:
    return f"can't be decoded: {error.error_string.strip()}"
