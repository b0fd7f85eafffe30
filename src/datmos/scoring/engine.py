"""Decoding, encoding and scoring side by side, with results in the order of the clips.

Workers are threads. Each opens a clip and scores its windows one after another; when no clip is left to open, it
helps with those that others have opened, so that one long clip keeps all cores busy. As in
`datmos.embedding.clip_encoder`, on a CPU every core computes one window at a time on one thread, so that a score
never depends on what else is scored; on a GPU windows of one length, of one clip or many, are computed together.

The thread that asks for results shares no lock with the workers, only `SimpleQueue`s: Ctrl-C may strike it between
any two steps, and one that strikes while a `Condition` is being entered leaves it locked for good.
"""

import os
import threading
from collections.abc import Callable, Generator, Iterable
from queue import Empty, SimpleQueue
from typing import NamedTuple

import torch

from datmos.audio.blocks import Blocks
from datmos.audio.unusable import UnusableAudioError
from datmos.core.batch_size import BatchSize
from datmos.core.errors import DatmosError, first_line
from datmos.embedding.clip_encoder import GPU_BATCH, GPU_WORKERS, one_thread
from datmos.scoring.model import WindowModel, WindowScores
from datmos.scoring.score import Failure, Score, ScoredWindow, make_score
from datmos.scoring.windows import Window, Windows

Inputs = dict[str, torch.Tensor]  # of one window
NO_MEMORY = "not enough memory to score it"
AHEAD = 1000  # clips that may be opened before the result of an earlier one is taken


class Item(NamedTuple):
    """A clip to score."""

    path: str | None
    open: Callable[[], Blocks]


class ScoringPlan(NamedTuple):
    """How the work is laid out."""

    workers: int
    batch_size: int  # windows in a batch
    at_once: int  # batches on the device at a time


def plan_scoring(model: WindowModel, workers: int | None, batch_seconds: float | None) -> ScoringPlan:
    """On a CPU a window a core; else batches, decoded in threads ahead of the device."""
    for name, value in (("workers", workers), ("batch_seconds", batch_seconds)):
        if value is not None and not 0 < value < float("inf"):
            raise DatmosError(f"{name}: a number above 0 is expected, got {value:g}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if model.device.type == "cpu":
        workers = workers or cores
        return ScoringPlan(workers, 1, workers)
    wanted = GPU_BATCH if batch_seconds is None else max(1, int(batch_seconds / model.windowing.seconds))
    return ScoringPlan(workers or max(2, min(cores, GPU_WORKERS)), wanted, 1)


class Engine:
    """Scores clips with a model."""

    def __init__(self, model: WindowModel, plan: ScoringPlan, hop_seconds: float | None) -> None:
        self._model, self._plan, self._hop_seconds = model, plan, hop_seconds
        self._batch_size = BatchSize(
            plan.batch_size,
            "windows",
            model.device,
            f"not even one window of {model.windowing.seconds:g} s fits the memory of {model.device}. Score on the "
            "CPU (device cpu).",
        )
        self._lock = threading.Lock()  # of the workers; guards the next four
        self._open: list[_Job] = []  # clips that may have windows left
        self._results: dict[int, Score | Failure] = {}  # that wait for an earlier one
        self._opened = self._sent = 0
        self._out: SimpleQueue[Score | Failure | BaseException | None] = SimpleQueue()  # in order; None: no more
        self._room: SimpleQueue[None] = SimpleQueue()  # one for every clip that may be opened
        self._ended = self._stop = False
        self._on_device, self._taking = threading.Semaphore(plan.at_once), threading.Lock()

    def run(self, items: Iterable[Item]) -> Generator[Score | Failure, None, None]:
        """Yield the results in order."""
        self._items = iter(items)
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(self._plan.workers)]
        for _ in range(AHEAD):
            self._room.put(None)
        with one_thread(self._model.device):
            try:
                for worker in workers:
                    worker.start()
                while (result := self._out.get()) is not None:
                    if isinstance(result, BaseException):
                        raise result
                    self._room.put(None)
                    yield result
            finally:  # also when whoever asked wants no more, or interrupts
                self._stop = True
                for _ in workers:
                    self._room.put(None)  # wakes one that waits
                for worker in workers:
                    if worker.is_alive():
                        worker.join()

    def _work(self) -> None:
        if self._model.device.type == "cpu":
            torch.set_num_threads(1)  # of this thread, whatever another scorer sets meanwhile
        try:
            own: _Job | None = None
            while not self._stop:
                batch: list[tuple[_Job, int, Window]] = []
                while len(batch) < self._batch_size.size:
                    own = own if own is not None and not own.exhausted else self._find_job(wait=not batch)
                    if own is None:
                        break
                    taken = own.take()
                    if taken is not None:
                        batch.append((own, *taken))
                    elif own.is_done():
                        self._finish(own)
                if not batch:
                    return
                self._score(batch)
        except BaseException as problem:
            self._stop = True
            self._out.put(problem)

    def _find_job(self, wait: bool) -> "_Job | None":
        """Open the next clip, or find one to help with; None when there is none, or none right now."""
        while True:
            with self._lock:
                self._open = [job for job in self._open if not job.exhausted]
                helpless = wait and not self._open
            # not while others are kept from results: the items may come from a slow source
            if not self._ended and self._taking.acquire(blocking=helpless):
                try:
                    job = self._open_next(helpless)
                finally:
                    self._taking.release()
                if job is not None:
                    return job
            if self._stop:
                return None
            with self._lock:
                if self._open or self._ended or not wait:
                    return self._open[0] if self._open else None

    def _open_next(self, wait: bool) -> "_Job | None":
        """Open the next clip; None when there is none, or, unless it is to be waited for, no room for it now."""
        try:
            self._room.get(block=wait)
        except Empty:
            return None
        if self._stop or self._ended:
            return None
        item = next(self._items, None)
        with self._lock:
            if item is None:
                self._ended = True
                self._send()
                return None
            blocks = item.open()
            cut = Windows(blocks, self._model.windowing, self._hop_seconds)
            job = _Job(self._opened, item.path, blocks, cut)
            self._opened += 1
            self._open.append(job)
            return job

    def _send(self) -> None:
        """Hand out the results whose turn it is."""
        while self._sent in self._results:
            self._out.put(self._results.pop(self._sent))
            self._sent += 1
        if self._ended and self._sent == self._opened:
            self._out.put(None)

    def _score(self, batch: "list[tuple[_Job, int, Window]]") -> None:
        full = self._model.windowing.length
        groups: dict[tuple[torch.Size, ...], list[tuple[Inputs, tuple[_Job, int, Window]]]] = {}
        for entry in batch:
            try:
                inputs = self._model.prepare(entry[2].waveform)
            except Exception as error:  # an encoder's own code, and what it makes of a waveform
                self._put(*entry, UnusableAudioError(f"can't be made the encoder's input: {first_line(error)}"))
                continue
            groups.setdefault(tuple(value.shape for value in inputs.values()), []).append((inputs, entry))
        for group in groups.values():
            fill = any(len(window.waveform) == full for _, (_, _, window) in group)
            with self._on_device:
                scores = self._run([inputs for inputs, _ in group], fill)
            for (_, entry), score in zip(group, scores, strict=True):
                self._put(*entry, score)

    def _put(self, job: "_Job", number: int, window: Window, score: WindowScores | UnusableAudioError) -> None:
        job.put(number, window, score)
        if job.is_done():
            self._finish(job)

    def _run(self, inputs: list[Inputs], fill: bool) -> list[WindowScores | UnusableAudioError]:
        """Score windows of one length; on a device whose memory runs out, in ever smaller batches."""

        def compute(start: int, size: int) -> list[WindowScores | UnusableAudioError]:
            part = inputs[start : start + size]
            try:
                # always one shape, so that the same kernels run for every window: the last batch is filled up
                scores = self._compute([*part, *[part[-1]] * (size - len(part) if fill else 0)])
            except torch.OutOfMemoryError:  # of a GPU: smaller batches are tried
                raise
            except Exception as error:  # whatever the network makes of a window: its clip's reason
                if len(part) > 1:
                    return [one for row in part for one in self._run([row], fill)]
                return [_reason(error)]
            return [*scores[: len(part)]]

        return [one for part in self._batch_size.each(len(inputs), compute) for one in part]

    def _compute(self, rows: list[Inputs]) -> list[WindowScores]:
        with torch.inference_mode():
            scores = self._model({name: torch.stack([row[name] for row in rows]) for name in rows[0]})
        distances = [None] * len(rows) if scores.distance is None else scores.distance
        return [WindowScores(*one) for one in zip(scores.mean, scores.covariance, distances, strict=True)]

    def _finish(self, job: "_Job") -> None:
        if not job.claim():
            return
        result = job.result(self._model)
        with self._lock:
            self._results[job.number] = result
            self._send()


class _Job:
    """A clip in work: whoever is free takes its next window."""

    def __init__(self, number: int, path: str | None, blocks: Blocks, cut: Windows) -> None:
        self.number, self.exhausted = number, False
        self._path, self._blocks, self._cut = path, blocks, cut
        self._windows = iter(cut)
        self._decoding, self._counting = threading.Lock(), threading.Lock()
        self._taken = self._pending = 0
        self._claimed = False
        self._scored: dict[int, ScoredWindow] = {}
        self._error: str | None = None

    def take(self) -> tuple[int, Window] | None:
        """Decode the next window that has any sound; None when there is none."""
        with self._decoding:
            while not self.exhausted:
                try:
                    window = next(self._windows, None)
                except Exception as error:  # decoded data that nobody has checked: its reason, not the run's end
                    self._error, window = first_line(error), None
                with self._counting:
                    if window is None or self._error is not None:
                        self.exhausted = True
                        return None
                    number = self._taken
                    self._taken += 1
                    if window.silent:
                        self._scored[number] = ScoredWindow(window.start, None, None, None)
                        continue
                    self._pending += 1
                return number, window
        return None

    def put(self, number: int, window: Window, score: WindowScores | UnusableAudioError) -> None:
        """Keep a window's score."""
        with self._counting:
            self._pending -= 1
            if isinstance(score, UnusableAudioError):
                self._error = self._error or str(score)
            else:
                distance = None if score.distance is None else float(score.distance)
                self._scored[number] = ScoredWindow(window.start, score.mean, score.covariance, distance)

    def is_done(self) -> bool:
        """Tell whether nothing is left to be taken or put."""
        with self._counting:
            return self.exhausted and self._pending == 0

    def claim(self) -> bool:
        """Return True to the first who asks."""
        with self._counting:
            self._claimed, before = True, self._claimed
            return not before

    def result(self, model: WindowModel) -> Score | Failure:
        """Put the windows together."""
        if self._error is not None:
            return Failure(self._path, self._error, self._blocks.facts)
        scored = [self._scored[number] for number in sorted(self._scored)]
        if all(window.mean is None for window in scored):
            return Failure(self._path, "silent in every window", self._blocks.facts)
        try:
            return make_score(self._path, model, self._blocks, self._cut, scored)
        except UnusableAudioError as error:
            return Failure(self._path, str(error), self._blocks.facts)


def _reason(error: Exception) -> UnusableAudioError:
    """Return why a window has no score; PyTorch says it with a RuntimeError when the memory of a CPU runs out."""
    if isinstance(error, UnusableAudioError):
        return error
    text = str(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in text or "not enough memory" in text:
        return UnusableAudioError(NO_MEMORY)
    return UnusableAudioError(f"the model can't score it ({type(error).__name__}: {first_line(error)})")
