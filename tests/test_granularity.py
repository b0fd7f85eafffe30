"""Granularity: the right K is trained, everything else stays, and differences are paired."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import datmos.granularity
from datmos.files import rounded
from datmos.granularity import granularity_rows, score_with_k, with_k
from datmos.params import Params, load_params
from datmos.store import EmbeddingStore, write_store

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
    original = datmos.granularity.train_strategy

    def spy(params: Params, strategy: str, *arguments: object, **options: object) -> None:
        seen.append((strategy, arguments[2]))
        original(params, strategy, *arguments, **options)

    monkeypatch.setattr(datmos.granularity, "train_strategy", spy)
    scores = score_with_k(params, name, 3, manifest, EmbeddingStore(tmp_path / "embeddings"))
    ((strategy, domains),) = seen
    assert strategy == name
    assert sorted(domains["domain"].unique()) == [0, 1, 2]
    assert list(domains["clip_id"]) == ids[:24]
    assert list(scores) == ["PQ"]
    assert len(scores["PQ"]["mse"]["seeds"]) == 2
    assert 0 < scores["PQ"]["mse"]["mean"] < 100


def summary(*seeds: float) -> dict[str, object]:
    return {"mean": float(np.mean(seeds)), "seeds": list(seeds)}


def test_rows_by_hand() -> None:
    baseline = {"PQ": {"system": {"mse": summary(1.0, 2.0, 3.0), "srcc": summary(0.5, 0.5, 0.5)}}}
    found = {
        ("dat_kmeans", 2): {"PQ": {"mse": summary(0.5, 1.0, 1.5), "srcc": summary(0.5, 0.5, math.nan)}},
        ("dat_kmeans", 10): {"PQ": {"mse": summary(1.0, 2.0, 3.0), "srcc": summary(0.6, 0.6, 0.6)}},
    }
    read_back = {key: json.loads(json.dumps(rounded(scores))) for key, scores in found.items()}
    rows = granularity_rows(read_back, baseline, ["PQ"])
    assert rows["k"].tolist() == [2, 2, 10, 10]
    first = rows.iloc[0]
    # differences -0.5, -1, -1.5: mean -1, standard error 0.5 / sqrt(3), t with 2 degrees of freedom 4.3027
    assert (first["metric"], first["mean"]) == ("mse", -1.0)
    assert first["high"] - first["mean"] == pytest.approx(4.3027 * 0.5 / math.sqrt(3), rel=1e-4)
    assert first["mean"] - first["low"] == pytest.approx(first["high"] - first["mean"])
    assert math.isnan(rows.iloc[1]["mean"])
    assert rows.iloc[3][["mean", "low", "high"]].tolist() == pytest.approx([0.1, 0.1, 0.1])


def test_one_seed_has_no_interval_and_no_k_no_rows() -> None:
    baseline = {"PQ": {"system": {"mse": summary(1.0), "srcc": summary(0.5)}}}
    rows = granularity_rows(
        {("dat_random", 4): {"PQ": {"mse": summary(2.0), "srcc": summary(0.5)}}}, baseline, ["PQ"]
    )
    assert rows["mean"].tolist() == [1.0, 0.0]
    assert rows[["low", "high"]].isna().all(axis=None)
    assert granularity_rows({}, baseline, ["PQ"]).empty
