"""Predictions of audio files by models of this backbone: what a stage, or anything else with files, calls."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from datmos.audiobox.model import AudioboxModel
from datmos.audiobox.waveforms import Hearing, Waveforms, collate, cut_windows
from datmos.audiobox.weights import (
    WINDOW,
    load_model,
    load_published,
    load_recipe,
    load_weights,
    make_model,
    pick_aspects,
)

AT_ONCE = 8  # windows in the network; bounds memory, no score depends on it (but for rounding)


class Predicted(NamedTuple):
    """What a model makes of N files."""

    scores: np.ndarray  # float32, (N, A), rating points
    h: np.ndarray  # float32, (N, width): what the adversary saw
    covariance: np.ndarray  # float32, (A, A), squared rating points, of the errors; 0 if not known

    @property
    def covariances(self) -> np.ndarray:
        """Covariance of every file, (N, A, A)."""
        return np.broadcast_to(self.covariance, (len(self.scores), *self.covariance.shape))


@torch.inference_mode()
def predict_files(
    model: AudioboxModel,
    extractor: Any,
    hearing: Hearing,
    paths: Sequence[Path],
    device: torch.device,
    description: str = "predicting",
) -> Predicted:
    """Predict audio files, each by itself, in full precision.

    A file's score and h are the means over its windows, weighted by how much audio they hold, as Meta's own
    predictor has it.

    Raises:
        DatmosError: a file can't be used.
    """
    model = model.to(device).eval()
    length = round(hearing.window * extractor.sampling_rate)
    reader = Waveforms(paths, hearing, extractor.sampling_rate)
    scores, h = [], []
    for (waveform,) in tqdm(
        reader.stream([place] for place in range(len(paths))), desc=description, total=len(paths), unit="clip"
    ):
        windows = cut_windows(waveform, length) if hearing.whole else [waveform[:length]]
        weights = torch.tensor([float(len(window)) for window in windows], device=device)
        pooled = torch.cat(
            [
                model.pool(collate(windows[start : start + AT_ONCE], length, extractor, device))
                for start in range(0, len(windows), AT_ONCE)
            ]
        )
        share = weights / weights.sum()
        scores.append((share @ model.denormalise(model.predict(pooled))).cpu())
        h.append((share @ pooled.flatten(1)).cpu())
    spread = model.spread
    return Predicted(torch.stack(scores).numpy(), torch.stack(h).numpy(), (spread @ spread.mT).cpu().numpy())


def predict_finetuned(folder: Path, paths: Sequence[Path], device: torch.device) -> Mapping[int, Predicted]:
    """Predict audio files with every seed's model of a folder that `datmos.audiobox.train`  wrote.

    Raises:
        DatmosError: a file can't be used.
    """
    recipe, config = load_recipe(folder)
    hearing = Hearing(config["window_seconds"], config["offset"])
    return {
        seed: predict_files(
            load_model(folder, recipe, seed), recipe.extractor, hearing, paths, device, f"predicting, seed {seed}"
        )
        for seed in config["seeds"]
    }


def predict_published(
    name: str, revision: str | None, aspects: Sequence[str], paths: Sequence[Path], device: torch.device
) -> Predicted:
    """Predict audio files with published Audiobox-Aesthetics weights, as Meta's own predictor does: all of a file.

    Args:
        name, revision: see `load_published`.
        aspects: to predict.
        paths: of the files.
        device: where to compute.

    Raises:
        DatmosError: see `load_published`; the model does not predict one of the aspects, or a file can't be used.
    """
    start = pick_aspects(*load_published(name, revision), aspects)
    model = load_weights(make_model(start.recipe), start.weights)
    return predict_files(model, start.recipe.extractor, Hearing(WINDOW, whole=True), paths, device)
