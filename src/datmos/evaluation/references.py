"""Plain predictors that a trained strategy has to beat: a constant, and regressions on summary statistics.

They learn from the train clips alone, one aspect at a time, by scikit-learn.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from datmos.core.erasure import domain_directions, erase
from datmos.core.predictions import same_for_every_seed
from datmos.core.registry import find
from datmos.core.store import EmbeddingStore
from datmos.evaluation.settings import REFERENCES

PENALTIES = np.logspace(-1, 6, 29)  # of ridge


def mean() -> Any:
    """The mean of the train ratings."""
    return DummyRegressor(strategy="mean")


def ridge() -> Any:
    """Ridge regression; leave-one-out on the train clips chooses the penalty."""
    return make_pipeline(StandardScaler(), RidgeCV(PENALTIES))


def svr() -> Any:
    """Support vector regression, radial basis functions, scikit-learn's defaults."""
    return TransformedTargetRegressor(make_pipeline(StandardScaler(), SVR()), transformer=StandardScaler())


def predict_reference(
    name: str,
    store: EmbeddingStore,
    manifest: pd.DataFrame,
    clip_ids: Sequence[str],
    aspects: Sequence[str],
    seeds: Sequence[int],
    predicted_store: EmbeddingStore | None = None,
) -> pd.DataFrame:
    """Fit a reference to the train clips and predict ``clip_ids``.

    Args:
        name: one of `REFERENCES`: "mean" of the train ratings; "ridge" regression or "svr" (support vector, radial
            basis functions, scikit-learn's defaults) on time mean and standard deviation of the embeddings;
            "ridge_erased" and "svr_erased", for which sources are taken out of these (`datmos.core.erasure`).
        store: embeddings of the train clips.
        manifest: the clips; ratings are read of the train split only.
        clip_ids: to predict.
        aspects: to predict, each by itself.
        seeds: of the strategies. A reference has no randomness: its predictions are the same for each, so that
            they pair up with those of a strategy.
        predicted_store: embeddings of ``clip_ids``; None: ``store`` has them.

    Returns:
        Columns clip_id, seed, <aspect>, sorted by seed, then in the order of ``clip_ids``; float32, rating points.
    """
    train = manifest[manifest["split"] == "train"]
    predicted = predicted_store or store
    train_features = store.statistics[store.rows(train["clip_id"])].astype(np.float64)  # (N, 2 D)
    features = predicted.statistics[predicted.rows(clip_ids)].astype(np.float64)
    if name.endswith("_erased"):
        scaler = StandardScaler().fit(train_features)
        directions = domain_directions(scaler.transform(train_features), train["source"].to_numpy())
        train_features, features = (erase(scaler.transform(own), directions) for own in (train_features, features))
    columns: dict[str, Any] = {"clip_id": list(clip_ids)}
    for aspect in aspects:
        fitted = find(REFERENCES, name)().fit(train_features, train[aspect].to_numpy(np.float64))
        columns[aspect] = fitted.predict(features).astype(np.float32)
    return same_for_every_seed(pd.DataFrame(columns), seeds)
