"""Decoding with libsndfile (wav, flac, ogg, mp3, ...)."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO

import numpy as np
import soundfile

from datmos.audio.limits import check_format
from datmos.audio.ogg import OggPages, read_pages
from datmos.audio.unusable import NotOpenedError, UnusableAudioError

# of its formats, those that hold recordings; the others (Matlab's, samplers') are not sound that people rate
PERMITTED = ("AIFF", "AU", "CAF", "FLAC", "MP3", "NIST", "OGG", "RF64", "VOC", "W64", "WAV", "WAVEX")
# a line of libsndfile's log: bytes that a header promises, and those that are there
PROMISE = re.compile(r": (\d+) \(should be (\d+)\)")
UNKNOWN = (2**31, 2**32)  # what programs that write to a pipe put, about, where the length should be
ABOUT = 2**13
SKIPPED = 2**16  # samples decoded at a time where they are not used


class SndfileSound:
    """An open file.

    Attributes:
        sample_rate: Hz.
        channels: how many.
        promised: seconds that the header says; None: it says nothing.
        ended: whether the file has an end, as far as its format marks one.
        samples: how many there are, by the header.
        seconds: how long that is.
    """

    def __init__(self, file: soundfile.SoundFile, pages: OggPages | None) -> None:
        self._file = file
        self.sample_rate, self.channels = file.samplerate, file.channels
        self.samples = int(file.frames)
        self.seconds = self.samples / self.sample_rate
        self.ended = pages is None or pages.ended
        self.promised: float | None = None if pages else _promised(file) / file.samplerate

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
def open_with_libsndfile(file: FileIO) -> Iterator[SndfileSound]:
    """Open a file.

    Raises:
        NotOpenedError: it is of no format that libsndfile knows, or of one that it reads in part.
        UnusableAudioError: outside the limits.
    """
    pages = read_pages(file)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    try:
        opened = soundfile.SoundFile(file.fileno(), closefd=False)  # by number: it never sees a name
    except soundfile.LibsndfileError as error:
        raise NotOpenedError(_reason(error)) from None
    with opened:
        if opened.format not in PERMITTED:
            raise NotOpenedError(f"can't be decoded: {opened.format} is not a format of recordings")
        if pages is not None and pages.chained:
            raise NotOpenedError("can't be decoded: a chain of Ogg streams, of which libsndfile reads the first")
        check_format(opened.samplerate, opened.channels)
        yield SndfileSound(opened, pages)


def _promised(file: soundfile.SoundFile) -> float:
    """Return how many samples the header promises; libsndfile itself counts those that are there."""
    sizes = [tuple(map(int, found)) for found in PROMISE.findall(file.extra_info)]
    promised, there = sizes[-1] if sizes else (1, 1)
    if there <= 0 or promised <= there or any(abs(promised - unknown) < ABOUT for unknown in UNKNOWN):
        return float(file.frames)
    return float(file.frames) * promised / there


def _reason(error: soundfile.LibsndfileError) -> str:
    return f"can't be decoded: {error.error_string.strip()}"
