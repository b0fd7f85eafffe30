"""Predictions of audio files by models of this backbone: what a stage, or anything else with files, calls."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from datmos.audiobox.model import AudioboxModel
from datmos.audiobox.model_files import load_model, load_recipe, load_weights, make_model
from datmos.audiobox.settings import PublishedParams
from datmos.audiobox.waveforms import Hearing, Waveforms, collate
from datmos.audiobox.weights import WINDOW, load_published, pick_aspects
from datmos.core.paths import FINETUNED
from datmos.core.predictions import prediction_table, same_for_every_seed

AT_ONCE = 8  # files, and windows in the network; bounds memory, no score depends on it (but for rounding)


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
    parts = torch.arange(len(paths)).split(AT_ONCE)
    scores, h = [], []
    with tqdm(desc=description, total=len(paths), unit="clip") as progress:
        for waveforms in reader.stream(part.tolist() for part in parts if len(part)):
            cut = [list(w.split(length)) if hearing.whole else [w[:length]] for w in waveforms]
            windows = [window for own in cut for window in own]
            pooled = torch.cat(
                [
                    model.pool(collate(windows[start : start + AT_ONCE], length, extractor, device))
                    for start in range(0, len(windows), AT_ONCE)
                ]
            )
            lengths = torch.tensor([float(len(window)) for window in windows], device=device)
            found = torch.cat([model.denormalise(model.predict(pooled)), pooled.flatten(1)], dim=1)
            counts = [len(own) for own in cut]
            for weights, own in zip(lengths.split(counts), found.split(counts), strict=True):
                mean = (weights / weights.sum()) @ own
                scores.append(mean[: len(model.target_mean)].cpu())
                h.append(mean[len(model.target_mean) :].cpu())
            progress.update(len(waveforms))
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


def predict_rows(
    finetuned: Sequence[str],
    published: Mapping[str, PublishedParams],
    clips: pd.DataFrame,
    root: Path,
    aspects: Sequence[str],
    seeds: Sequence[int],
    device: torch.device,
) -> dict[str, pd.DataFrame]:
    """Predict clips with fine-tuned strategies (data/finetuned/) and published models.

    Args:
        finetuned: names of the strategies.
        published: models by name.
        clips: rows of a manifest: clip_id, path.
        root: folder that the paths are relative to.
        aspects: to predict.
        seeds: of the run.
        device: where to compute.

    Returns:
        ``{name: clip_id, seed, <aspect>, ...}``, as `prediction_table` lays them out.
    """
    paths = [root / path for path in clips["path"]]
    found = {}
    for name in finetuned:
        predicted = predict_finetuned(FINETUNED / name, paths, device)
        found[name] = finetuned_table(predicted, clips["clip_id"], aspects)
    for name, one in published.items():
        own = predict_published(one.model, one.revision, aspects, paths, device)
        found[name] = published_table(own, clips["clip_id"], aspects, seeds)
    return found


def finetuned_table(
    predicted: Mapping[int, Predicted], clip_ids: Sequence[str], aspects: Sequence[str]
) -> pd.DataFrame:
    """Lay out what `predict_finetuned` returned, as `prediction_table` does."""
    by_seed = {seed: (own.scores, own.covariances) for seed, own in predicted.items()}
    return prediction_table(clip_ids, aspects, by_seed)


def published_table(
    predicted: Predicted, clip_ids: Sequence[str], aspects: Sequence[str], seeds: Sequence[int]
) -> pd.DataFrame:
    """Lay out what `predict_published` returned, the same for every seed; it says nothing of its uncertainty."""
    columns = dict(zip(aspects, predicted.scores.T, strict=True))
    return same_for_every_seed(pd.DataFrame({"clip_id": list(clip_ids)} | columns), seeds)
