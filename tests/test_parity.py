"""The head, the adversary and the loss against golden vectors of the authors' code."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from datmos.adversary import DomainClassifier
from datmos.heads import MultiGauss
from datmos.losses import gaussian_nll

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture
def golden(shared: Path) -> dict[str, torch.Tensor]:
    arrays = np.load(shared / "parity" / "multigauss_dann_head.npz")
    return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def ours_from_theirs(name: str) -> str:
    """authors: _encoder.<block>.<0 conv | 1 norm>.* ; ours: one flat Sequential with five layers a block."""
    part, block, *rest = name.removeprefix("_").split(".")
    if part == "encoder":
        return f"encoder.{5 * int(block) + int(rest[0])}.{rest[1]}"
    return f"{ {'quality_head': 'quality', 'domain_classifier': 'layers'}[part] }.{block}.{rest[0]}"


@pytest.fixture
def models(golden: dict[str, torch.Tensor]) -> tuple[MultiGauss, DomainClassifier]:
    _, dimension, frames = golden["x"].shape
    head = MultiGauss(dimension, frames, aspects=4, scale=(1.0, 10.0), dropout=0.3)
    classifier = DomainClassifier(head.width, golden["logits"].shape[1])
    weights = {ours_from_theirs(k.split("/")[1]): v for k, v in golden.items() if k.startswith("weights/")}
    as_is = {name: value for name, value in head.state_dict().items() if name in ("shift", "gain")}
    head.load_state_dict(as_is | {k: v for k, v in weights.items() if not k.startswith("layers")})
    classifier.load_state_dict({k: v for k, v in weights.items() if k.startswith("layers")})
    return head.eval(), classifier.eval()


def test_mean_covariance_logits_and_likelihood(golden, models) -> None:
    head, classifier = models
    h = head.features(golden["x"])
    predicted = head.predict(h)
    torch.testing.assert_close(predicted.mean, golden["mu"], **TOLERANCE)
    torch.testing.assert_close(predicted.covariance, golden["cov"], **TOLERANCE)
    torch.testing.assert_close(classifier(h, 1.0), golden["logits"], **TOLERANCE)
    torch.testing.assert_close(gaussian_nll(predicted, golden["y"]), golden["mvn_nll"], **TOLERANCE)


def test_gradient_at_the_encoder_through_the_reversal(golden, models) -> None:
    head, classifier = models
    loss = functional.cross_entropy(classifier(head.features(golden["x"]), 0.5), golden["d"])
    torch.testing.assert_close(loss, golden["ce"], **TOLERANCE)
    loss.backward()
    prefix = "grad_ce_through_grl_0.5/"
    expected = {ours_from_theirs(k.removeprefix(prefix)): v for k, v in golden.items() if k.startswith(prefix)}
    assert len(expected) == 8
    for name, gradient in expected.items():
        torch.testing.assert_close(head.get_parameter(name).grad, gradient, **TOLERANCE)
