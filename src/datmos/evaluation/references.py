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
from tqdm import trange

from datmos.core.predictions import same_for_every_seed
from datmos.core.registry import find
from datmos.core.store import EmbeddingStore
from datmos.evaluation.settings import REFERENCES

READ_AT_ONCE = 64  # clips; bounds memory
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
            basis functions, scikit-learn's defaults) on time mean and standard deviation of the embeddings.
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
    train_features = summarise_clips(store, train["clip_id"], "reading train clips")
    features = summarise_clips(predicted_store or store, clip_ids, "reading clips to predict")
    columns: dict[str, Any] = {"clip_id": list(clip_ids)}
    for aspect in aspects:
        fitted = find(REFERENCES, name)().fit(train_features, train[aspect].to_numpy(np.float64))
        columns[aspect] = fitted.predict(features).astype(np.float32)
    return same_for_every_seed(pd.DataFrame(columns), seeds)


def summarise_clips(store: EmbeddingStore, clip_ids: Sequence[str], doing: str) -> np.ndarray:
    """Return time mean and standard deviation of the embeddings, float64, shape (number of clips, 2 D)."""
    rows = store.rows(clip_ids)
    parts = [np.empty((0, 2 * store.frames.shape[1]))]
    for start in trange(0, len(rows), READ_AT_ONCE, desc=doing, unit="batch"):
        frames = store.read(rows[start : start + READ_AT_ONCE]).astype(np.float64)  # (B, D, T)
        parts.append(np.concatenate([frames.mean(axis=2), frames.std(axis=2)], axis=1))
    return np.concatenate(parts)
