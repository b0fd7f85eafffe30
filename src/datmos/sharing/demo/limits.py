"""What a visitor may ask of the demo: how much is uploaded, how long it sounds, how long the work may take."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import NamedTuple, TypeVar

import numpy as np

from datmos.audio.blocks import FileBlocks
from datmos.audio.unusable import UnusableAudioError
from datmos.scoring.engine import Engine, Item, plan_scoring
from datmos.scoring.score import Failure, Score
from datmos.scoring.scorer import Scorer
from datmos.sharing.demo.spectrogram import Spectrogram, compute_spectrogram

COLUMNS = 1600  # of the spectrogram: twice what the picture shows
LOCAL = "`datmos score` has no such limit."

Result = TypeVar("Result")


class Limits(NamedTuple):
    """How much a visitor gets."""

    upload: int = 100_000_000  # bytes
    kept: int = 2_000_000_000  # bytes of all uploads that are there
    audio: float = 600.0  # seconds
    work: float = 120.0  # seconds, from the start of a request to its result
    at_once: int = 2  # requests in work
    waiting: int = 8  # requests that wait for their turn


LIMITS = Limits()


class LimitedBlocks(FileBlocks):
    """The sound of a file, until a limit is reached.

    Seconds are those that are decoded, whatever the file says of itself.

    Raises:
        UnusableAudioError: on the way; also that it is too long, or the time is over.
    """

    def __init__(self, path: Path, limits: Limits, end: float) -> None:
        """Prepare to read a file; ``end`` is in seconds of `time.monotonic`."""
        super().__init__(path)
        self._limits, self._end = limits, end

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield sample rate and channels, float32 (channels, samples)."""
        seconds = 0.0
        for rate, channels in super().__iter__():
            seconds += channels.shape[1] / rate
            if seconds > self._limits.audio:
                raise UnusableAudioError(
                    f"longer than {_span(self._limits.audio)}, which is the most that this page takes. Cut it, or "
                    f"score it in the terminal: {LOCAL}"
                )
            if time.monotonic() > self._end:
                raise UnusableAudioError(_too_slow(self._limits))
            yield rate, channels


def score_upload(scorer: Scorer, path: Path, limits: Limits) -> tuple[Score, Spectrogram]:
    """Score an uploaded file and draw its spectrogram.

    Raises:
        UnusableAudioError: it can't be scored, or is beyond a limit.
    """
    end = time.monotonic() + limits.work
    return _in_time(lambda: _score(scorer, path, limits, end), limits)


def _score(scorer: Scorer, path: Path, limits: Limits, end: float) -> tuple[Score, Spectrogram]:
    def blocks() -> LimitedBlocks:
        return LimitedBlocks(path, limits, end)

    for _ in blocks():  # decoding is cheap: one that is too long or damaged is refused before it is scored
        pass
    engine = Engine(scorer.model, plan_scoring(scorer.model, None, None), None)
    with closing(engine.run([Item(None, blocks)])) as results:
        result = next(results)
    if isinstance(result, Failure):
        raise UnusableAudioError(result.error)
    return result, compute_spectrogram(blocks(), result.seconds, COLUMNS)


def _in_time(work: Callable[[], Result], limits: Limits) -> Result:
    """Return what ``work`` returns, if it is there in time.

    If not, it goes on in its thread until it reads the next block, and nobody waits for it.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return future.result(limits.work)
    except TimeoutError:
        raise UnusableAudioError(_too_slow(limits)) from None


def _too_slow(limits: Limits) -> str:
    return (
        f"not ready after {_span(limits.work)}, which is the most that this page works on a file. Try a shorter "
        f"one, or score it in the terminal: {LOCAL}"
    )


def _span(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"
