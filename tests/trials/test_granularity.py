"""Granularity: the right K is trained, everything else stays, and differences are paired."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import datmos.trials.trial
from datmos.core.store import EmbeddingStore, write_store
from datmos.params.schema import Params, load_params
from datmos.training.loop import Trained
from datmos.training.train import Member
from datmos.trials.granularity import score_every_k
from datmos.trials.trial import with_k
from helpers.places import REPOSITORY

DEFAULT = REPOSITORY / "params.yaml"
NUMBERED = [("dat_kmeans", "kmeans"), ("dat_random", "random"), ("dat_multi", "kmeans")]


@pytest.fixture
def params() -> Params:
    params = load_params(DEFAULT)
    train = params.train.model_copy(update={"epochs": 1, "batch_size": 8})
    data = params.data.model_copy(update={"aspects": ["PQ"]})
    granularity = params.granularity.model_copy(update={"k": [2, 3]})
    return params.model_copy(update={"train": train, "seeds": [0, 1], "data": data, "granularity": granularity})


@pytest.mark.parametrize(("name", "rule"), NUMBERED)
def test_only_the_strategys_own_k_is_set(params: Params, name: str, rule: str) -> None:
    changed = with_k(params, name, 5)
    assert getattr(changed, rule).k == 5
    assert with_k(changed, name, getattr(params, rule).k) == params


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
    clips = (
        {
            "0": generator.normal(size=(6, 50)).astype(np.float16),
            "pooled": generator.normal(size=6).astype(np.float32),
        }
        for _ in ids
    )
    write_store(tmp_path / "embeddings", pd.Series(ids), clips, {"layers": [1]})
    return manifest, EmbeddingStore(tmp_path / "embeddings")


@pytest.mark.parametrize("name", [name for name, _ in NUMBERED])
def test_trains_every_k_at_once_and_scores_systems(
    params: Params, name: str, world: tuple[pd.DataFrame, EmbeddingStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = datmos.trials.trial.train_members

    def spy(params: Params, strategy: str, manifest: object, store: object, members: list[Member]) -> list[Trained]:
        seen.append((strategy, members))
        return original(params, strategy, manifest, store, members)  # type: ignore[arg-type]

    monkeypatch.setattr(datmos.trials.trial, "train_members", spy)
    scores = score_every_k(params, name, *world)
    ((strategy, members),) = seen
    assert strategy == name
    assert [member.seed for member in members] == [0, 1, 0, 1]
    assert [member.domains.iloc[:, -1].nunique() for member in members] == [2, 2, 3, 3]
    assert list(members[0].domains["clip_id"]) == list(world[0]["clip_id"][:24])
    assert list(scores) == [2, 3]
    for of_k in scores.values():
        assert list(of_k) == ["PQ"]
        assert len(of_k["PQ"]["mse"]["seeds"]) == 2
        assert 0 < of_k["PQ"]["mse"]["mean"] < 100
    if name != "dat_random":
        assert scores[2] != scores[3]
    # one K alone is the same
    alone = params.model_copy(update={"granularity": params.granularity.model_copy(update={"k": [3]})})
    again = score_every_k(alone, name, *world)[3]["PQ"]["mse"]["seeds"]
    assert again == pytest.approx(scores[3]["PQ"]["mse"]["seeds"], rel=1e-4)


def test_no_k_is_nothing(params: Params, world: tuple[pd.DataFrame, EmbeddingStore]) -> None:
    nothing = params.model_copy(update={"granularity": params.granularity.model_copy(update={"k": []})})
    assert score_every_k(nothing, "dat_kmeans", *world) == {}
