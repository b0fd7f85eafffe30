"""The moments of a mixture against draws from it."""

import numpy as np
import pytest
import torch

from datmos.core.mixture import mix


@pytest.mark.parametrize("of", [np.asarray, torch.from_numpy])
def test_moments_of_a_mixture_are_those_of_draws_from_it(of) -> None:
    generator = np.random.default_rng(0)
    means = np.array([[[0.0, 1.0]], [[3.0, -1.0]]])  # two members, a clip, two aspects
    covariances = np.array([[[[1.0, 0.5], [0.5, 2.0]]], [[[0.5, 0.0], [0.0, 0.1]]]])
    draws = np.concatenate([generator.multivariate_normal(means[m, 0], covariances[m, 0], 200_000) for m in (0, 1)])
    mean, covariance = mix(of(means), of(covariances))
    np.testing.assert_allclose(mean[0], draws.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(covariance[0], np.cov(draws.T), atol=0.03)


def test_one_member_is_itself() -> None:
    means, covariances = torch.randn(1, 3, 2), torch.randn(1, 3, 2, 2)
    mean, covariance = mix(means, covariances)
    assert torch.equal(mean, means[0])
    assert torch.equal(covariance, covariances[0])
