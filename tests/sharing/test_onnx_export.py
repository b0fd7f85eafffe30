"""ONNX files against PyTorch, for every head."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datmos.core.errors import DatmosError
from datmos.heads.interface import Gaussian, as_read
from datmos.heads.model_files import Models
from datmos.heads.registry import HEADS
from datmos.sharing.onnx_export import Predictor, export_head
from helpers.made_heads import embeddings, options, together

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra datmos[onnx] is not installed")
pytest.importorskip("onnxscript", reason="the extra datmos[onnx] is not installed")
SEEDS = (0, 1)
ASPECTS = ("A", "B", "C", "D")


def models(name: str, seeds: tuple[int, ...] = SEEDS, **changed: Any) -> Models:
    head = together(name, seeds, **changed).eval()
    return Models(head, list(seeds), {"aspects": list(ASPECTS), "head": options()._asdict()})


def run(path: Path, clips: Tensor) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(path).run(None, {"embeddings": clips.numpy()})


def mixture(gaussian: Gaussian) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of all members' Gaussians together, member by member."""
    means, covariances = gaussian.mean.detach().numpy(), gaussian.covariance.detach().numpy()
    mean = means.mean(axis=0)
    covariance = sum(
        c + (m - mean)[:, :, None] * (m - mean)[:, None, :] for m, c in zip(means, covariances, strict=True)
    )
    return mean, covariance / len(means)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.e2e] if name == "aesa" else []) for name in HEADS]
)
@pytest.mark.takes(6)
def test_every_head_gives_what_pytorch_gives_for_any_batch(name: str, tmp_path: Path) -> None:
    own = models(name)
    path = tmp_path / "head.onnx"
    frames = embeddings("multigauss", clips=5)  # whatever the head reads of them
    export_head(Predictor(own), frames.shape[1:], path)
    for x in (frames[:1], frames):
        mean, covariance = run(path, x)
        expected = mixture(own.head(as_read(x.unsqueeze(1), own.head.reads)))
        np.testing.assert_allclose(mean, expected[0], atol=1e-4)
        np.testing.assert_allclose(covariance, expected[1], atol=1e-4)
    assert list(tmp_path.iterdir()) == [path]  # weights inside, nothing beside it
    assert not own.head.training


@pytest.mark.takes(3)
def test_a_point_predictors_spread_is_its_covariance(tmp_path: Path) -> None:
    own = models("drasp")
    own.head.spread.copy_(torch.randn(2, 4, 4).triu())
    export_head(Predictor(own), (6, 60), tmp_path / "head.onnx")
    x = embeddings("drasp")
    found = run(tmp_path / "head.onnx", x)
    for got, expected in zip(found, mixture(own.head(x)), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.takes(4)
def test_a_file_that_computes_something_else_is_not_kept(tmp_path: Path) -> None:
    class Drifting(Predictor):
        calls = 0.0

        def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
            self.calls += 1
            mean, covariance = super().forward(embeddings)
            return mean + self.calls, covariance

    drifting = Drifting(models("drasp"))
    with pytest.raises(DatmosError, match=r"ONNX Runtime differs from PyTorch by .* in score_mean"):
        export_head(drifting, (6, 60), tmp_path / "head.onnx")
    assert list(tmp_path.iterdir()) == []
