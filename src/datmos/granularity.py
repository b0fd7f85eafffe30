"""How many domains there should be: one strategy trained anew for every K (paper, arXiv 2603.16201, Fig. 5)."""

from typing import Any

import pandas as pd

from datmos.device import pick_device
from datmos.metrics import evaluate_predictions
from datmos.params import Params
from datmos.predict import predict_clips
from datmos.ratings import COUNTERFACTUAL
from datmos.store import EmbeddingStore
from datmos.trial import train_trial, with_k


def score_with_k(
    params: Params, name: str, k: int, manifest: pd.DataFrame, store: EmbeddingStore
) -> dict[str, dict[str, Any]]:
    """Label, train, predict and score the strategy ``name`` with ``k`` domains, with every seed of the params.

    Returns:
        ``{aspect: {metric: summary}}`` of the system-level metrics, as `evaluate_predictions` has them.

    Raises:
        DatmosError: see `train_trial`, `evaluate_predictions`.
    """
    models = train_trial(with_k(params, name, k), name, manifest, store)
    evaluated = manifest[manifest["split"] != COUNTERFACTUAL]
    clip_ids = list(evaluated.loc[evaluated["split"] == "eval", "clip_id"])
    predictions = predict_clips(models, store, clip_ids, pick_device())
    metrics = evaluate_predictions(predictions, evaluated, params.data.aspects)
    return {aspect: scores["system"] for aspect, scores in metrics.items()}
