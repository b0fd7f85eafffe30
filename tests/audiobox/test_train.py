"""From params to fine-tuned models, and from models to predictions, as the stages do it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from datmos import load
from datmos.audiobox.domains import embed_clips, label_train_clips
from datmos.audiobox.model_files import load_weights, make_model
from datmos.audiobox.predict import predict_published, predict_rows
from datmos.audiobox.train import finetune_strategy
from datmos.audiobox.training_set import AudioStudy, read_start
from datmos.audiobox.waveforms import collate
from datmos.audiobox.weights import load_start
from datmos.core.errors import DatmosError
from datmos.core.processes import ALONE
from datmos.params.schema import Params
from helpers.audiobox_clips import RATE, WINDOW, Made, make_clips
from helpers.meta_model import meta_model, save_checkpoint_pt
from helpers.places import REPOSITORY
from helpers.tiny_encoders import checkpoint

CPU = torch.device("cpu")


def params_of(made: Made, **finetune: Any) -> Params:
    raw = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    raw["data"] |= {"kind": "ratings", "root": str(made.folder), "aspects": ["PQ", "PC"]}
    raw |= {"seeds": [3, 1], "kmeans": raw["kmeans"] | {"k": 2}}
    raw["audio"] |= {"clip_seconds": WINDOW}
    strategies = {
        "tuned": {"domains": "source", "lambda": 0.0},
        "both": {"domains": "source_kmeans", "lambda": [0.5, 0.1]},
    }
    raw["finetune"] |= {"strategies": strategies, "encoder": str(made.folder / "wavlm"), "revision": None}
    raw["finetune"] |= {"epochs": 1, "batch_size": 6, "mlp_layers": 2} | finetune
    return Params.model_validate(raw)


def study_of(params: Params) -> AudioStudy:
    data = params.data
    return AudioStudy(params.finetune, params.audio, data.root, data.aspects, data.scale, params.seeds, "one")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    made = make_clips(tmp_path / "clips")
    return made._replace(manifest=made.manifest.assign(category="speech"))


def test_clusters_are_of_the_encoders_own_time_means(made: Made) -> None:
    train = made.manifest[made.manifest["split"] == "train"]
    points = embed_clips(study_of(params_of(made)), train, made.start, CPU)
    model = load_weights(make_model(made.start.recipe), made.start.weights).eval()
    (waveforms,) = made.training.waveforms.stream([[5]])
    inputs = collate(waveforms, round(WINDOW * RATE), made.start.recipe.extractor, CPU)
    with torch.inference_mode():
        states = model.encoder(inputs["input_values"][:, : len(waveforms[0])]).last_hidden_state[0]
    assert points.shape == (12, states.shape[1])
    # the group norm hears the padding too: alike, not the same
    assert np.corrcoef(points[5], states.mean(dim=0).numpy())[0, 1] > 0.9
    labels, summary = label_train_clips(study_of(params_of(made)), params_of(made).domains, "both", train, CPU)
    assert list(labels.columns) == ["clip_id", "source", "kmeans"]
    assert labels["source"].tolist() == [0, 1] * 6
    assert summary["kmeans"]["domains"] == 2


@pytest.mark.takes(4)
def test_trained_saved_and_predicted(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    published = save_checkpoint_pt(meta_model(monkeypatch), made.folder / "checkpoint.pt")
    params = params_of(made, published={"meta": {"model": str(published)}})
    train = made.manifest[made.manifest["split"] == "train"]
    for name in params.finetune.strategies:
        labels, _ = label_train_clips(study_of(params), params.domains, name, train, CPU)
        folder = Path("data/finetuned", name)
        details, curves = {"trained_on": params.data.kind}, Path(f"{name}.csv")
        finetune_strategy(study_of(params), name, made.manifest, labels, details, folder, curves, ALONE)
        files = sorted(path.name for path in folder.iterdir())
        assert files == ["config.json", "seed_1.safetensors", "seed_3.safetensors"]
        assert load(folder, "cpu").trained_on == "ratings"
    curves = pd.read_csv("both.csv")
    both = (curves["domain_accuracy_source"] + curves["domain_accuracy_kmeans"]) / 2
    assert np.allclose(curves["domain_accuracy"], both, atol=1e-4)
    assert list(Path(".cache/training").iterdir()) == []
    tuned, published_models = list(params.finetune.strategies), params.finetune.published
    aspects, seeds = params.data.aspects, params.seeds
    tables = predict_rows(tuned, published_models, made.manifest, made.folder, aspects, seeds, CPU)
    assert list(tables) == ["tuned", "both", "meta"]
    assert list(tables["both"].columns) == ["clip_id", "seed", "PQ", "PC", "PQ_std", "PC_std", "cov_PQ_PC"]
    assert tables["both"]["seed"].tolist() == [1] * 18 + [3] * 18
    assert (tables["both"]["PQ_std"] > 0).all()
    assert list(tables["meta"].columns) == ["clip_id", "seed", "PQ", "PC"]
    paths = [made.folder / name for name in made.manifest["path"]]
    other_way = predict_published(str(published), None, ["PC", "PQ"], paths, CPU).scores
    assert np.array_equal(tables["meta"][["PC", "PQ"]].to_numpy()[:18], other_way)
    # a first epoch at 1e-5 leaves predictions near the mean of the train ratings
    assert abs(tables["tuned"]["PQ"].mean() - train["PQ"].mean()) < 1.5


def test_a_start_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "encoder", "wavlm")
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if "encoder.layers.0." in name)
    save_file({name: value for name, value in weights.items() if name != lost}, folder / "model.safetensors")
    with pytest.raises(DatmosError, match=rf"lacks 1 weights that are used: {lost}"):
        load_start(str(folder), None, ("PQ",), 2)
    save_file({f"wavlm.{name}": value for name, value in weights.items()}, folder / "model.safetensors")
    load_start(str(folder), None, ("PQ",), 2)


def test_a_start_that_cannot_be_read_names_the_setting(made: Made) -> None:
    (made.folder / "wavlm/model.safetensors").unlink()
    with pytest.raises(DatmosError, match=r"finetune\.encoder: the folder '.*' holds no audio encoder"):
        read_start(study_of(params_of(made)))
