"""How many domains there should be: one strategy trained anew for every K (paper, arXiv 2603.16201, Fig. 5)."""

from typing import Any

import pandas as pd

from datmos.core.clips import COUNTERFACTUAL
from datmos.core.device import pick_device
from datmos.core.store import EmbeddingStore
from datmos.evaluation.metrics import evaluate_predictions
from datmos.heads.predict import predict_clips
from datmos.params.schema import Params
from datmos.trials.trial import train_trials, with_k


def score_every_k(
    params: Params, name: str, manifest: pd.DataFrame, store: EmbeddingStore
) -> dict[int, dict[str, dict[str, Any]]]:
    """Label, train, predict and score the strategy ``name`` with every K of the params and every seed, all at once.

    Returns:
        ``{k: {aspect: {metric: summary}}}`` of the system-level metrics, as `evaluate_predictions` has them.

    Raises:
        DatmosError: see `train_trials`, `evaluate_predictions`.
    """
    ks = params.granularity.k
    if not ks:
        return {}
    models = train_trials([with_k(params, name, k) for k in ks], name, manifest, store)
    evaluated = manifest[manifest["split"] != COUNTERFACTUAL]
    clip_ids = list(evaluated.loc[evaluated["split"] == "eval", "clip_id"])
    scores = {}
    for k, of_k in zip(ks, models, strict=True):
        predictions = predict_clips(of_k, store, clip_ids, pick_device())
        metrics = evaluate_predictions(predictions, evaluated, params.data.aspects)
        scores[k] = {aspect: own["system"] for aspect, own in metrics.items()}
    return scores
