"""Task losses against independent computations."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from datmos.core.registry import find
from datmos.heads.interface import Gaussian, upper_factor
from datmos.training.losses import RatingScale, faithful, gaussian_nll, gaussian_nll_floored, qamro, squared_error
from datmos.training.settings import TASK_LOSSES

ONE_ASPECT = RatingScale(torch.tensor([5.0]), torch.tensor([2.0]), 1.0, 9.0)
THREE_ASPECTS = RatingScale(torch.tensor([5.0, 4.0, 6.0]), torch.tensor([2.0, 1.0, 1.5]), 1.0, 10.0)


def single(mean: float, std: float) -> Gaussian:
    """One member, one clip, one aspect."""
    return Gaussian(torch.full((1, 1, 1), mean), torch.full((1, 1, 1, 1), std))


def draw(members: int, clips: int, dtype: torch.dtype = torch.float32) -> tuple[Gaussian, Tensor]:
    """Three aspects."""
    stream = torch.Generator().manual_seed(0)
    mean, scores = (5 + 2 * torch.randn(members, clips, 3, generator=stream, dtype=dtype) for _ in range(2))
    factor = torch.randn(members, clips, 3, 3, generator=stream, dtype=dtype).triu(diagonal=1)
    return Gaussian(mean, factor + 2 * torch.eye(3, dtype=dtype)), scores.clamp(1, 10)


def test_faithful_by_hand() -> None:
    # (3 - 5) / 2 = -1 SD of the ratings: 1 / 2, and the likelihood as below
    nll = math.log(2 * math.sqrt(2 * math.pi)) + 0.5
    found = faithful(single(3.0, 2.0), torch.full((1, 1, 1), 5.0), ONE_ASPECT)
    torch.testing.assert_close(found, torch.tensor([[0.5 + nll]]))


def test_the_mean_learns_faithfully_from_squared_errors_alone() -> None:
    predicted, scores = draw(2, 7)
    mean, factor = (value.requires_grad_() for value in predicted)
    faithful(Gaussian(mean, factor), scores, THREE_ASPECTS).sum().backward()
    torch.testing.assert_close(mean.grad, (mean.detach() - scores) / THREE_ASPECTS.std.square())
    likelihood = gaussian_nll(Gaussian(mean.detach(), factor), scores, THREE_ASPECTS).sum()
    torch.testing.assert_close(factor.grad, torch.autograd.grad(likelihood, factor)[0])


def test_one_aspect_by_hand() -> None:
    # mean 3, standard deviation 2, score 5: log(2 sqrt(2 pi)) + (2/2)^2 / 2
    expected = math.log(2 * math.sqrt(2 * math.pi)) + 0.5
    found = gaussian_nll(single(3.0, 2.0), torch.full((1, 1, 1), 5.0), ONE_ASPECT)
    torch.testing.assert_close(found, torch.tensor([[expected]]))


def test_several_aspects_against_torch() -> None:
    predicted, scores = draw(2, 7)
    expected = -torch.distributions.MultivariateNormal(predicted.mean, predicted.covariance).log_prob(scores)
    torch.testing.assert_close(gaussian_nll(predicted, scores, THREE_ASPECTS), expected, rtol=1e-4, atol=1e-4)


def test_certainty_is_rewarded_without_a_floor() -> None:
    """Exact log-determinant: 10 times as certain about a perfect prediction is log 10 nats better."""
    at = [gaussian_nll(single(0.0, std), torch.zeros(1, 1, 1), ONE_ASPECT) for std in (1e-5, 1e-4)]
    torch.testing.assert_close(at[1] - at[0], torch.tensor([[math.log(10)]]))


@pytest.mark.parametrize(("std", "log_det"), [(0.1, 1e-6), (3.0, 2 * math.log(3))])
def test_floored_log_determinant(std: float, log_det: float) -> None:
    found = gaussian_nll_floored(single(0.0, std), torch.full((1, 1, 1), 0.2), ONE_ASPECT)
    torch.testing.assert_close(found, torch.tensor([[(log_det + (0.2 / std) ** 2) / 2]]))


def test_authors_loss(shared: Path) -> None:
    with np.load(shared / "parity" / "multigauss_dann_head.npz") as golden:
        mean, covariance, scores = (torch.from_numpy(golden[name]).unsqueeze(0) for name in ("mu", "cov", "y"))
        expected = torch.from_numpy(golden["authors_loss"])
    found = gaussian_nll_floored(Gaussian(mean, upper_factor(covariance)), scores, THREE_ASPECTS)
    torch.testing.assert_close(found.mean(), expected, rtol=1e-5, atol=1e-5)


def test_squared_error_by_hand() -> None:
    predicted = Gaussian(torch.tensor([[[3.0, 5.0], [1.0, 1.0]]]), torch.eye(2).expand(1, 2, 2, 2))
    found = squared_error(predicted, torch.tensor([[[5.0, 6.0], [1.0, 4.0]]]), ONE_ASPECT)
    torch.testing.assert_close(found, torch.tensor([[2.5, 4.5]]))


@pytest.mark.parametrize(
    ("scores", "means", "expected"),
    [
        # z-scores -1 and 1, both predicted as 0: 1 + 1 + (1 + 6 * 0.5) * 0.2 * 2
        ([3.0, 7.0], [5.0, 5.0], [3.6, 3.6]),
        # the wrong way round: 4 + 2 + 4 * (2 + 0.2 * 2)
        ([3.0, 7.0], [7.0, 3.0], [15.6, 15.6]),
        # exact: in order, further apart than the margin
        ([3.0, 7.0], [3.0, 7.0], [0.0, 0.0]),
        # the same score twice is no pair: z-scores 1 predicted as 0 and 1
        ([7.0, 7.0], [5.0, 7.0], [2.0, 0.0]),
        # lowest and best rating of the scale, in place of the middle: q = 1 of two best, 0.5 of a mixed pair
        ([9.0, 1.0], [5.0, 5.0], [4 + 2 + 4 * 0.8, 4 + 2 + 4 * 0.8]),
        ([9.0, 7.0], [5.0, 5.0], [4 + 2 + 6.25 * 0.2, 1 + 1 + 6.25 * 0.2]),
        # alone
        ([7.0], [5.0], [2.0]),
    ],
)
def test_qamro_by_hand(scores: list[float], means: list[float], expected: list[float]) -> None:
    mean, score = (torch.tensor(values).view(1, -1, 1) for values in (means, scores))
    found = qamro(Gaussian(mean, torch.ones(1, len(means), 1, 1)), score, ONE_ASPECT)
    torch.testing.assert_close(found, torch.tensor([expected]))


def test_qamro_pair_by_pair() -> None:
    predicted, scores = draw(1, 5)
    ratings = THREE_ASPECTS
    y, p = ((x[0] - ratings.mean) / ratings.std for x in (scores, predicted.mean))
    place = (scores[0] - ratings.low) / (ratings.high - ratings.low)
    ranking = [
        (1 + 6 * (place[i] + place[j]) / 2)
        * torch.relu(0.2 * (y[i] - y[j]).abs() - (y[i] - y[j]).sign() * (p[i] - p[j]))
        for i in range(5)
        for j in range(5)
        if i != j
    ]
    expected = ((p - y).square().mean(0) + (p - y).abs().mean(0) + torch.stack(ranking).mean(0)).mean()
    torch.testing.assert_close(qamro(predicted, scores, ratings).mean(), expected)


@pytest.mark.parametrize("name", TASK_LOSSES)
@pytest.mark.parametrize("clips", [1, 4])
def test_members_do_not_mix(name: str, clips: int) -> None:
    predicted, scores = draw(3, clips)
    together = find(TASK_LOSSES, name)(predicted, scores, THREE_ASPECTS)
    assert together.isfinite().all()
    for m in range(3):
        alone = Gaussian(predicted.mean[m : m + 1], predicted.factor[m : m + 1])
        torch.testing.assert_close(
            find(TASK_LOSSES, name)(alone, scores[m : m + 1], THREE_ASPECTS), together[m : m + 1]
        )


@pytest.mark.parametrize("name", sorted(TASK_LOSSES.keys() - {"faithful"}))  # which stops some of them
def test_gradients(name: str) -> None:
    predicted, scores = draw(2, 3, torch.float64)
    ratings = THREE_ASPECTS._replace(mean=THREE_ASPECTS.mean.double(), std=THREE_ASPECTS.std.double())
    assert torch.autograd.gradcheck(
        lambda mean, factor: find(TASK_LOSSES, name)(Gaussian(mean, factor.triu()), scores, ratings),
        (predicted.mean.requires_grad_(), predicted.factor.requires_grad_()),
    )
