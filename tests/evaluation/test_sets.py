"""A further evaluation set: each predictor of the run gives there what it gives for the same clips at home."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from datmos.core.store import EmbeddingStore, write_store
from datmos.evaluation.references import predict_reference
from datmos.evaluation.sets import predict_set
from datmos.heads.predict import predict_clips
from datmos.heads.saved import load_models
from datmos.params.rivals import find_rivals
from datmos.params.schema import Params
from datmos.training.strategy import train_strategy
from helpers.embedding import clip_arrays
from helpers.made_up_task import World, params
from helpers.study import study_of


def test_every_predictor_as_at_home(world: World, tmp_path: Path) -> None:
    settings = params({"plain": {}, "dat": {"lambda": 0.5}}, epochs=1)
    raw = settings.model_dump(by_alias=True)
    raw["evaluate"]["references"] = ["ridge"]
    settings = Params.model_validate(raw)
    for name, strategy in settings.strategies.items():
        study = study_of(settings, world.manifest, world.store)
        folder = Path("data/models", name)
        train_strategy(study, name, strategy, world.domains, {}, folder, tmp_path / "curves.csv")
    home = list(world.manifest.loc[world.manifest["split"] == "eval", "clip_id"])
    away = [f"away/{name}" for name in reversed(home)]
    frames = world.store.read(world.store.rows(reversed(home)))
    clips = (clip_arrays(one, -one) for one in frames)
    write_store(tmp_path / "away", pd.Series(away), clips, {"name": "made up", "layers": [1, 2]})

    cpu, train = torch.device("cpu"), world.manifest[world.manifest["split"] == "train"]
    names = list(settings.strategies), settings.evaluate.references
    there = EmbeddingStore(tmp_path / "away")
    found = predict_set(*names, ["A", "B"], settings.seeds, away, there, train, world.store, cpu)
    assert list(found) == find_rivals(settings).all
    expected = {
        name: predict_clips(load_models(Path("data/models", name)), world.store, home, cpu)
        for name in settings.strategies
    }
    expected["ridge"] = predict_reference("ridge", world.store, train, home, ["A", "B"], settings.seeds)
    for name, at_home in expected.items():
        own = found[name].assign(clip_id=found[name]["clip_id"].str.removeprefix("away/"))
        own = own.set_index(["seed", "clip_id"]).loc[list(zip(at_home["seed"], at_home["clip_id"], strict=True))]
        np.testing.assert_allclose(own.to_numpy(), at_home.drop(columns=["clip_id", "seed"]).to_numpy(), rtol=1e-5)
