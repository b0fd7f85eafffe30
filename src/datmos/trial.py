"""Train a strategy on the side: other settings, or fewer clips, and nothing left on disk."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from datmos.domains import label_domains
from datmos.models import Models, load_models
from datmos.params import Params
from datmos.store import EmbeddingStore
from datmos.train import train_strategy


def with_k(params: Params, name: str, k: int) -> Params:
    """Return params in which the domains of the strategy ``name``, kmeans or random, are ``k``."""
    rule = params.strategies[name].domains
    return params.model_copy(update={rule: getattr(params, rule).model_copy(update={"k": k})})


def train_trial(params: Params, name: str, manifest: pd.DataFrame, store: EmbeddingStore) -> Models:
    """Label the train clips of ``manifest`` with domains anew, train the strategy ``name`` on them, every seed.

    Raises:
        DatmosError: see `label_domains`, `train_strategy`.
    """
    train_clips = manifest[manifest["split"] == "train"]
    pooled = store.pooled[store.rows(train_clips["clip_id"])]
    domains, _ = label_domains(params.strategies[name].domains, train_clips, pooled, params)
    with TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        train_strategy(params, name, manifest, store, domains, models, curves=Path(folder) / "curves.csv")
        return load_models(models)
