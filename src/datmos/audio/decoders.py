"""One way to decode, whatever the format: by processes of their own, whose memory and time are bounded."""

import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from multiprocessing import Pipe
from multiprocessing.reduction import send_handle
from pathlib import Path
from typing import Any

import numpy as np

from datmos.audio import limits
from datmos.audio.open_file import FileFacts, open_audio
from datmos.audio.outline import Outline
from datmos.audio.unusable import UnusableAudioError, reasons

TOLERANCE = 0.1  # seconds that a header may promise too much: encoders fill up their last frame
MOST_FILES = 1000  # that one process decodes: whatever decoders leak is gone with it
SERVE = "datmos.audio.decoder_process.serve"  # named, not imported: decoders are loaded where they run alone
START = "import pkgutil, sys; sys.path[:] = {path!r}; pkgutil.resolve_name({serve!r})(*{arguments!r})"
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # threads take address space, and have nothing to do


class Sound:
    """An open file.

    Attributes:
        sample_rate: Hz.
        channels: how many.
        samples: how many there are, by the header, of a file that can be entered anywhere; None of others.
        seconds: how long it is, by the header or guessed from the size of the file; None: nothing to go by.
        promised: seconds that the header says; None: it says nothing.
        outline: what headers say besides.
    """

    def __init__(self, decoder: "_Decoder", file: FileIO, name: str) -> None:
        self._decoder = decoder
        found, _ = decoder.ask({"open": name}, file)
        self.sample_rate, self.channels = int(found["sample_rate"]), int(found["channels"])
        self.samples: int | None = found["samples"]
        self.seconds: float | None = found["seconds"]
        self.promised: float | None = found["promised"]
        self.outline = Outline(*found["outline"])

    def seek(self, sample: int) -> None:
        """Go on from a sample, in a file whose ``samples`` are known, before any is decoded."""
        self._decoder.ask({"seek": sample})

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Yield float32 (samples, channels) of ``size`` samples or a little more, the last of what is left."""
        while True:
            found, samples = self._decoder.ask({"size": size})
            if not found["more"]:
                return
            yield samples.view(np.float32).reshape(-1, self.channels)


@contextmanager
def open_sound(path: Path) -> Iterator[tuple[Sound, FileFacts]]:
    """Open a file by its content; gives its sound, and the facts of the file.

    Raises:
        UnusableAudioError: not a readable file, outside the limits, or too much for the decoder; whatever is raised
            while it is decoded, in the block of the ``with``, becomes this too.
    """
    with open_audio(path) as (file, facts), reasons():
        decoder = _take()
        try:
            yield Sound(decoder, file, path.name), facts
        finally:
            decoder.put_away()


def describe_shortfall(sound: Sound, found: float) -> str | None:
    """Say that a file holds less than it promises, or more than was heard; None if it does not.

    Args:
        sound: after all of it was decoded.
        found: seconds that were decoded.
    """
    promised = max(sound.promised or 0.0, found * sound.outline.promise)
    if found < promised - TOLERANCE:
        return f"holds {found:.1f} of {promised:.1f} s: the file is cut off or damaged"
    if not sound.outline.ended:
        return f"holds {found:.1f} s and no end: the file is cut off"
    if sound.outline.followed:
        return f"goes on after {found:.1f} s: another file follows in it, which was not heard"
    return None


class _Decoder:
    """A process that decodes one file after the other (`datmos.audio.decoder_process`)."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        code = START.format(path=sys.path, serve=SERVE, arguments=(theirs.fileno(), limits.MEMORY, limits.DECODING))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
                env=os.environ | ALONE, start_new_session=True,  # Ctrl-C is for us
            )  # fmt: skip
        self._files, self._asked = 0, False

    def ask(self, question: dict[str, Any], file: FileIO | None = None) -> tuple[dict[str, Any], np.ndarray]:
        """Ask, and wait for the answer.

        Returns:
            the answer, and the bytes that follow it.

        Raises:
            UnusableAudioError: the file is to blame, or too much for the process.
        """
        self._asked = True
        try:
            self._connection.send_bytes(json.dumps(question).encode())
            if file is not None:
                self._files += 1
                send_handle(self._connection, file.fileno(), self._process.pid)
            answer: dict[str, Any] = json.loads(self._connection.recv_bytes())
            data = self._receive(answer["bytes"])
        except (EOFError, OSError):
            raise UnusableAudioError(self._end()) from None
        self._asked = False
        if "unusable" in answer:
            raise UnusableAudioError(answer["unusable"])
        return answer, data

    def put_away(self) -> None:
        """Close the file, and wait for the next one; a process that is in the middle of something is ended."""
        if self._asked or self._files >= MOST_FILES:
            self._process.kill()
            self.stop()
            return
        with suppress(OSError):  # somebody has ended it: the next file gets another
            self._connection.send_bytes(b'{"close": 1}')
            _idle.append(self)

    def is_alive(self) -> bool:
        """Tell whether nobody has ended it meanwhile."""
        return self._process.poll() is None

    def stop(self) -> int:
        """End the process; returns its status."""
        self._connection.close()
        return self._process.wait()

    def _receive(self, count: int) -> np.ndarray:
        data = np.empty(count, dtype=np.uint8)
        left = data.data
        while left:  # `Connection` would copy them once more
            received = os.readv(self._connection.fileno(), [left])
            if received == 0:
                raise EOFError
            left = left[received:]
        return data

    def _end(self) -> str:
        status = self.stop()
        if status == -signal.SIGPROF:
            return "can't be decoded: it takes too long"
        return f"can't be decoded: it takes too much memory, or breaks the decoder (status {status})"


_idle: list[_Decoder] = []


def _take() -> _Decoder:
    while True:
        try:
            decoder = _idle.pop()
        except IndexError:
            return _Decoder()
        if decoder.is_alive():
            return decoder


def _stop_all() -> None:
    while _idle:
        _idle.pop().stop()


atexit.register(_stop_all)
os.register_at_fork(after_in_child=_idle.clear)  # they are the parent's
