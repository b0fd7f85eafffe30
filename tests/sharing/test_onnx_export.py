"""ONNX files against PyTorch: every head, combinations of strategies, and encoders that can be part of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datmos.core.errors import DatmosError
from datmos.embedding.encoders.finder import find_encoder
from datmos.heads.interface import Gaussian, as_read
from datmos.heads.registry import HEADS
from datmos.heads.saved import Models
from datmos.sharing.onnx_export import Predictor, export_head, export_whole, why_not_whole
from helpers.made_heads import embeddings, options, together
from helpers.tiny_encoders import WIDTH, checkpoint, encoder_params

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra datmos[onnx] is not installed")
pytest.importorskip("onnxscript", reason="the extra datmos[onnx] is not installed")
SEEDS = (0, 1)
ASPECTS = ("A", "B", "C", "D")


def models(name: str, seeds: tuple[int, ...] = SEEDS, **changed: Any) -> Models:
    head = together(name, seeds, **changed).eval()
    return Models(head, list(seeds), {"aspects": list(ASPECTS), "head": options()._asdict()})


def run(path: Path, name: str, clips: Tensor) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(path).run(None, {name: clips.numpy()})


def mixture(gaussian: Gaussian) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of all members' Gaussians together, member by member."""
    means, covariances = gaussian.mean.detach().numpy(), gaussian.covariance.detach().numpy()
    mean = means.mean(axis=0)
    covariance = sum(
        c + (m - mean)[:, :, None] * (m - mean)[:, None, :] for m, c in zip(means, covariances, strict=True)
    )
    return mean, covariance / len(means)


@pytest.mark.parametrize("name", [name for name in HEADS if name != "aesa"])  # slow: below, with another head
@pytest.mark.takes(6)
def test_every_head_gives_what_pytorch_gives_for_any_batch(name: str, tmp_path: Path) -> None:
    own = models(name)
    path = tmp_path / "head.onnx"
    frames = embeddings("multigauss", clips=5)  # whatever the head reads of them
    export_head(Predictor({name: own}, dict.fromkeys(ASPECTS, name)), frames.shape[1:], path)
    for x in (frames[:1], frames):
        mean, covariance = run(path, "embeddings", x)
        expected = mixture(own.head(as_read(x.unsqueeze(1), own.head.reads)))
        np.testing.assert_allclose(mean, expected[0], atol=1e-4)
        np.testing.assert_allclose(covariance, expected[1], atol=1e-4)
    assert list(tmp_path.iterdir()) == [path]  # weights inside, nothing beside it
    assert not own.head.training


@pytest.mark.takes(3)
def test_a_point_predictors_spread_is_its_covariance(tmp_path: Path) -> None:
    own = models("drasp")
    own.head.spread.copy_(torch.randn(2, 4, 4).triu())
    export_head(Predictor({"x": own}, dict.fromkeys(ASPECTS, "x")), (6, 60), tmp_path / "head.onnx")
    x = embeddings("drasp")
    found = run(tmp_path / "head.onnx", "embeddings", x)
    for got, expected in zip(found, mixture(own.head(x)), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.e2e
@pytest.mark.takes(15)
def test_a_combination_takes_each_aspect_from_its_strategy(tmp_path: Path) -> None:
    parts = {"one": models("multigauss"), "two": models("aesa", (5, 6))}
    choice = {"A": "two", "B": "one", "C": "one", "D": "two"}
    export_head(Predictor(parts, choice), embeddings("aesa").shape[1:], tmp_path / "head.onnx")
    x = embeddings("aesa")  # of two layers; the other head reads the first one
    mean, covariance = run(tmp_path / "head.onnx", "embeddings", x)
    one, two = parts["one"].head(x[:, 0]), parts["two"].head(x)
    owner = np.array([1, 0, 0, 1])
    means = np.where(owner, two.mean.detach(), one.mean.detach())  # (M, B, A)
    within = np.where((owner[:, None] & owner) == 1, two.covariance.detach(), 0)
    within = within + np.where(((1 - owner)[:, None] & (1 - owner)) == 1, one.covariance.detach(), 0)
    apart = means - means.mean(axis=0)
    expected = (within + apart[..., None] * apart[..., None, :]).mean(axis=0)
    np.testing.assert_allclose(mean, means.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(covariance, expected, atol=1e-4)


@pytest.mark.takes(8)
@pytest.mark.parametrize(
    "family",
    [
        "distillmos",
        *(pytest.param(name, marks=pytest.mark.e2e) for name in ("wav2vec2", "xls-r", "hubert", "wavlm")),
    ],
)
def test_waveforms_to_scores(family: str, tmp_path: Path) -> None:
    if family == "distillmos":
        given = encoder_params(kind="distillmos")
    else:
        given = encoder_params(model=str(checkpoint(tmp_path / "model", family)), layer=2)
    encoder = find_encoder(given, None, torch.device("cpu"))
    encoder.load()
    seconds = 2.2
    # a tone that fades: rounding is all there is between its harmonics, and some encoders look at that closely
    time = torch.arange(round(seconds * encoder.sample_rate)) / encoder.sample_rate
    tones = [
        (torch.sin(2 * torch.pi * pitch * time) + torch.sin(6 * torch.pi * pitch * time))
        for pitch in (97, 440, 1000)
    ]
    waveforms = 0.3 * torch.stack(tones) * torch.exp(-4 * time) + 0.002
    clips = [{key: value[None] for key, value in encoder.prepare(one).items()} for one in waveforms]
    with torch.no_grad():
        frames = torch.cat([encoder(clip)[0] for clip in clips])
    own = models("drasp", dimension=frames.shape[1], frames=frames.shape[2])
    export_whole(
        Predictor({"x": own}, dict.fromkeys(ASPECTS, "x")), encoder, given.kind, seconds, tmp_path / "model.onnx"
    )
    found = run(tmp_path / "model.onnx", "waveforms", waveforms)
    for got, expected in zip(found, mixture(own.head(frames)), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_an_encoder_of_spectra_says_why_not(tmp_path: Path) -> None:
    given = encoder_params(model=str(checkpoint(tmp_path / "model", "w2v-bert")))
    encoder = find_encoder(given, None, torch.device("cpu"))
    why = why_not_whole(encoder, "transformers")
    assert why is not None
    assert "takes spectra that SeamlessM4TFeatureExtractor computes" in why
    predictor = Predictor({"x": models("drasp", dimension=WIDTH)}, dict.fromkeys(ASPECTS, "x"))
    with pytest.raises(DatmosError, match="takes spectra"):
        export_whole(predictor, encoder, "transformers", 1.0, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.takes(4)
def test_a_file_that_computes_something_else_is_not_kept(tmp_path: Path) -> None:
    class Drifting(Predictor):
        calls = 0.0

        def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
            self.calls += 1
            mean, covariance = super().forward(embeddings)
            return mean + self.calls, covariance

    drifting = Drifting({"x": models("drasp")}, dict.fromkeys(ASPECTS, "x"))
    with pytest.raises(DatmosError, match=r"ONNX Runtime differs from PyTorch by .* in score_mean"):
        export_head(drifting, (6, 60), tmp_path / "head.onnx")
    assert list(tmp_path.iterdir()) == []
