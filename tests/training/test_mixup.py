"""C-Mixup: how often a partner is drawn, and how much of it."""

import numpy as np
import pytest
import torch

from datmos.training.mixup import draw_partners

DRAWS = 20_000


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_probability_of_a_partner() -> None:
    """Equation 6 by hand: distances 0, 1 and 2 at bandwidth 1 weigh 1, e^-1/2 and e^-2."""
    scores = torch.tensor([[0.0, 0.0], [0.6, 0.8], [0.0, -2.0]])
    partners, _ = draw_partners(scores, torch.zeros(DRAWS, dtype=torch.int64), 1.0, 1.0, stream())
    weights = torch.tensor([0.0, -0.5, -2.0]).exp()
    expected = weights / weights.sum()
    error = (expected * (1 - expected) / DRAWS).sqrt()
    assert ((partners.bincount(minlength=3) / DRAWS - expected).abs() < 4 * error).all()


def test_bandwidth_is_in_the_units_of_the_scores() -> None:
    """Twice as wide at twice the distance: the same draws."""
    scores, places = torch.randn(30, 4, generator=stream(1)), torch.arange(30)
    narrow, _ = draw_partners(scores, places, 0.5, 1.0, stream())
    wide, _ = draw_partners(2 * scores, places, 1.0, 1.0, stream())
    assert torch.equal(narrow, wide)
    assert not torch.equal(narrow, places)


def test_partners_belong_to_their_own_clip() -> None:
    """Scores so far apart that every other weight is 0: each clip finds its twin or itself, in any order."""
    scores = torch.tensor([0.0, 1e4, 2e4, 0.0, 1e4, 2e4]).unsqueeze(1)
    places = torch.tensor([5, 0, 4]).repeat(50)
    partners, _ = draw_partners(scores, places, 1e-2, 1.0, stream())
    assert torch.equal(scores[partners], scores[places])
    assert not torch.equal(partners, places)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 2.0])
def test_shares_follow_the_beta_distribution(alpha: float) -> None:
    _, shares = draw_partners(torch.zeros(1, 1), torch.zeros(DRAWS, dtype=torch.int64), 1.0, alpha, stream())
    variance = 1 / (4 * (2 * alpha + 1))
    assert shares.mean().item() == pytest.approx(0.5, abs=4 * (variance / DRAWS) ** 0.5)
    assert shares.var().item() == pytest.approx(variance, rel=0.05)
    assert shares.min() >= 0
    assert shares.max() <= 1


def test_all_chance_comes_from_the_stream() -> None:
    scores, places = torch.randn(50, 2, generator=stream(1)), torch.arange(50)
    global_states = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    one, again = stream(), stream()
    first, second = (draw_partners(scores, places, 1.0, 1.0, one) for _ in range(2))
    for ours, repeated, later in zip(first, draw_partners(scores, places, 1.0, 1.0, again), second, strict=True):
        assert torch.equal(ours, repeated)
        assert not torch.equal(ours, later)
    assert torch.equal(torch.get_rng_state(), global_states[0])
    assert (np.random.get_state()[1] == global_states[1]).all()  # noqa: NPY002


def test_one_clip() -> None:
    partners, shares = draw_partners(torch.ones(1, 3), torch.zeros(1, dtype=torch.int64), 0.1, 0.5, stream())
    assert partners.tolist() == [0]
    assert shares.shape == (1,)
    assert shares.dtype == torch.float32
