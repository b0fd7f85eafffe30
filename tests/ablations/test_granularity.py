"""Granularity: the right K is trained, everything else stays, and every K is predicted."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import datmos.ablations.trial
from datmos.ablations.granularity import predict_every_k
from datmos.core.store import EmbeddingStore, write_store
from datmos.params.schema import Params, load_params
from datmos.training.loop import Trained
from datmos.training.settings import StrategyParams
from datmos.training.train import Member, Study
from helpers.embedding import clip_arrays
from helpers.made_up_task import study_of
from helpers.places import PARAMS

NUMBERED = [("dat_kmeans", "kmeans"), ("dat_random", "random"), ("dat_multi", "kmeans")]


@pytest.fixture
def params() -> Params:
    params = load_params(PARAMS)
    train = params.train.model_copy(update={"epochs": 1, "batch_size": 8})
    data = params.data.model_copy(update={"aspects": ["PQ"]})
    return params.model_copy(update={"train": train, "seeds": [0, 1], "data": data})


@pytest.mark.parametrize(("name", "section"), NUMBERED)
def test_only_the_rules_own_k_is_set(params: Params, name: str, section: str) -> None:
    rule = params.strategies[name].domains
    changed = params.domains.with_k(rule, 5)
    assert getattr(changed, section).k == 5
    assert changed.with_k(rule, getattr(params, section).k) == params.domains


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[pd.DataFrame, EmbeddingStore]:
    monkeypatch.chdir(tmp_path)  # checkpoints
    generator = np.random.default_rng(0)
    splits = ["train"] * 24 + ["valid"] * 6 + ["eval"] * 12 + ["counterfactual"] * 2
    ids = [f"c{n:02}" for n in range(len(splits))]
    manifest = pd.DataFrame({"clip_id": ids, "split": splits, "source": "x", "category": "music", "system": ""})
    manifest.loc[:24:2, "source"] = "y"
    manifest.loc[manifest["split"] == "eval", "system"] = ["a", "b", "c", "d"] * 3
    manifest["PQ"] = generator.normal(5, 1, len(ids))
    clips = (clip_arrays(generator.normal(size=(6, 50)).astype(np.float16)) for _ in ids)
    write_store(tmp_path / "embeddings", pd.Series(ids), clips, {"layers": [1]})
    return manifest, EmbeddingStore(tmp_path / "embeddings")


def predict(params: Params, world: tuple[pd.DataFrame, EmbeddingStore], name: str, ks: list[int]) -> pd.DataFrame:
    return predict_every_k(study_of(params, *world), name, params.strategies[name], params.domains, ks)


@pytest.mark.parametrize("name", [name for name, _ in NUMBERED])
def test_trains_every_k_at_once_and_predicts_the_eval_clips(
    params: Params, name: str, world: tuple[pd.DataFrame, EmbeddingStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = datmos.ablations.trial.train_members

    def spy(study: Study, strategy: str, entry: StrategyParams, members: list[Member]) -> list[Trained]:
        seen.append((strategy, members))
        return original(study, strategy, entry, members)

    monkeypatch.setattr(datmos.ablations.trial, "train_members", spy)
    found = predict(params, world, name, [2, 3])
    ((strategy, members),) = seen
    assert strategy == name
    assert [member.seed for member in members] == [0, 1, 0, 1]
    assert [member.domains.iloc[:, -1].nunique() for member in members] == [2, 2, 3, 3]
    assert list(members[0].domains["clip_id"]) == list(world[0]["clip_id"][:24])
    assert found["k"].tolist() == [2] * 24 + [3] * 24
    assert found["seed"].tolist() == ([0] * 12 + [1] * 12) * 2
    assert found["clip_id"].tolist() == [*world[0]["clip_id"][30:42]] * 4
    of: dict[int, Any] = {k: rows["PQ"].to_numpy() for k, rows in found.groupby("k")}
    assert not np.array_equal(of[2], of[3])
    # one K alone is the same
    np.testing.assert_allclose(predict(params, world, name, [3])["PQ"], of[3], rtol=1e-4)


def test_no_k_is_nothing(params: Params, world: tuple[pd.DataFrame, EmbeddingStore]) -> None:
    assert predict(params, world, "dat_kmeans", []).empty
