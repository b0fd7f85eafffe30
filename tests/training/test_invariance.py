"""Objectives over domains, against hand-computed values and plain loops."""

import math
from itertools import combinations

import pytest
import torch
from torch import Tensor

from datmos.core.registry import find
from datmos.training.invariance import Coral, GroupDro, VRex
from datmos.training.settings import INVARIANCES

DOMAINS = torch.tensor([[0, 0, 1, 1, 1, 3, 4, 4, 4, 0], [4, 4, 4, 4, 2, 2, 0, 0, 0, 0]])  # of five; two members


def draw(clips: int = 10) -> tuple[Tensor, Tensor]:
    """Losses and h (width 6) of two members; h has domains of its own mean and spread."""
    stream = torch.Generator().manual_seed(0)
    losses, h = torch.randn(2, clips, generator=stream), torch.randn(2, clips, 6, generator=stream)
    label = DOMAINS[:, :clips].unsqueeze(-1)
    return losses, h * (1 + label) * 0.2 + 0.1 * label


def plain_coral(h: Tensor, domains: Tensor) -> Tensor:
    """One member: h (B, W), domains (B,)."""
    groups = [h[domains == domain].double() for domain in domains.unique()]
    apart = [
        (a.mean(0) - b.mean(0)).square().mean() + (a.T.cov() - b.T.cov()).square().mean()
        for a, b in combinations([group for group in groups if len(group) >= 2], 2)
    ]
    return torch.stack(apart).mean()


def test_coral_by_hand() -> None:
    # means 1 and 4, variances 2 and 0: 9 + 4; the clip of domain 2 is alone
    h = torch.tensor([0.0, 4.0, 2.0, 4.0, 100.0]).view(1, 5, 1)
    found = Coral([3], 0.5)(torch.arange(5.0)[None], h, torch.tensor([[0, 1, 0, 1, 2]]))
    torch.testing.assert_close(found, torch.tensor([2 + 0.5 * 13]))


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_coral_and_its_gradient_pair_by_pair(offset: float) -> None:
    """Wherever h lies: a common offset must not swallow the differences."""
    losses, h = draw()
    ours, plain = ((h + offset).requires_grad_() for _ in range(2))
    found = Coral([5, 5], 0.7)(losses, ours, DOMAINS)
    distances = torch.stack([plain_coral(own, labels) for own, labels in zip(plain, DOMAINS, strict=True)])
    torch.testing.assert_close(found, (losses.mean(1) + 0.7 * distances).float(), rtol=1e-3, atol=1e-5)
    found.sum().backward()
    (0.7 * distances).sum().backward()
    torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("labels", [[2, 2, 2, 2], [0, 1, 2, 3], [1, 1, 1, 0]])
def test_coral_needs_two_domains_of_two_clips(labels: list[int]) -> None:
    h = torch.randn(1, 4, 3, requires_grad=True)
    distance = Coral([4], 1.0).distance(h, torch.tensor([labels]))
    distance.sum().backward()
    assert distance.item() == 0
    assert torch.equal(h.grad, torch.zeros(1, 4, 3))


def test_v_rex_by_hand() -> None:
    # means 2 and 6 of domains 0 and 2: variance 4; domain 1 is not in the batch
    losses = torch.tensor([[1.0, 6.0, 3.0]], requires_grad=True)
    found = VRex([3], 0.5)(losses, torch.zeros(1, 3, 1), torch.tensor([[0, 2, 0]]))
    torch.testing.assert_close(found, torch.tensor([10 / 3 + 2]))
    found.sum().backward()
    # d mean = 1/3; d variance = (mean of domain - 4) * 1/size, two domains: 2/2 * -+2 / size
    torch.testing.assert_close(losses.grad, torch.tensor([[1 / 3 - 0.5, 1 / 3 + 1, 1 / 3 - 0.5]]))


def test_group_dro_by_hand() -> None:
    """Weights 1/3 each; times e^(0.5 * 2) and e^(0.5 * 4) of the domains in the batch, then normalised."""
    objective = GroupDro([3], 0.5)
    losses = torch.tensor([[1.0, 4.0, 3.0]], requires_grad=True)
    found = objective(losses, torch.zeros(1, 3, 1), torch.tensor([[0, 2, 0]]))
    total = math.e + 1 + math.e**2
    first, last = math.e / total, math.e**2 / total
    torch.testing.assert_close(found, torch.tensor([2 * first + 4 * last]))
    torch.testing.assert_close(objective.log_shares.exp(), torch.tensor([[first, 1 / total, last]]))
    found.sum().backward()  # through the losses, not the weights
    torch.testing.assert_close(losses.grad, torch.tensor([[first / 2, last, first / 2]]))


def test_group_dro_remembers_and_a_domain_comes_back() -> None:
    objective, h, domains = GroupDro([2], 1.0), torch.zeros(1, 2, 1), torch.tensor([[0, 1]])
    objective(torch.tensor([[300.0, 0.0]]), h, domains)  # e^-300 is 0 in float32
    copy = GroupDro([2], 1.0)
    copy.load_state_dict(objective.state_dict())
    assert copy(torch.tensor([[0.0, 5.0]]), h, domains).item() == pytest.approx(0, abs=1e-6)
    copy(torch.tensor([[0.0, 295.0]]), h, domains)
    torch.testing.assert_close(copy.log_shares.exp(), torch.tensor([[0.5, 0.5]]))


@pytest.mark.parametrize("name", INVARIANCES)
def test_members_do_not_mix(name: str) -> None:
    losses, h = draw()
    together = find(INVARIANCES, name)([5, 5], 0.3)
    alone = [find(INVARIANCES, name)([5], 0.3) for _ in range(2)]
    for scale in (1.0, 3.0):  # twice, for those that remember
        found = together(scale * losses, h, DOMAINS)
        expected = [one(scale * losses[m : m + 1], h[m : m + 1], DOMAINS[m : m + 1]) for m, one in enumerate(alone)]
        torch.testing.assert_close(found, torch.cat(expected))


@pytest.mark.parametrize("name", INVARIANCES)
@pytest.mark.parametrize("clips", [1, 4])
def test_one_domain_is_the_mean_loss(name: str, clips: int) -> None:
    losses, h = draw(clips)
    found = find(INVARIANCES, name)([1, 1], 0.3)(losses, h, torch.zeros(2, clips, dtype=torch.int64))
    torch.testing.assert_close(found, losses.mean(dim=1))


@pytest.mark.parametrize("name", INVARIANCES)
def test_members_may_have_different_numbers_of_domains(name: str) -> None:
    """As in the granularity ablation: a domain that a member does not have must not matter to it."""
    losses, h = draw()
    domains = torch.stack([DOMAINS[0] % 2, DOMAINS[1]])
    kind = find(INVARIANCES, name)
    together, alone = kind([2, 5], 0.3), [kind([count], 0.3) for count in (2, 5)]
    for scale in (1.0, 3.0):
        found = together(scale * losses, h, domains)
        expected = [one(scale * losses[m : m + 1], h[m : m + 1], domains[m : m + 1]) for m, one in enumerate(alone)]
        torch.testing.assert_close(found, torch.cat(expected))
