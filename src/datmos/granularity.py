"""How many domains there should be: one strategy trained anew for every K (paper, arXiv 2603.16201, Fig. 5)."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from datmos.device import pick_device
from datmos.domains import label_domains
from datmos.metrics import evaluate_predictions
from datmos.models import load_models
from datmos.params import Params
from datmos.predict import predict_clips
from datmos.ratings import COUNTERFACTUAL
from datmos.store import EmbeddingStore
from datmos.train import train_strategy


def with_k(params: Params, name: str, k: int) -> Params:
    """Return params in which the domains of the strategy ``name``, kmeans or random, are ``k``."""
    rule = params.strategies[name].domains
    return params.model_copy(update={rule: getattr(params, rule).model_copy(update={"k": k})})


def score_with_k(
    params: Params, name: str, k: int, manifest: pd.DataFrame, store: EmbeddingStore
) -> dict[str, dict[str, Any]]:
    """Label, train, predict and score the strategy ``name`` with ``k`` domains, with every seed of the params.

    Returns:
        ``{aspect: {metric: summary}}`` of the system-level metrics, as `evaluate_predictions` has them.

    Raises:
        DatmosError: see `label_domains`, `train_strategy`, `evaluate_predictions`.
    """
    params = with_k(params, name, k)
    train_clips = manifest[manifest["split"] == "train"]
    pooled = store.pooled[store.rows(train_clips["clip_id"])]
    domains, _ = label_domains(params.strategies[name].domains, train_clips, pooled, params)
    with TemporaryDirectory() as folder:
        models_folder = Path(folder) / "models"
        train_strategy(params, name, manifest, store, domains, models_folder, curves=Path(folder) / "curves.csv")
        models = load_models(models_folder)
    evaluated = manifest[manifest["split"] != COUNTERFACTUAL]
    clip_ids = list(evaluated.loc[evaluated["split"] == "eval", "clip_id"])
    predictions = predict_clips(models, store, clip_ids, pick_device())
    metrics = evaluate_predictions(predictions, evaluated, params.data.aspects)
    return {aspect: scores["system"] for aspect, scores in metrics.items()}
