"""Models that predict from audio directly: the same scores as Meta's own predictor, and as the pipeline's stage."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from audiobox_aesthetics import infer, utils

from datmos.audiobox.model_files import Recipe, load_weights, make_model, save_models
from datmos.audiobox.predict import predict_finetuned
from datmos.audiobox.weights import load_published, load_start
from datmos.scoring.scorer import load
from helpers.meta_model import TRANSFORM, meta_model, save_checkpoint_pt, save_for_hub
from helpers.tiny_encoders import checkpoint

ASPECTS = ["CE", "CU", "PC", "PQ"]
# 10 s and a little; frames of 320 samples: those that end within one, and windows full but for some samples
LENGTHS = [25.0, 10.0, 0.7, 20.01, 9.99, 159_758 / 16_000, 159_999 / 16_000, 330 * 320 / 16_000, 1601 / 16_000]


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    generator, paths = np.random.default_rng(0), []
    for place, seconds in enumerate(LENGTHS):
        rate = (8000, 22_050)[place] if place < 2 else 16_000
        paths.append(tmp_path / f"{place}.wav")
        soundfile.write(paths[-1], generator.normal(0, 0.1, (round(seconds * rate), 2)), rate, subtype="FLOAT")
    return paths


@pytest.mark.takes(2)
def test_published_models_score_as_their_own_predictor(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = meta_model(monkeypatch)
    predictor = infer.AesPredictor.__new__(infer.AesPredictor)
    predictor.sample_rate, predictor.data_col, predictor.model = 16_000, "path", model
    predictor.device = torch.device("cpu")
    predictor.target_transform = {name: infer.Normalize(**moments) for name, moments in TRANSFORM.items()}
    expected = []
    for path in clips:
        samples, rate = soundfile.read(path, dtype="float32")
        (row,) = predictor.forward([{"path": torch.from_numpy(samples.T.copy()), "sample_rate": rate}])
        expected.append(row)
    for source in (save_for_hub(model, tmp_path / "hub"), save_checkpoint_pt(model, tmp_path / "checkpoint.pt")):
        scorer = load(source, device="cpu")
        assert scorer.aspects == ASPECTS
        scores = scorer.score(clips)
        for score, row in zip(scores, expected, strict=True):
            np.testing.assert_allclose(list(score.mean.values()), [row[name] for name in ASPECTS], atol=1e-4)
            assert np.isnan(list(score.std.values())).all()
            assert "±" not in str(score)
            assert score.distance is None
        assert scorer.trained_on is None


def test_what_meta_publishes_is_loaded_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, asked = save_for_hub(meta_model(monkeypatch), tmp_path / "hub"), []

    def download(name: str, **_: Any) -> str:
        asked.append(name)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert load("facebook/audiobox-aesthetics", device="cpu").aspects == ASPECTS
    assert asked == [utils.DEFAULT_HF_REPO]


@pytest.mark.parametrize("family", ["wavlm", "xls-r", "data2vec-audio"])  # group norm; layer norm; always padded
@pytest.mark.takes(2)
def test_finetuned_models_score_as_the_stage_does(family: str, clips: list[Path], tmp_path: Path) -> None:
    start = load_start(str(checkpoint(tmp_path / "encoder", family)), None, ["A", "B"], 2)
    weights: dict[int, Any] = {}
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = load_weights(make_model(start.recipe), start.weights)
        model.spread.copy_(torch.tensor([[0.5, 0.1 * seed], [0.0, 0.3]]))
        weights[seed] = model.state_dict()
    folder = tmp_path / "models"
    folder.mkdir()
    details = {"strategy": "made", "scale": [1, 5], "window_seconds": 10.0, "offset": 0.0}
    save_models(folder, start.recipe, details, weights)
    short = [path for path, seconds in zip(clips, LENGTHS, strict=True) if seconds <= 10]
    expected = predict_finetuned(folder, short, torch.device("cpu"))
    scorer = load(folder, device="cpu")
    assert (scorer.name, scorer.scale) == ("made", (1, 5))
    for place, score in enumerate(scorer.score(short)):
        means = np.stack([predicted.scores[place] for predicted in expected.values()]).astype(np.float64)
        np.testing.assert_allclose(list(score.mean.values()), means.mean(axis=0), atol=1e-4)
        spread = np.mean([predicted.covariance for predicted in expected.values()], axis=0)
        np.testing.assert_allclose(score.covariance, spread + np.cov(means.T, bias=True), atol=1e-4)


def test_padding_that_is_left_out_is_never_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, _ = load_published(str(save_for_hub(meta_model(monkeypatch), tmp_path / "hub")), None)
    assert isinstance(recipe, Recipe)
    model: Any = load(tmp_path / "hub", device="cpu").model
    assert len(model.prepare(torch.randn(16_000))["input_values"]) == 49 * 320 + 400
    assert len(model.prepare(torch.randn(160_000))["input_values"]) == 160_000
    assert len(model.prepare(torch.randn(159_999))["input_values"]) == 160_000
