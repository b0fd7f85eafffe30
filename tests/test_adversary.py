"""Gradient reversal: the maths, not the shapes (arXiv 1505.07818)."""

import pytest
import torch

from datmos.adversary import DomainClassifier, reverse_gradient


@pytest.mark.parametrize("scale", [0.0, 0.1, 0.5, 1.0, 3.0])
def test_forward_is_the_identity_and_the_gradient_is_minus_scale_times_the_plain_one(scale: float) -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    weights = torch.randn(3, 2, generator=torch.Generator().manual_seed(1))
    plain, reverse = x.clone().requires_grad_(), x.clone().requires_grad_()
    (plain @ weights).square().sum().backward()
    output = reverse_gradient(reverse, scale)
    assert torch.equal(output, x)
    (output @ weights).square().sum().backward()
    torch.testing.assert_close(reverse.grad, -scale * plain.grad)


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0])
def test_the_classifier_itself_learns_forwards(scale: float) -> None:
    """Only what lies before the reversal sees the reversed gradient."""
    torch.manual_seed(0)
    classifier = DomainClassifier(width=6, domains=4)
    h = torch.randn(8, 6)
    labels = torch.arange(8) % 4
    loss = torch.nn.functional.cross_entropy(classifier(h, scale), labels)
    gradients = torch.autograd.grad(loss, list(classifier.parameters()))
    plain_loss = torch.nn.functional.cross_entropy(classifier.layers(h), labels)
    plain = torch.autograd.grad(plain_loss, list(classifier.parameters()))
    for ours, expected in zip(gradients, plain, strict=True):
        torch.testing.assert_close(ours, expected)
