"""The head, the adversary and the loss against golden vectors of the authors' code."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datmos.heads.interface import HeadOptions
from datmos.heads.multigauss import MultiGauss
from datmos.training.classifier import DomainClassifier
from datmos.training.losses import RatingScale, gaussian_nll, gaussian_nll_floored

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
RATINGS = RatingScale(torch.zeros(4), torch.ones(4), 1.0, 10.0)


@pytest.fixture
def golden(shared: Path) -> dict[str, torch.Tensor]:
    arrays = np.load(shared / "parity" / "multigauss_dann_head.npz")
    return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def ours_from_theirs(name: str) -> str:
    """authors: _encoder.<block>.<0 conv | 1 norm>.*; every weight of ours has the members first."""
    part, block, *rest = name.removeprefix("_").split(".")
    if part == "encoder":
        return f"{('convolutions', 'norms')[int(rest[0])]}.{block}.{rest[1]}"
    return f"{ {'quality_head': 'quality', 'domain_classifier': 'layers'}[part] }.{block}.{rest[0]}"


@pytest.fixture
def models(golden: dict[str, torch.Tensor]) -> tuple[MultiGauss, DomainClassifier]:
    _, dimension, frames = golden["x"].shape
    options = HeadOptions(dimension, frames, 1, ("PQ", "PC", "CE", "CU"), (1.0, 10.0), 0.3)
    head = MultiGauss(options)
    classifier = DomainClassifier((head.width, *head.classifier_widths), golden["logits"].shape[1])
    weights = {
        ours_from_theirs(k.split("/")[1]): v.unsqueeze(0) for k, v in golden.items() if k.startswith("weights/")
    }
    for module, inside in ((head, False), (classifier, True)):
        theirs = {name: value for name, value in weights.items() if name.startswith("layers") == inside}
        buffers = {name: value for name, value in module.state_dict().items() if name not in theirs}
        assert not set(buffers) & {name for name, _ in module.named_parameters()}
        module.load_state_dict(theirs | buffers)
    return head.eval(), classifier.eval()


def test_mean_covariance_logits_and_likelihood(golden, models) -> None:
    head, classifier = models
    h = head.encode(golden["x"]).h
    predicted = head.predict(h)
    torch.testing.assert_close(predicted.mean[0], golden["mu"], **TOLERANCE)
    torch.testing.assert_close(predicted.covariance[0], golden["cov"], **TOLERANCE)
    torch.testing.assert_close(classifier(h, 1.0)[0], golden["logits"], **TOLERANCE)
    scores = golden["y"].unsqueeze(0)
    torch.testing.assert_close(gaussian_nll(predicted, scores, RATINGS)[0], golden["mvn_nll"], **TOLERANCE)
    floored = gaussian_nll_floored(predicted, scores, RATINGS)[0]
    torch.testing.assert_close(floored.mean(), golden["authors_loss"], **TOLERANCE)


def test_gradient_at_the_encoder_through_the_reversal(golden, models) -> None:
    head, classifier = models
    logits = classifier(head.encode(golden["x"]).h, 0.5)
    loss = classifier.loss(logits, golden["d"].unsqueeze(0)).mean()
    torch.testing.assert_close(loss, golden["ce"], **TOLERANCE)
    loss.backward()
    prefix = "grad_ce_through_grl_0.5/"
    expected = {ours_from_theirs(k.removeprefix(prefix)): v for k, v in golden.items() if k.startswith(prefix)}
    assert len(expected) == 8
    for name, gradient in expected.items():
        torch.testing.assert_close(head.get_parameter(name).grad[0], gradient, **TOLERANCE)
