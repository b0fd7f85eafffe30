"""Scoring audio in Python.

from datmos import load

scorer = load("data/models/dat_source")           # a folder, a name of the pipeline, or a hub model
print(scorer.score("a.wav"))
scorer.score(samples, sample_rate=44100).mean     # (samples,) or (channels, samples)
scorer.score(["a.wav", "b.flac"])                 # a list gives a list
"""

import math
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from numbers import Real
from os import PathLike, fspath
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from datmos.audio.blocks import BLOCK, Blocks, FileBlocks
from datmos.core.device import pick_device
from datmos.core.errors import DatmosError, printable
from datmos.scoring.engine import Engine, Item, plan_scoring
from datmos.scoring.loading import load_model
from datmos.scoring.model import WindowModel
from datmos.scoring.score import Failure, Score

AnyClip = str | PathLike[str] | np.ndarray | Tensor
LEAST_HOP = 0.01  # seconds: a second of audio is then a hundred windows
INT16 = np.iinfo(np.int16)
MOST_CHANNELS = 64  # more are taken for samples in the wrong dimension


def load(
    source: str | Path,
    device: str | torch.device | None = None,
    revision: str | None = None,
    trust: bool = False,
) -> "Scorer":
    """Load a model for scoring.

    Args:
        source: a folder that holds a model (data/models/<strategy>, or an exported one); the name of a strategy of
            the pipeline in the current folder; or a model of the Hugging Face hub, "owner/name".
        device: "cpu", "cuda", "mps", ...; None: the fastest there is.
        revision: commit, tag or branch of a hub model.
        trust: you trust the model's author: its encoder may run code of its own on this machine, and may lie in a
            folder of this machine that the model names.

    Raises:
        DatmosError: there is no such model or device, or the model lacks something or needs trust.
    """
    return Scorer(load_model(source, _device(device), revision, trust))


class Scorer:
    """Scores audio of any length, rate, number of channels and format. Load once, score many.

    On a CPU a score does not depend, to the last bit, on what is scored with it, in which order, or by how many
    workers.

    Attributes:
        model: audio in, Gaussian out (`datmos.scoring.model.WindowModel`).
        name, version: of the model; a version is a fingerprint of all that scores depend on.
        aspects: names of the scores.
        scale: lowest and highest rating.
        trained_on: the kind of data, as data.kind of params.yaml names it; None: the model does not say it.
        encoder: the frozen model in it, or None.
        models: its heads (`datmos.heads.model_files.Models`), or None.
    """

    def __init__(self, model: WindowModel) -> None:
        self.model = model
        self.name, self.version = model.name, model.version
        self.aspects, self.scale = model.aspects, model.scale
        self.trained_on = model.trained_on
        self.encoder: Any = getattr(model, "encoder", None)
        self.models: Any = getattr(model, "models", None)

    def __repr__(self) -> str:
        """Say what it scores with."""
        return printable(f"<Scorer {self.name} (version {self.version}) of {', '.join(self.aspects)}>")

    @overload
    def score(self, clips: AnyClip, sample_rate: int | None = ..., **options: Any) -> Score: ...

    @overload
    def score(self, clips: Sequence[AnyClip], sample_rate: int | None = ..., **options: Any) -> list[Score]: ...

    def score(self, clips: Any, sample_rate: int | None = None, **options: Any) -> Any:
        """Score a clip, or a list of them.

        Args:
            clips: a path; samples, (samples,) or (channels, samples), floats with full scale 1.0 or integers; or a
                list of such.
            sample_rate: of samples, Hz.
            options: as for `stream`.

        Returns:
            A `Score`, or a list of them in the order given.

        Raises:
            DatmosError: a clip can't be scored; `stream` goes on with the others.
        """
        many = isinstance(clips, list | tuple)
        results = []
        with closing(self.stream(clips if many else [clips], sample_rate, **options)) as scored:
            for number, result in enumerate(scored):
                if isinstance(result, Failure):
                    name = result.path or ("clip" if not many else f"clip {number}")
                    raise DatmosError(f"{name}: {result.error}")
                results.append(result)
        return results if many else results[0]

    def stream(
        self,
        clips: Iterable[AnyClip],
        sample_rate: int | None = None,
        *,
        hop_seconds: float | None = None,
        workers: int | None = None,
        batch_seconds: float | None = None,
    ) -> Generator[Score | Failure, None, None]:
        """Score clips as they come, in their order; one that can't be scored gives a `Failure`.

        Args:
            clips: paths or samples, as for `score`; may be a generator without end.
            sample_rate: of samples, Hz.
            hop_seconds: from one window to the next in clips longer than a window, `LEAST_HOP` or more; None: as
                long as a window.
            workers: threads; None: one a CPU core.
            batch_seconds: seconds of audio that a GPU takes at once. A CPU core takes one window.

        Raises:
            DatmosError: a wrong option, or not even one window fits the memory of the device.
        """
        windowing = self.model.windowing
        least = max(LEAST_HOP, 1 / windowing.sample_rate)  # a sample at least
        if hop_seconds is not None and not least <= hop_seconds <= windowing.seconds:
            raise DatmosError(
                f"hop_seconds: at least {least:g} s and at most a window, {windowing.seconds:g} s, is expected; "
                f"got {hop_seconds:g}"
            )
        plan = plan_scoring(self.model, workers, batch_seconds)
        engine = Engine(self.model, plan, hop_seconds)
        return engine.run(_item(clip, sample_rate) for clip in clips)


def _item(clip: AnyClip, sample_rate: int | None) -> Item:
    if isinstance(clip, str | PathLike):
        path = fspath(clip)
        return Item(path, lambda: FileBlocks(Path(path)))
    samples = _as_channels(clip)
    is_number = isinstance(sample_rate, Real) and not isinstance(sample_rate, bool)
    if sample_rate is None or not is_number or not 0 < sample_rate < math.inf or int(sample_rate) != sample_rate:
        raise DatmosError(f"sample_rate: samples need their rate in Hz, a whole number; got {sample_rate!r}")
    rate = int(sample_rate)
    parts = np.array_split(samples, -(-samples.size // BLOCK) or 1, axis=1)
    return Item(None, lambda: Blocks((rate, part) for part in parts))


def _as_channels(samples: Any) -> np.ndarray:
    """Return samples as float32, (channels, samples)."""
    if isinstance(samples, Tensor):
        samples = samples.detach().cpu().float().numpy() if samples.is_floating_point() else samples.cpu().numpy()
    if not isinstance(samples, np.ndarray) or samples.dtype.kind not in "fiu":
        raise DatmosError(f"a path, or samples as an array of numbers, is expected; got {type(samples).__name__}")
    if isinstance(samples, np.ma.MaskedArray):
        raise DatmosError("samples: a masked array says of some samples that they are not there; fill or cut them")
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 0 < samples.shape[0] <= MOST_CHANNELS):
        raise DatmosError(f"samples: shape (samples,) or (channels, samples) is expected, got {samples.shape}")
    if samples.dtype.kind == "i" and samples.dtype.itemsize > INT16.dtype.itemsize and samples.size:
        low, high = int(samples.min()), int(samples.max())
        if (low, high) != (0, 0) and INT16.min <= low and high <= INT16.max:
            raise DatmosError(
                f"samples: {samples.dtype} with values from {low} to {high}, which fill no more than 16 bits. "
                "Convert them to int16 if they are 16-bit samples, else to floats with full scale 1.0"
            )
    if samples.dtype.kind == "i":
        samples = samples.astype(np.float64) / -float(np.iinfo(samples.dtype).min)
    elif samples.dtype.kind == "u":  # unsigned: silence is in the middle
        middle = (float(np.iinfo(samples.dtype).max) + 1) / 2
        samples = (samples.astype(np.float64) - middle) / middle
    return np.atleast_2d(samples.astype(np.float32))


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return pick_device()
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        raise DatmosError(f"device: '{device}' is not there ({str(error).splitlines()[0]})") from None
    return found
