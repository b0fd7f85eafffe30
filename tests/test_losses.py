"""Task losses against independent computations."""

import math

import torch

from datmos.heads import Gaussian
from datmos.losses import gaussian_nll


def test_one_aspect_by_hand() -> None:
    # mean 3, standard deviation 2, score 5: log(2 sqrt(2 pi)) + (2/2)^2 / 2
    predicted = Gaussian(torch.tensor([[3.0]]), torch.tensor([[[2.0]]]))
    expected = math.log(2 * math.sqrt(2 * math.pi)) + 0.5
    torch.testing.assert_close(gaussian_nll(predicted, torch.tensor([[5.0]])), torch.tensor([expected]))


def test_several_aspects_against_torch() -> None:
    torch.manual_seed(0)
    factor = torch.randn(7, 3, 3).triu() + 2 * torch.eye(3)
    mean, scores = torch.randn(7, 3), torch.randn(7, 3)
    expected = -torch.distributions.MultivariateNormal(mean, factor @ factor.mT).log_prob(scores)
    torch.testing.assert_close(gaussian_nll(Gaussian(mean, factor), scores), expected, rtol=1e-4, atol=1e-4)


def test_certainty_is_rewarded_without_a_floor() -> None:
    """Exact log-determinant: 10 times as certain about a perfect prediction is log 10 nats better."""
    at = [
        gaussian_nll(Gaussian(torch.zeros(1, 1), torch.full((1, 1, 1), s)), torch.zeros(1, 1)) for s in (1e-5, 1e-4)
    ]
    torch.testing.assert_close(at[1] - at[0], torch.tensor([math.log(10)]))
