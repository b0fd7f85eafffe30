"""Parity with Meta's own code: its random weights, converted, give the same outputs."""

from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from audiobox_aesthetics import infer

from datmos.audiobox.convert import convert
from datmos.audiobox.model import AudioboxModel
from datmos.audiobox.model_files import Recipe, load_weights, make_model
from datmos.audiobox.predict import predict_files
from datmos.audiobox.waveforms import Hearing
from datmos.audiobox.weights import load_published
from datmos.core.errors import DatmosError
from helpers.meta_model import ARGUMENTS, TRANSFORM, meta_model, save_checkpoint_pt, save_for_hub

ASPECTS = ("CE", "CU", "PC", "PQ")


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Any:
    return meta_model(monkeypatch)


def converted(model: Any, config: dict[str, Any]) -> AudioboxModel:
    shape, encoder, weights = convert(config, model.state_dict())
    return load_weights(make_model(Recipe(shape, encoder, None)), weights).eval()


@torch.inference_mode()
def both(theirs: Any, ours: AudioboxModel, waves: torch.Tensor, mask: torch.Tensor | None) -> list[torch.Tensor]:
    batch = {"wav": waves.unsqueeze(1)} | ({} if mask is None else {"mask": mask.unsqueeze(1)})
    expected = torch.stack([theirs(batch)[aspect] for aspect in ASPECTS], dim=1)
    whole = torch.ones_like(waves, dtype=torch.bool) if mask is None else mask
    found = ours.predict(ours.pool({"input_values": waves, "attention_mask": whole.long()}))
    return [expected, found]


@pytest.mark.parametrize("samples", [400, 3_200, 16_000, 16_013, 40_000, 160_000])
@pytest.mark.takes(2)
def test_same_outputs_for_every_length(theirs: Any, samples: int) -> None:
    ours = converted(theirs, ARGUMENTS | {"target_transform": TRANSFORM})
    expected, found = both(theirs, ours, torch.randn(2, samples), None)
    assert expected.std() > 0.05  # an output that never changes would prove nothing
    assert torch.allclose(found, expected, atol=1e-4)


def test_same_outputs_with_padding(theirs: Any) -> None:
    ours = converted(theirs, ARGUMENTS | {"target_transform": TRANSFORM})
    lengths = torch.tensor([32_000, 31_999, 31_681, 17_333, 1_601, 320, 64, 5])
    mask = torch.arange(32_000) < lengths[:, None]
    waves = torch.randn(len(lengths), 32_000) * mask
    expected, found = both(theirs, ours, waves, mask)
    assert torch.allclose(found, expected, atol=1e-4)
    unmasked = both(theirs, ours, waves, None)[1]
    moved = (unmasked - found).abs().amax(dim=1) > 1e-6
    # the last of 99 frames of 323 samples counts while there is a sample in it: transformers' rule would drop it
    assert moved.tolist() == [False, False, False, True, True, True, True, True]


@pytest.mark.parametrize(
    "change", [{"normalize_embed": False}, {"proj_ln": False, "proj_dropout": 0.5}, {"proj_num_layer": 1}]
)
def test_same_outputs_for_other_heads(monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]) -> None:
    theirs = meta_model(monkeypatch, **change)
    ours = converted(theirs, ARGUMENTS | {"target_transform": TRANSFORM} | change)
    expected, found = both(theirs, ours, torch.randn(3, 8_000), None)
    assert torch.allclose(found, expected, atol=1e-4 * expected.abs().max())


def test_every_weight_is_used(theirs: Any) -> None:
    """Else a part of Meta's model could be converted to nothing, and chance would hide it."""
    config = ARGUMENTS | {"target_transform": TRANSFORM}
    ours = converted(theirs, config)
    count = sum(value.numel() for name, value in theirs.named_parameters() if not name.endswith("mask_emb"))
    assert sum(value.numel() for value in ours.parameters()) == count


@pytest.mark.takes(2)
def test_same_ratings_of_files_as_its_own_predictor(theirs: Any, tmp_path: Path) -> None:
    """Windows of 10 s, the last one padded, weighted by their length; both file formats; de-normalised."""
    paths = []
    for place, (seconds, rate) in enumerate([(25.0, 8_000), (10.0, 16_000), (0.7, 22_050), (20.01, 16_000)]):
        paths.append(tmp_path / f"{place}.wav")
        soundfile.write(paths[-1], torch.randn(round(seconds * rate), 2).numpy() / 10, rate, subtype="FLOAT")
    predictor = infer.AesPredictor.__new__(infer.AesPredictor)
    predictor.sample_rate, predictor.data_col, predictor.model = 16_000, "path", theirs
    predictor.device = torch.device("cpu")
    predictor.target_transform = {name: infer.Normalize(**moments) for name, moments in TRANSFORM.items()}
    waves = [soundfile.read(path, dtype="float32") for path in paths]
    items = [{"path": torch.from_numpy(samples.T.copy()), "sample_rate": rate} for samples, rate in waves]
    expected = torch.tensor([[row[aspect] for aspect in ASPECTS] for row in predictor.forward(items)])
    hub, checkpoint = save_for_hub(theirs, tmp_path / "hub"), save_checkpoint_pt(theirs, tmp_path / "checkpoint.pt")
    for source in (hub, checkpoint):
        recipe, weights = load_published(str(source), None)
        assert recipe.shape.aspects == ASPECTS
        model = load_weights(make_model(recipe), weights)
        found = predict_files(model, recipe.extractor, Hearing(10.0, whole=True), paths, torch.device("cpu"))
        assert torch.allclose(torch.from_numpy(found.scores), expected, atol=1e-4)


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("run",))


@pytest.mark.parametrize(
    ("content", "words"),
    [({"state_dict": Evil()}, "without running code"), ({"state_dict": {}}, "model_cfg"), (3, "model_cfg")],
)
def test_a_checkpoint_runs_no_code(tmp_path: Path, content: Any, words: str) -> None:
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(DatmosError, match=words):
        load_published(str(tmp_path / "checkpoint.pt"), None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"use_weighted_layer_sum": False}, "use_weighted_layer_sum: .*True; found False"),
        ({"target_transform": None}, "target_transform: .*found None"),
        ({"target_transform": {"CE": TRANSFORM["CE"]}}, "layer weights of the aspects"),
    ],
)
def test_another_architecture_is_refused(theirs: Any, change: dict[str, Any], words: str) -> None:
    with pytest.raises(DatmosError, match=words):
        convert(ARGUMENTS | {"target_transform": TRANSFORM} | change, theirs.state_dict())


def test_a_missing_part_is_named(theirs: Any) -> None:
    weights = {name: value for name, value in theirs.state_dict().items() if "fc1" not in name}
    with pytest.raises(DatmosError, match="fc1"):
        convert(ARGUMENTS | {"target_transform": TRANSFORM}, weights)
