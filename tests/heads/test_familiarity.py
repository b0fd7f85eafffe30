"""Distances from the train clips, computed by hand."""

from pathlib import Path

import numpy as np

from datmos.heads.familiarity import fit_familiarity, load_familiarity, save_familiarity


def test_distances_and_percentiles(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    train = generator.normal(0, 1, (40, 3)).astype(np.float32)
    train[:20] += 20
    train[:, 2] = 7  # a channel that never varies
    validation = train[::4] + np.float32(0.1)
    domain = fit_familiarity(train, validation)
    save_familiarity(tmp_path, domain)
    read = load_familiarity(tmp_path)
    clip = np.array([[50.0, 50.0, 8.0]], np.float32)
    mean, std = train.astype(float).mean(axis=0), train.astype(float).std(axis=0)
    std[2] = 1.0
    squares = np.square((clip - mean) / std - domain.centres).mean(axis=1)
    np.testing.assert_allclose(read.distance(clip), np.sqrt(squares.min()))
    assert read.percentile(float(read.distance(clip)[0])) == 100
    assert read.percentile(-1.0) == 0
    middle = float(np.sort(domain.distance(validation))[4])
    assert read.percentile(middle) == 50
    np.testing.assert_array_equal(fit_familiarity(train, validation).centres, domain.centres)


def test_fewer_clips_than_clusters() -> None:
    domain = fit_familiarity(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32))
    assert domain.centres.shape == (3, 3)
    np.testing.assert_allclose(domain.validation, 0, atol=1e-12)
