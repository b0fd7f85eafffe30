"""References: by hand, blind to everything but train labels, and the same for every seed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datmos.core.store import EmbeddingStore, write_store
from datmos.evaluation.references import predict_reference
from datmos.evaluation.settings import REFERENCES
from helpers.embedding import clip_arrays

COUNT, D, T = 90, 3, 8


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    frames = np.random.default_rng(0).normal(size=(COUNT, D, T)).astype(np.float16)
    frames += np.random.default_rng(1).normal(size=(COUNT, D, 1)).astype(np.float16)
    clips = (clip_arrays(clip) for clip in frames)
    write_store(tmp_path / "store", ids(), clips, {"layers": [1]})
    return EmbeddingStore(tmp_path / "store")


def ids() -> pd.Series:
    return pd.Series([f"c{number:03}" for number in range(COUNT)], name="clip_id")


def study(store: EmbeddingStore) -> pd.DataFrame:
    """60 train, 10 valid and 20 eval clips; PQ is linear in the time mean of the first dimension, PC quadratic."""
    first = store.pooled[:, 0].astype(np.float64)
    bowl = 2 + first**2
    splits = ["train"] * 60 + ["valid"] * 10 + ["eval"] * 20
    source = np.where(store.pooled[:, 1] > 0, "a", "b")
    return pd.DataFrame({"clip_id": ids(), "split": splits, "source": source, "PQ": 5 + 2 * first, "PC": bowl})


def predict(name: str, store: EmbeddingStore, manifest: pd.DataFrame) -> pd.DataFrame:
    return predict_reference(name, store, manifest, list(manifest["clip_id"][70:]), ["PQ", "PC"], [7, 3])


def test_mean_predicts_the_train_mean(store: EmbeddingStore) -> None:
    manifest = study(store)
    found = predict("mean", store, manifest)
    np.testing.assert_allclose(found["PQ"], manifest["PQ"][:60].mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "aspect", "least"), [("ridge", "PQ", 0.99), ("svr", "PQ", 0.9), ("svr", "PC", 0.6)]
)
def test_regressions_find_what_they_can(name: str, aspect: str, least: float, store: EmbeddingStore) -> None:
    manifest = study(store)
    found = predict(name, store, manifest)[:20]
    assert np.corrcoef(found[aspect], manifest[aspect][70:])[0, 1] > least


def test_erased_references_read_no_sources(store: EmbeddingStore) -> None:
    """Ratings that are nothing but the source: what a reference knows of it is all that it can predict."""
    manifest = study(store)
    manifest["PQ"] = 5.0 + (manifest["source"] == "a")
    spread = {name: predict(name, store, manifest)["PQ"].std() for name in ("ridge", "ridge_erased")}
    assert spread["ridge_erased"] < 0.3 * spread["ridge"]


@pytest.mark.parametrize("name", REFERENCES)
def test_only_train_labels_are_read_and_every_seed_is_alike(name: str, store: EmbeddingStore) -> None:
    manifest = study(store)
    found = predict(name, store, manifest)
    assert list(found.columns) == ["clip_id", "seed", "PQ", "PC"]
    assert list(found["seed"].unique()) == [3, 7]
    assert list(found["clip_id"]) == [*manifest["clip_id"][70:]] * 2
    pd.testing.assert_frame_equal(
        found[:20].drop(columns="seed"), found[20:].reset_index(drop=True).drop(columns="seed")
    )
    poisoned = manifest.copy()
    poisoned.loc[60:, ["PQ", "PC"]] = np.nan
    pd.testing.assert_frame_equal(predict(name, store, poisoned), found)
