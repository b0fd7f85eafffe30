"""The model on every family of encoders: masks, frames, and how it is kept."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from datmos.audiobox.model import count_frames, samples_of
from datmos.audiobox.model_files import load_model, load_recipe, load_weights, make_model, save_models
from datmos.audiobox.predict import predict_files
from datmos.audiobox.waveforms import Hearing, collate
from datmos.audiobox.weights import load_start
from datmos.core.errors import DatmosError
from helpers.meta_model import TRANSFORM, meta_model, save_for_hub
from helpers.tiny_encoders import CONFIGS, checkpoint

CPU = torch.device("cpu")


def test_frames_by_hand() -> None:
    lengths = torch.tensor([1, 320, 321, 640, 31_680, 32_000])
    assert count_frames(lengths, 32_000, 99).tolist() == [1, 1, 1, 2, 99, 99]  # 323 samples a frame
    config = CONFIGS["wavlm"]()
    samples = samples_of(torch.tensor([1, 2, 10]), config)
    assert samples.tolist() == [320, 640, 3200]


@pytest.mark.parametrize("family", CONFIGS)
def test_any_encoder_can_take_wavlms_place(family: str, tmp_path: Path) -> None:
    start = load_start(str(checkpoint(tmp_path, family)), None, ("PQ", "CE"), 2)
    torch.manual_seed(0)
    model = load_weights(make_model(start.recipe), start.weights)
    waves = [torch.randn(16_000) / 10, torch.randn(7_000) / 10]
    inputs = collate(waves, 16_000, start.recipe.extractor, CPU)
    model.train()
    model(inputs).sum().backward()
    silent = [n for n, p in model.encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # keys' biases change no softmax; Whisper's positions are fixed; w2v-BERT has parts for pretraining
    assert len(silent) < 0.2 * len(list(model.encoder.parameters())), silent
    model.eval()
    with torch.inference_mode():
        together = model(inputs)
        alone = torch.cat([model(collate([wave], 16_000, start.recipe.extractor, CPU)) for wave in waves])
    assert torch.allclose(together, alone, atol=1e-5)  # a clip's score does not depend on its neighbours
    assert (together[0] - together[1]).abs().max() > 1e-4


@pytest.mark.parametrize("family", ["wavlm", "xls-r", "w2v-bert", "whisper"])
def test_a_saved_model_is_the_same(family: str, tmp_path: Path) -> None:
    start = load_start(str(checkpoint(tmp_path / "encoder", family)), None, ("PQ", "CE"), 2)
    model = load_weights(make_model(start.recipe), start.weights)
    model.spread.copy_(torch.tensor([[2.0, 1.0], [0.0, 1.0]]))
    (tmp_path / "saved").mkdir()
    save_models(tmp_path / "saved", start.recipe, {"strategy": "x"}, {3: model.state_dict()})
    assert str(tmp_path) not in (tmp_path / "saved/config.json").read_text()
    recipe, config = load_recipe(tmp_path / "saved")
    assert config["seeds"] == [3]
    again = load_model(tmp_path / "saved", recipe, 3)
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 9_000), 16_000)
    paths = [tmp_path / "a.wav"]
    first, second = (
        predict_files(one, own.extractor, Hearing(0.5), paths, CPU)
        for one, own in ((model, start.recipe), (again, recipe))
    )
    assert np.array_equal(first.scores, second.scores)
    assert np.array_equal(second.covariances[0], [[5.0, 1.0], [1.0, 1.0]])


def test_published_heads_are_kept_where_they_predict_the_aspects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_for_hub(meta_model(monkeypatch), tmp_path / "hub")
    whole = load_start(str(folder), None, ("CE", "CU", "PC", "PQ"), 5)
    some = load_start(str(folder), None, ("PQ", "CE"), 5)
    inputs = {"input_values": torch.randn(2, 8_000), "attention_mask": torch.ones(2, 8_000, dtype=torch.long)}
    with torch.inference_mode():
        four, two = (load_weights(make_model(one.recipe), one.weights).eval()(inputs) for one in (whole, some))
    assert torch.allclose(two, four[:, [3, 0]], atol=1e-6)
    assert some.weights["target_mean"].tolist() == [TRANSFORM["PQ"]["mean"], TRANSFORM["CE"]["mean"]]
    other = load_start(str(folder), None, ("LQO",), 5)
    assert {name.split(".")[0] for name in other.weights} == {"encoder"}
    assert other.recipe.shape.layers == whole.recipe.shape.layers


def test_a_start_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatmosError, match=r"config\.json: no such file"):
        load_start(str(tmp_path), None, ("PQ",), 5)
    with pytest.raises(DatmosError, match="needs its revision pinned"):
        load_start("nobody/nothing", None, ("PQ",), 5)
    with pytest.raises(DatmosError, match="no such file"):
        load_start(str(tmp_path / "checkpoint.pt"), None, ("PQ",), 5)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    start = load_start(str(checkpoint(tmp_path, "wavlm")), None, ("PQ",), 2)
    (tmp_path / "x.wav").write_bytes(b"")
    with pytest.raises(DatmosError, match=r"x\.wav: empty file"):
        predict_files(make_model(start.recipe), start.recipe.extractor, Hearing(1.0), [tmp_path / "x.wav"], CPU)
