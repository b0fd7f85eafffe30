"""Erasure: after it no linear classifier tells domains apart, and nothing else is taken away."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from datmos.core.erasure import domain_directions, erase

COUNT, WIDTH, DOMAINS = 600, 12, 4


def clips(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.choice(DOMAINS, COUNT, p=[0.4, 0.3, 0.2, 0.1])
    means = 2 * np.random.default_rng(1).normal(size=(DOMAINS, WIDTH))
    return generator.normal(size=(COUNT, WIDTH)) + means[labels], labels


def test_all_domains_have_one_mean_afterwards() -> None:
    points, labels = clips()
    directions = domain_directions(points, labels)
    assert directions.shape == (WIDTH, DOMAINS - 1)
    np.testing.assert_allclose(directions.T @ directions, np.eye(DOMAINS - 1), atol=1e-12)
    erased = erase(points, directions)
    means = np.stack([erased[labels == name].mean(axis=0) for name in range(DOMAINS)])
    np.testing.assert_allclose(means, np.broadcast_to(erased.mean(axis=0), means.shape), atol=1e-12)
    np.testing.assert_allclose(erased @ directions, 0, atol=1e-12)
    np.testing.assert_allclose(erase(erased, directions), erased, atol=1e-12)


def test_a_linear_probe_is_at_chance_on_new_clips() -> None:
    points, labels = clips()
    directions = domain_directions(points, labels)
    new, true = clips(seed=5)
    before = LogisticRegression().fit(points, labels).score(new, true)
    after = LogisticRegression().fit(erase(points, directions), labels).score(erase(new, directions), true)
    assert before > 0.95
    assert after == pytest.approx((true == 0).mean(), abs=0.03)  # the largest domain


def test_the_first_directions_are_those_that_domains_are_farthest_apart_in() -> None:
    points, labels = clips()
    every = domain_directions(points, labels)
    for rank in (1, 2):
        np.testing.assert_allclose(domain_directions(points, labels, rank), every[:, :rank])
    between = [np.var([(points[labels == name] @ own).mean() for name in labels]) for own in every.T]
    assert between == sorted(between, reverse=True)
    assert domain_directions(points, labels, 99).shape == every.shape


def test_one_domain_and_domains_of_one_mean_have_no_directions() -> None:
    points, _ = clips()
    assert domain_directions(points, np.zeros(COUNT)).shape == (WIDTH, 0)
    twice = np.concatenate([points, points])
    assert domain_directions(twice, np.arange(2 * COUNT) // COUNT).shape == (WIDTH, 0)
    np.testing.assert_array_equal(erase(points, np.empty((WIDTH, 0))), points)
