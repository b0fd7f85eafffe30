"""Granularity: the right K is trained, everything else stays, and differences are paired."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import datmos.trial
from datmos.granularity import score_with_k
from datmos.params import Params, load_params
from datmos.store import EmbeddingStore, write_store
from datmos.trial import with_k

DEFAULT = Path(__file__).resolve().parents[1] / "params.yaml"


@pytest.fixture
def params() -> Params:
    params = load_params(DEFAULT)
    train = params.train.model_copy(update={"epochs": 1, "batch_size": 8})
    data = params.data.model_copy(update={"aspects": ["PQ"]})
    return params.model_copy(update={"train": train, "seeds": [0, 1], "data": data})


@pytest.mark.parametrize(("name", "rule"), [("dat_kmeans", "kmeans"), ("dat_random", "random")])
def test_only_the_strategys_own_k_is_set(params: Params, name: str, rule: str) -> None:
    changed = with_k(params, name, 5)
    assert getattr(changed, rule).k == 5
    assert with_k(changed, name, getattr(params, rule).k) == params


@pytest.mark.parametrize("name", ["dat_kmeans", "dat_random"])
def test_trains_with_k_domains_and_scores_systems(
    params: Params, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    splits = ["train"] * 24 + ["valid"] * 6 + ["eval"] * 12 + ["counterfactual"] * 2
    ids = [f"c{n:02}" for n in range(len(splits))]
    manifest = pd.DataFrame({"clip_id": ids, "split": splits, "source": "x", "category": "music", "system": ""})
    manifest.loc[manifest["split"] == "eval", "system"] = ["a", "b", "c", "d"] * 3
    manifest["PQ"] = generator.normal(5, 1, len(ids))
    clips = (
        {
            "0": generator.normal(size=(6, 50)).astype(np.float16),
            "pooled": generator.normal(size=6).astype(np.float32),
        }
        for _ in ids
    )
    description = {"dimension": 6, "frames": 50, "layers": [1]}
    write_store(tmp_path / "embeddings", pd.Series(ids), clips, description)
    seen = []
    original = datmos.trial.train_strategy

    def spy(params: Params, strategy: str, *arguments: object, **options: object) -> None:
        seen.append((strategy, arguments[2]))
        original(params, strategy, *arguments, **options)

    monkeypatch.setattr(datmos.trial, "train_strategy", spy)
    scores = score_with_k(params, name, 3, manifest, EmbeddingStore(tmp_path / "embeddings"))
    ((strategy, domains),) = seen
    assert strategy == name
    assert sorted(domains["domain"].unique()) == [0, 1, 2]
    assert list(domains["clip_id"]) == ids[:24]
    assert list(scores) == ["PQ"]
    assert len(scores["PQ"]["mse"]["seeds"]) == 2
    assert 0 < scores["PQ"]["mse"]["mean"] < 100
