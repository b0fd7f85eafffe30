"""From clips to embeddings in the cache: decoding, encoding and writing side by side.

A clip's values must not depend on which clips were computed with it. On a CPU every core therefore takes one clip
at a time, on one thread (several threads add up in another order): the same bits whatever the number of cores, and
faster than all cores on one clip. On a GPU all batches have one size, the last one filled up.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from datmos.audio.open_file import unchanged
from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError
from datmos.audio.waveform import load_clip
from datmos.core.batch_size import BatchSize
from datmos.core.errors import DatmosError
from datmos.core.files import file_digest
from datmos.core.processes import Processes
from datmos.core.statistics import time_statistics
from datmos.embedding.cache import ClipCache, Form, form_of
from datmos.embedding.encoders.interface import Encoder
from datmos.embedding.settings import EmbedParams

FLOAT16_MAX = 65504.0
GPU_BATCH = 64  # tried first where embed.batch_size is null, then halved while memory runs out
GPU_WORKERS = 16  # threads that decode ahead of a GPU, at most


class EmbeddingPlan(NamedTuple):
    """How the work is laid out on a machine."""

    batch_size: int  # clips in a batch
    workers: int  # threads; each decodes a batch, has it encoded, and writes it
    at_once: int  # batches in the encoder at a time


def plan_work(params: EmbedParams, processes: Processes) -> EmbeddingPlan:
    """Lay out the work: on a CPU one clip a core; else batches, decoded in threads ahead of the device."""
    cores = max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    share = max(1, cores // processes.local_count)
    if processes.device.type == "cpu":
        workers = params.workers or share
        return EmbeddingPlan(batch_size=1, workers=workers, at_once=workers)
    workers = params.workers or min(share, GPU_WORKERS)
    return EmbeddingPlan(batch_size=params.batch_size or GPU_BATCH, workers=max(2, workers), at_once=1)


class ClipEncoder:
    """Computes embeddings of a manifest's clips into the cache.

    Attributes:
        form: of what the encoder gives for a clip; None until it has given something.
    """

    def __init__(
        self,
        manifest: pd.DataFrame,
        root: Path,
        audio: AudioParams,
        encoder: Encoder,
        cache: ClipCache,
        plan: EmbeddingPlan,
        device: torch.device,
    ) -> None:
        self.form: Form | None = None
        self._cache = cache
        self._paths = [root / name for name in manifest["path"]]
        self._digests = list(manifest["sha256"])
        self._audio, self._encoder, self._device = audio, encoder, device
        self._plan = plan
        self._batch_size = BatchSize(
            plan.batch_size,
            "clips",
            device,
            f"not even one clip of {audio.clip_seconds:g} s fits the memory of {device}. Lower audio.clip_seconds, "
            "set encoder.dtype=bfloat16, or use a smaller encoder.",
        )
        self._loaded = False

    def compute(self, rows: Sequence[int], show: bool) -> None:
        """Embed the clips of ``rows`` into the cache, in threads."""
        if not rows:
            return
        if not self._loaded:
            self._encoder.load()
            self._loaded = True
        size = self._plan.batch_size
        batches = iter([rows[start : start + size] for start in range(0, len(rows), size)])
        taking, stop = threading.Lock(), threading.Event()
        encoding = threading.Semaphore(self._plan.at_once)
        # a finished batch is written while the next is in the encoder; no more may wait: a kill would lose them
        unwritten = threading.Semaphore(self._plan.at_once + 1)
        progress = tqdm(
            total=len(rows), desc=f"embedding with {self._encoder.identity['name']}", unit="clip", disable=not show
        )

        def work() -> None:
            try:
                while not stop.is_set():
                    with taking:
                        batch = next(batches, None)
                    if batch is None:
                        return
                    inputs = self._stack([self._load(row) for row in batch])
                    with unwritten:
                        with encoding, torch.inference_mode():
                            outputs, finish = self._encode(inputs)
                        finish()
                        self._write(batch, outputs)
                    with taking:
                        progress.update(len(batch))
            except BaseException:
                stop.set()
                raise

        with progress, one_thread(self._device), ThreadPoolExecutor(self._plan.workers) as threads:
            workers = [threads.submit(work) for _ in range(self._plan.workers)]
            try:
                for worker in workers:
                    worker.result()
            finally:
                stop.set()  # also when the person at the terminal interrupts

    def _load(self, row: int) -> dict[str, Tensor]:
        """Decode a clip and make the encoder's inputs of it."""
        waveform = load_unchanged(self._paths[row], self._digests[row], self._audio, self._encoder.sample_rate)
        return self._encoder.prepare(waveform)

    def _stack(self, inputs: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Make one batch, (B, ...) each, that a GPU can fetch by itself."""
        stacked = {name: torch.stack([clip[name] for clip in inputs]) for name in inputs[0]}
        pin = self._device.type == "cuda"
        return {name: value.pin_memory() for name, value in stacked.items()} if pin else stacked

    def _encode(self, inputs: dict[str, Tensor]) -> tuple[dict[str, Tensor], Callable[[], None]]:
        """Run the encoder; on a device whose memory runs out, in ever smaller batches.

        Returns:
            What `_run` gives, on the CPU, and a function that returns when a GPU has written it there.
        """
        count = len(next(iter(inputs.values())))

        def compute(start: int, size: int) -> dict[str, Tensor]:
            # always one shape, so that the same kernels run for every clip: the last batch is filled up
            rows = torch.arange(start, start + size).clamp(max=count - 1)
            return self._run({name: value[rows] if size != count else value for name, value in inputs.items()})

        parts = self._batch_size.each(count, compute)
        finish = _recorded() if self._device.type == "cuda" else _at_once
        if len(parts) > 1:
            finish()
        return {name: torch.cat([part[name] for part in parts])[:count] for name in parts[0]}, finish

    def _run(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Embed one batch: a clip's arrays as `ClipCache` keeps them, (B, ...) each, and "fits" (B,)."""
        on_device = {name: value.to(self._device, non_blocking=True) for name, value in inputs.items()}
        *frames, pooled = (layer.float() for layer in self._encoder(on_device))  # (B, D, T) each
        outputs = {str(index): layer.half() for index, layer in enumerate(frames[: self._cache.layers])}
        outputs["statistics"] = time_statistics(frames[0].half().float())
        outputs["pooled"] = pooled.mean(dim=2)
        outputs["length"] = torch.full((len(pooled), 1), pooled.shape[2])
        # false for NaN too
        fits = torch.stack([layer.abs().amax(dim=(1, 2)) < FLOAT16_MAX for layer in frames]).all(dim=0)
        outputs["fits"] = fits & outputs["pooled"].isfinite().all(dim=1)
        return {name: self._to_host(value) for name, value in outputs.items()}

    def _to_host(self, value: Tensor) -> Tensor:
        if self._device.type != "cuda":
            return value.cpu()
        return torch.empty(value.shape, dtype=value.dtype, pin_memory=True).copy_(value, non_blocking=True)

    def _write(self, batch: Sequence[int], outputs: dict[str, Tensor]) -> None:
        """Put a batch into the cache, clip by clip."""
        fits = outputs.pop("fits")
        for index, row in enumerate(batch):
            if not fits[index]:
                raise DatmosError(
                    f"{self._paths[row]}: encoder '{self._encoder.identity['name']}' gave values that are not "
                    "finite or exceed float16"
                )
            arrays = {name: value[index].numpy() for name, value in outputs.items()}
            self._cache.write(self._digests[row], arrays)
            self.form = form_of(arrays)


def load_unchanged(path: Path, digest: str, audio: AudioParams, sample_rate: int) -> Tensor:
    """Load a clip of the manifest as `load_clip` does: a waveform, float32 (samples,), at ``sample_rate`` Hz.

    Raises:
        DatmosError: its content is not what the manifest says by ``digest``, or can't be read.
    """
    try:
        with unchanged(path):
            same = file_digest(path) == digest
            waveform = load_clip(path, audio, sample_rate)
    except (UnusableAudioError, OSError) as error:
        raise DatmosError(
            f"{path}: {error}, though the manifest calls it usable; did the file change? Run `dvc repro manifest`"
        ) from None
    if not same:
        raise DatmosError(f"{path} has changed since the manifest was made; run `dvc repro manifest`")
    return waveform


def _recorded() -> Callable[[], None]:
    """Note how far the GPU's queue is now; the function returned waits until it is there."""
    event = torch.cuda.Event()
    event.record()
    return event.synchronize


def _at_once() -> None:
    """Nothing to wait for."""


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """On a CPU: let every operation use one thread."""
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
