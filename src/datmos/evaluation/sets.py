"""All predictors of a run on a further set of clips, which no training and no choice has seen."""

from collections.abc import Sequence

import pandas as pd
import torch

from datmos.core.places import MODELS
from datmos.core.store import EmbeddingStore
from datmos.evaluation.references import predict_reference
from datmos.heads.predict import predict_clips
from datmos.heads.saved import load_models


def predict_set(
    strategies: Sequence[str],
    references: Sequence[str],
    aspects: Sequence[str],
    seeds: Sequence[int],
    clip_ids: list[str],
    store: EmbeddingStore,
    train: pd.DataFrame,
    train_store: EmbeddingStore,
    device: torch.device,
) -> dict[str, pd.DataFrame]:
    """Predict the clips of a set with the trained strategies and the references.

    Reads data/models/<strategy>/.

    Args:
        strategies, references: names of predictors.
        aspects: to predict.
        seeds: of the run.
        clip_ids: of the set.
        store: embeddings of the set.
        train: manifest rows of the train clips, which references are fitted to.
        train_store: their embeddings.
        device: where to compute.

    Returns:
        ``{name: clip_id, seed, <aspect>, ...}`` of each of them, as `datmos.core.predictions.prediction_table` lays
        predictions out.
    """
    predictions = {name: predict_clips(load_models(MODELS / name), store, clip_ids, device) for name in strategies}
    for name in references:
        predictions[name] = predict_reference(
            name, train_store, train, clip_ids, aspects, seeds, predicted_store=store
        )
    return predictions
