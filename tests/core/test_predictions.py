"""The table of predictions, mixtures of them, and h on disk."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from datmos.core.predictions import mix, prediction_table, read_h, same_for_every_seed, write_h


def test_columns_and_order() -> None:
    means = {seed: np.array([[1, 2], [3, 4]], np.float32) + seed for seed in (7, 2)}
    covariance = np.array([[[4, 1], [1, 9]], [[16, 2], [2, 25]]], np.float32)
    table = prediction_table(["b", "a"], ["PQ", "CE"], {seed: (mean, covariance) for seed, mean in means.items()})
    assert list(table.columns) == ["clip_id", "seed", "PQ", "CE", "PQ_std", "CE_std", "cov_PQ_CE"]
    assert table["clip_id"].tolist() == ["b", "a", "b", "a"]
    assert table["seed"].tolist() == [2, 2, 7, 7]
    assert table["CE"].tolist() == [4, 6, 9, 11]
    assert table["PQ_std"].tolist() == [2, 4, 2, 4]
    assert table["cov_PQ_CE"].tolist() == [1, 2, 1, 2]
    assert table["PQ"].dtype == np.float32


def test_without_randomness_every_seed_is_alike() -> None:
    table = same_for_every_seed(pd.DataFrame({"clip_id": ["b", "a"], "PQ": [1.0, 2.0]}), [5, 3])
    assert list(table.columns) == ["clip_id", "seed", "PQ"]
    assert table["seed"].tolist() == [3, 3, 5, 5]
    assert table["PQ"].tolist() == [1.0, 2.0, 1.0, 2.0]


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


def test_h_is_read_as_it_was_written_in_half_precision(tmp_path: Path) -> None:
    h = {7: np.full((3, 2), 0.1, np.float32), 2: np.array([[1e6, -1e6], [0, 1], [2, 3]], np.float32)}
    for name in ("one", "other"):
        write_h(tmp_path / f"{name}.npz", h)
    found = read_h(tmp_path / "one.npz")
    assert list(found) == [2, 7]
    assert list(read_h(tmp_path / "one.npz", 1)) == [2]
    np.testing.assert_allclose(found[7], 0.1, rtol=1e-3)
    assert found[2].tolist() == [[65504, -65504], [0, 1], [2, 3]]  # the largest that fits
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()
