"""All predictors of a run on a further set of clips, which no training and no choice has seen."""

from pathlib import Path

import pandas as pd
import torch

from datmos.core.files import read_json
from datmos.core.store import EmbeddingStore
from datmos.evaluation.combination import combine_predictions
from datmos.evaluation.references import predict_reference
from datmos.heads.predict import predict_clips
from datmos.heads.saved import load_models
from datmos.params.schema import Params


def predict_set(
    params: Params,
    clip_ids: list[str],
    store: EmbeddingStore,
    train: pd.DataFrame,
    train_store: EmbeddingStore,
    device: torch.device,
) -> dict[str, pd.DataFrame]:
    """Predict the clips of a set with the trained strategies, the combinations and the references.

    Reads data/models/<strategy>/ and metrics/combinations/<combination>.json.

    Args:
        params: of the run.
        clip_ids: of the set.
        store: embeddings of the set.
        train: manifest rows of the train clips, which references are fitted to.
        train_store: their embeddings.
        device: where to compute.

    Returns:
        ``{name: clip_id, seed, <aspect>, ...}`` (DESIGN.md, Contracts: predictions) of all of ``params.compared``
        but the second backbone's (`datmos.audiobox.predict.predict_rows`).
    """
    predictions = {
        name: predict_clips(load_models(Path("data/models", name)), store, clip_ids, device)
        for name in params.strategies
    }
    for name in params.combinations:
        choice: dict[str, str] = read_json(Path(f"metrics/combinations/{name}.json"))
        predictions[name] = combine_predictions({one: predictions[one] for one in choice.values()}, choice)
    for name in params.evaluate.references:
        predictions[name] = predict_reference(
            name, train_store, train, clip_ids, params.data.aspects, params.seeds, predicted_store=store
        )
    return predictions
