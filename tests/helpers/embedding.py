"""What the tests of embedding share: an encoder whose output can be computed by hand, and clips for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import torch

from datmos.audio.settings import AudioParams
from datmos.core.files import file_digest

AUDIO = AudioParams(clip_seconds=0.5, offset=0.0, min_seconds=0.1)


class FramesEncoder:
    """D = 4 consecutive samples a frame; layer n is n times that. Layers 2 and 3 are stored, layer 1 pooled."""

    sample_rate, hop = 8000, 4

    def __init__(self) -> None:
        self.identity: dict[str, Any] = {"name": "frames", "revision": "1", "dtype": "float32"}
        self.layers: tuple[int, ...] = (2, 3, 1)
        self.loaded = 0
        self.batches: list[int] = []

    def load(self) -> None:
        self.loaded += 1

    def prepare(self, waveform: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"waveforms": waveform}

    def __call__(self, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        self.batches.append(len(inputs["waveforms"]))
        frames = inputs["waveforms"].unflatten(1, (-1, 4)).transpose(1, 2)  # (B, 4, T)
        return [layer * frames for layer in self.layers]


def make_clips(folder: Path, count: int) -> pd.DataFrame:
    """Write clips of half a second and return the manifest's columns that embedding reads."""
    generator = np.random.default_rng(0)
    names = [f"{number:03}.wav" for number in range(count)]
    for name in names:
        soundfile.write(folder / name, generator.uniform(-1, 1, 4000), 8000, subtype="FLOAT")
    digests = [file_digest(folder / name) for name in names]
    return pd.DataFrame({"clip_id": names, "path": names, "sha256": digests})


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file of a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def clip_arrays(*layers: np.ndarray, pooled: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return what is stored of a clip whose layers are float16 (D, T); ``pooled`` is the first one's time mean."""
    first = layers[0].astype(np.float32)
    statistics = np.concatenate([first.mean(axis=1), first.std(axis=1)])
    return {str(index): layer for index, layer in enumerate(layers)} | {
        "statistics": statistics,
        "pooled": statistics[: len(first)] if pooled is None else pooled,
        "length": np.array([first.shape[1]]),
    }
