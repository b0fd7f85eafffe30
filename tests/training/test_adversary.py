"""The adversary: the maths, not the shapes (arXiv 1505.07818)."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from datmos.heads.stacked import stack
from datmos.training.classifier import DomainClassifier
from datmos.training.gradient_reversal import reverse_gradient


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
    classifier = DomainClassifier(WIDTHS, domains=4)
    h, labels = torch.randn(1, 8, 6), (torch.arange(8) % 4)[None]
    loss = classifier.loss(classifier(h, scale), labels).mean()
    gradients = torch.autograd.grad(loss, list(classifier.parameters()))
    plain_loss = cross_entropy(classifier.layers(h)[0], labels[0])
    torch.testing.assert_close(loss, plain_loss)
    plain = torch.autograd.grad(plain_loss, list(classifier.parameters()))
    for ours, expected in zip(gradients, plain, strict=True):
        torch.testing.assert_close(ours, expected)


WIDTHS = (6, 64, 32)  # of h and of hidden layers


def test_members_with_fewer_domains_are_as_alone() -> None:
    torch.manual_seed(0)
    pair = []
    for count in (2, 5):
        torch.manual_seed(count)
        pair.append(DomainClassifier(WIDTHS, count, padded=5))
    both = stack(pair)
    h, labels = torch.randn(2, 8, 6), torch.stack([torch.arange(8) % 2, torch.arange(8) % 5])
    logits = both(h, 1.0)
    assert logits.shape == (2, 8, 5)
    assert (logits.argmax(dim=-1)[0] < 2).all()
    found = both.loss(logits, labels)
    for member, count in enumerate((2, 5)):
        torch.manual_seed(count)
        alone = DomainClassifier(WIDTHS, count)
        own = slice(member, member + 1)
        torch.testing.assert_close(found[own], alone.loss(alone(h[own], 1.0), labels[own]))
    found.sum().backward()
    last = both.layers[-1]
    assert last.weight.grad[0, 2:].abs().max() == 0
    assert last.weight.grad[0, :2].abs().max() > 0
