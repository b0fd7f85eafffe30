"""The adversary: the maths, not the shapes (arXiv 1505.07818)."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from datmos.heads.stacked import stack
from datmos.training.adversary import warm_up
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
    classifier = DomainClassifier(width=6, domains=4)
    h, labels = torch.randn(1, 8, 6), (torch.arange(8) % 4)[None]
    loss = classifier.loss(classifier(h, scale), labels, smoothing=0.0).mean()
    gradients = torch.autograd.grad(loss, list(classifier.parameters()))
    plain_loss = cross_entropy(classifier.layers(h)[0], labels[0])
    torch.testing.assert_close(loss, plain_loss)
    plain = torch.autograd.grad(plain_loss, list(classifier.parameters()))
    for ours, expected in zip(gradients, plain, strict=True):
        torch.testing.assert_close(ours, expected)


def test_warm_up() -> None:
    assert warm_up(0) == 0
    assert warm_up(0.1) == pytest.approx(2 / (1 + math.exp(-1)) - 1)
    assert warm_up(1) == pytest.approx(0.99990920)


def test_members_with_fewer_domains_are_as_alone() -> None:
    torch.manual_seed(0)
    pair = []
    for count in (2, 5):
        torch.manual_seed(count)
        pair.append(DomainClassifier(6, count, padded=5))
    both = stack(pair)
    h, labels = torch.randn(2, 8, 6), torch.stack([torch.arange(8) % 2, torch.arange(8) % 5])
    for smoothing in (0.0, 0.1):
        logits = both(h, 1.0)
        assert logits.shape == (2, 8, 5)
        assert (logits.argmax(dim=-1)[0] < 2).all()
        found = both.loss(logits, labels, smoothing)
        for member, count in enumerate((2, 5)):
            torch.manual_seed(count)
            alone = DomainClassifier(6, count)
            own = slice(member, member + 1)
            torch.testing.assert_close(found[own], alone.loss(alone(h[own], 1.0), labels[own], smoothing))
    found.sum().backward()
    last = both.layers[-1]
    assert last.weight.grad[0, 2:].abs().max() == 0
    assert last.weight.grad[0, :2].abs().max() > 0


def test_label_smoothing() -> None:
    """Target 1 - g for the clip's own domain, g / (D - 1) for each other: with g = 0.3 and D = 4, 0.7 and 0.1."""
    classifier = DomainClassifier(6, 4)
    logits, labels = torch.randn(1, 8, 4), (torch.arange(8) % 4)[None]
    target = torch.full((8, 4), 0.1)
    target[torch.arange(8), labels[0]] = 0.7
    expected = cross_entropy(logits[0], target, reduction="none")
    torch.testing.assert_close(classifier.loss(logits, labels, 0.3)[0], expected)


def test_label_smoothing_of_one_domain_is_nothing() -> None:
    """A classifier that only watches may have a single domain."""
    logits, labels = torch.randn(1, 3, 1), torch.zeros(1, 3, dtype=torch.int64)
    assert torch.equal(DomainClassifier(6, 1).loss(logits, labels, 0.3), torch.zeros(1, 3))


def test_a_classifier_with_bins_is_told_the_score() -> None:
    torch.manual_seed(0)
    classifier = DomainClassifier(width=6, domains=2, bins=3)
    h, bins = torch.randn(1, 5, 6), torch.tensor([[0, 1, 2, 1, 0]])
    inputs = torch.cat([h, torch.eye(3)[bins]], dim=-1)
    torch.testing.assert_close(classifier(h, 1.0, bins), classifier.layers(inputs))


def test_bins_take_away_what_the_score_says_of_the_domain() -> None:
    """Domain and score are the same thing here: told the score, the classifier asks nothing of h."""
    torch.manual_seed(0)
    domains = torch.arange(64) % 2
    h = torch.randn(1, 64, 6)
    h[0, :, 0] = 2.0 * domains - 1
    pressure = {}
    for bins in (1, 2):
        classifier = DomainClassifier(6, 2, bins)
        optimiser = torch.optim.Adam(classifier.parameters(), 0.01)
        for _ in range(300):
            noisy = h.clone()
            noisy[0, :, 0] += torch.randn(64)  # h says it less surely than the score does
            loss = classifier.loss(classifier(noisy, 1.0, domains[None]), domains[None], 0.0).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        seen = noisy.detach().requires_grad_()
        classifier.loss(classifier(seen, 1.0, domains[None]), domains[None], 0.0).mean().backward()
        pressure[bins] = seen.grad.norm().item()
    assert pressure[2] < 0.1 * pressure[1]
