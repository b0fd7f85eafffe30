"""Combinations: each aspect from the strategy chosen for it, packaged so that nothing else is needed."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from datmos.evaluation.combination import (
    choose_strategies,
    combine_predictions,
    predict_combination,
    save_combination,
)
from datmos.heads.predict import predict_clips
from datmos.heads.saved import load_models
from datmos.training.strategy import train_strategy
from helpers.made_up_task import World, params
from helpers.study import study_of


def scores(**mse: float) -> dict[str, Any]:
    return {"aspects": {aspect: {"mse": value} for aspect, value in mse.items()}}


def test_the_least_error_on_sources_left_out_is_chosen_aspect_by_aspect() -> None:
    found = {"plain": scores(A=1.0, B=2.0, C=1.0), "dat": scores(A=3.0, B=1.0, C=1.0)}
    assert choose_strategies(found, ["A", "B", "C"]) == {"A": "plain", "B": "dat", "C": "plain"}


def test_covariances_stay_within_a_strategy() -> None:
    def predictions(offset: float) -> pd.DataFrame:
        table = pd.DataFrame({"clip_id": ["x", "y", "x", "y"], "seed": np.int32([0, 0, 1, 1])})
        names = ["A", "B", "C", "A_std", "B_std", "C_std", "cov_A_B", "cov_A_C", "cov_B_C"]
        for number, name in enumerate(names):
            table[name] = np.float32(number + offset + np.arange(4))
        return table

    plain, dat = predictions(0), predictions(100)
    found = combine_predictions({"plain": plain, "dat": dat}, {"A": "dat", "B": "plain", "C": "dat"})
    assert list(found) == list(plain)
    assert (found.dtypes == plain.dtypes).all()
    for name in ("A", "C", "A_std", "C_std", "cov_A_C"):
        assert found[name].tolist() == dat[name].tolist()
    for name in ("clip_id", "seed", "B", "B_std"):
        assert found[name].tolist() == plain[name].tolist()
    assert set(found["cov_A_B"]) == set(found["cov_B_C"]) == {0.0}


def test_a_package_predicts_by_itself(tmp_path: Path, world: World) -> None:
    settings = params({"plain": {}, "dat": {"lambda": 0.5}, "unused": {}}, epochs=1)
    models, clip_ids, cpu = tmp_path / "models", ["080", "002"], torch.device("cpu")
    for name in settings.strategies:
        study, strategy = study_of(settings, world.manifest, world.store), settings.strategies[name]
        train_strategy(study, name, strategy, world.domains, {}, models / name, tmp_path / "curves.csv")
    alone = {
        name: predict_clips(load_models(models / name), world.store, clip_ids, cpu) for name in ("plain", "dat")
    }
    save_combination(tmp_path / "package", {"A": "dat", "B": "plain"}, models)
    shutil.rmtree(models)
    assert sorted(path.name for path in (tmp_path / "package").iterdir()) == ["choice.json", "dat", "plain"]
    found = predict_combination(tmp_path / "package", world.store, clip_ids, cpu)
    assert found["A"].tolist() == alone["dat"]["A"].tolist()
    assert found["B_std"].tolist() == alone["plain"]["B_std"].tolist()
    assert found["seed"].tolist() == [0, 0, 1, 1]
