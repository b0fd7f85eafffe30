"""Decoding what libsndfile can't open (m4a, webm, wma, g722, ...) with FFmpeg's libraries.

FFmpeg can do much more than decode: it follows playlists to other files and to other machines. Here it is given a
stream of bytes and no name, a list of containers, and no protocol.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import PurePath
from typing import Any

import av
import numpy as np

from datmos.audio.limits import check_format
from datmos.audio.unusable import NotOpenedError, UnusableAudioError
from datmos.core.errors import first_line

# FFmpeg's names for containers of sound, and of films with sound; none of them refers to another file
CONTAINERS = (
    "aac", "ac3", "aiff", "amr", "amrnb", "amrwb", "ape", "asf", "au", "avi", "caf", "dts", "dtshd", "eac3", "flac",
    "flv", "g722", "loas", "matroska", "mov", "mp3", "mpc", "mpc8", "mpeg", "mpegts", "ogg", "tak", "truehd", "tta",
    "voc", "w64", "wav", "wv",
)  # fmt: skip
# of these, those whose headers tell the duration; of others FFmpeg guesses it from the size of the file
TELLING = ("ape", "asf", "avi", "caf", "flv", "matroska", "mov", "mpc", "mpc8", "tak", "tta", "wv")
OPTIONS = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "none"}
# titles need not be UTF-8; PyAV 19 (Python 3.12 and newer) takes them as they are, and no longer has the option
ANY_TITLES: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
MOST_SAMPLES = 2**20  # of one frame: bounds what a damaged one can allocate


class FfmpegSound:
    """An open file.

    Attributes:
        sample_rate: Hz.
        channels: how many.
        promised: seconds that the header says; None: it says nothing.
        seconds: how long it is, by the header or guessed from the size of the file; None: nothing to go by.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self._container, self._stream = container, stream
        context = stream.codec_context
        self.sample_rate, self.channels = int(context.sample_rate), int(context.channels)
        self.seconds = None if container.duration is None else float(container.duration / av.time_base)
        self.promised = _promised(container, stream)

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Yield float32 (samples, channels) of ``size`` samples or a little more, the last of what is left."""
        waiting: list[np.ndarray] = []
        for frame in self._frames():
            waiting.append(frame)
            if sum(map(len, waiting)) >= size:
                yield np.concatenate(waiting)
                waiting = []
        yield np.concatenate(waiting) if waiting else np.empty((0, self.channels), dtype=np.float32)

    def _frames(self) -> Iterator[np.ndarray]:
        layout = self._stream.codec_context.layout
        to_float = av.AudioResampler(format="flt", layout=layout, rate=self.sample_rate)
        for frame in self._container.decode(self._stream):
            if (frame.sample_rate, frame.layout.nb_channels) != (self.sample_rate, self.channels):
                raise UnusableAudioError(
                    f"changes from {self.channels} channels at {self.sample_rate} Hz to {frame.layout.nb_channels} "
                    f"at {frame.sample_rate} Hz"
                )
            for plain in to_float.resample(frame):
                yield plain.to_ndarray().reshape(-1, self.channels)  # interleaved


@contextmanager
def open_with_ffmpeg(file: FileIO, name: str) -> Iterator[FfmpegSound]:
    """Open a file's default audio track.

    Args:
        file: its bytes.
        name: of the file; its ending tells formats without a header (g722).

    Raises:
        NotOpenedError: FFmpeg does not know the format, or it is not a permitted one, or has no sound in it.
        UnusableAudioError: outside the limits.
    """
    file.seek(0)
    try:
        container = av.open(_Bytes(file, name), options=OPTIONS, **ANY_TITLES)
    except (av.FFmpegError, ValueError) as error:
        raise NotOpenedError(f"can't be decoded: {first_line(error)}") from None
    with container:
        stream = container.streams.best("audio")  # the default track
        if stream is None or not stream.codec_context:
            raise NotOpenedError("can't be decoded: has no audio track")
        context: Any = stream.codec_context
        if not context.sample_rate or not context.channels:
            raise NotOpenedError("can't be decoded: its audio track has no sample rate or no channels")
        context.options = {"max_samples": str(MOST_SAMPLES)}
        check_format(context.sample_rate, context.channels)
        yield FfmpegSound(container, stream)


class _Bytes:
    """What PyAV needs of a file, and no more: with a name it would be taken for an address."""

    def __init__(self, file: FileIO, name: str) -> None:
        self._file, self.read, self.tell = file, file.read, file.tell
        suffix = PurePath(name).suffix.lower()
        self.name = f"clip{suffix}" if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else "clip"

    def seek(self, place: int, whence: int) -> int:
        """Go to a place; damaged files send FFmpeg to some before the file: an error, as FFmpeg tells it."""
        try:
            return self._file.seek(place, whence)
        except (OSError, OverflowError):
            return -errno.EINVAL


def _promised(container: Any, stream: Any) -> float | None:
    """Return the seconds that the header promises, None if it tells nothing."""
    if container.format.name.split(",")[0] not in TELLING:
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and not container.streams.video:  # a film may be longer than its sound
        return float(container.duration / av.time_base)
    return None
