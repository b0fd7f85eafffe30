"""The process that decodes: strangers' files are read here, in memory and time that are bounded whatever they say.

`datmos.audio.decoders` starts it, hands it open files, and asks for their samples. A file that needs more than it
may have is the end of this process, and of nothing else.
"""

import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from pathlib import Path
from typing import Any, cast

import numpy as np

from datmos.audio.ffmpeg import FfmpegSound, open_with_ffmpeg
from datmos.audio.libsndfile import SndfileSound, open_with_libsndfile
from datmos.audio.outline import Outline, read_outline
from datmos.audio.unusable import NotOpenedError, UnusableAudioError, reasons


def serve(number: int, memory: int, seconds: float) -> None:
    """Answer questions, until whoever asks is gone.

    Args:
        number: file descriptor of this end of the connection.
        memory: bytes of address space, besides what this process has now.
        seconds: of computing for a file, besides as many as its sound has lasted so far.
    """
    _bound_memory(memory)
    connection = Connection(number)
    try:
        while True:
            with ExitStack() as opened:
                _answer(connection, _Clock(seconds), opened)
    except (EOFError, OSError):
        return


def _answer(connection: Connection, clock: "_Clock", opened: ExitStack) -> None:
    """Answer the questions about one file: "open" (with its descriptor), "seek", "size" of a block, and "close"."""
    parts: Iterator[np.ndarray] | None = None
    while "close" not in (question := json.loads(connection.recv_bytes())):
        reply: dict[str, Any] = {}
        data = memoryview(b"")
        try:
            with clock.running(), reasons():
                if "open" in question:
                    file = opened.enter_context(os.fdopen(recv_handle(connection), "rb", buffering=0))
                    sound, outline = _open(file, question["open"], opened)
                    reply = _describe(sound, outline)
                elif "seek" in question:
                    cast(SndfileSound, sound).seek(question["seek"])
                else:
                    parts = parts or sound.blocks(question["size"])
                    block = next(parts, None)
                    reply = {"more": block is not None}
                    if block is not None and block.size:
                        clock.left += len(block) / sound.sample_rate
                        data = np.ascontiguousarray(block).data.cast("B")
        except UnusableAudioError as error:
            reply = {"unusable": str(error)}
        connection.send_bytes(json.dumps(reply | {"bytes": len(data)}).encode())
        _write(connection.fileno(), data)


def _write(number: int, data: memoryview) -> None:
    while data:
        data = data[os.write(number, data) :]


def _open(file: FileIO, name: str, opened: ExitStack) -> tuple[SndfileSound | FfmpegSound, Outline]:
    """Open a file by its content: libsndfile if it knows it, else FFmpeg."""
    outline = read_outline(file)
    try:
        return opened.enter_context(open_with_libsndfile(file, outline)), outline
    except NotOpenedError as error:
        reason = str(error)
    try:
        return opened.enter_context(open_with_ffmpeg(file, name)), outline
    except NotOpenedError:
        raise UnusableAudioError(reason) from None  # libsndfile's words: most such files are broken wav or flac


def _describe(sound: SndfileSound | FfmpegSound, outline: Outline) -> dict[str, Any]:
    return {
        "sample_rate": sound.sample_rate,
        "channels": sound.channels,
        "samples": getattr(sound, "samples", None),
        "promised": sound.promised,
        "seconds": None if outline.chained else sound.seconds,  # the header speaks of the first part
        "outline": outline,
    }


def _bound_memory(memory: int) -> None:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:  # not Linux: there the limit has no effect
        return
    limit = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


class _Clock:
    """Ends this process when a file takes too much computing; waiting for a slow disk does not count."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take the time of the block of the ``with``."""
        signal.setitimer(signal.ITIMER_PROF, self.left)
        self.left = 0.0
        try:
            yield
        finally:
            self.left += signal.setitimer(signal.ITIMER_PROF, 0)[0]
