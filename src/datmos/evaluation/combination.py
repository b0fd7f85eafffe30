"""One predictor out of several strategies: each aspect comes from the strategy that predicts it best elsewhere.

The paper (arXiv 2603.16201) finds that no way of making domains is the best for every aspect. Which one to take for
an aspect is chosen without the eval ratings: by the error on sources that were left out of training
(`datmos.trials.selection.leave_one_source_out`).
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from datmos.core.files import read_json, replacing, write_json
from datmos.core.predictions import moments_of, prediction_table
from datmos.core.store import EmbeddingStore
from datmos.heads.mixture import AspectChoice
from datmos.heads.predict import predict_clips
from datmos.heads.saved import load_models


def choose_strategies(scores: Mapping[str, Mapping[str, Any]], aspects: Sequence[str]) -> dict[str, str]:
    """Return for each aspect the strategy with the least squared error, the first of equals.

    Args:
        scores: ``{strategy: one of what score_candidates yielded}`` by leave_one_source_out.
        aspects: to choose for.
    """
    return {aspect: min(scores, key=lambda name: scores[name]["aspects"][aspect]["mse"]) for aspect in aspects}


def save_combination(folder: Path, choice: Mapping[str, str], models: Path) -> None:
    """Package the chosen strategies' models: a folder that needs nothing else.

    Args:
        folder: to write: choice.json and a folder of models for each strategy chosen.
        choice: ``{aspect: strategy}``.
        models: folder with a folder of models for each strategy.
    """
    with replacing(folder) as temporary:
        temporary.mkdir()
        write_json(temporary / "choice.json", dict(choice))
        for name in sorted(set(choice.values())):
            shutil.copytree(models / name, temporary / name)


def predict_combination(
    folder: Path, store: EmbeddingStore, clip_ids: list[str], device: torch.device
) -> pd.DataFrame:
    """Predict clips with what `save_combination` wrote; returns what `predict_clips` does."""
    choice: dict[str, str] = read_json(folder / "choice.json")
    parts = {
        name: predict_clips(load_models(folder / name), store, clip_ids, device) for name in set(choice.values())
    }
    return combine_predictions(parts, choice)


def combine_predictions(parts: Mapping[str, pd.DataFrame], choice: Mapping[str, str]) -> pd.DataFrame:
    """Take each aspect from its strategy's predictions, as `AspectChoice` does.

    Args:
        parts: ``{strategy: what predict_clips returned}``: the same clips and seeds in the same order.
        choice: ``{aspect: strategy}``.
    """
    aspects = list(choice)
    choose = AspectChoice(choice, dict.fromkeys(parts, aspects))
    combined = {}
    for seed, rows in next(iter(parts.values())).groupby("seed", sort=True):
        moments = {name: moments_of(own.loc[rows.index], aspects) for name, own in parts.items()}
        found = choose({name: (torch.tensor(m), torch.tensor(c)) for name, (m, c) in moments.items()})
        mean, covariance = (part.numpy().astype(np.float32) for part in found)
        combined[int(seed)] = mean, covariance
        clip_ids = list(rows["clip_id"])
    return prediction_table(clip_ids, aspects, combined)
