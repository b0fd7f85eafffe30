"""Erasure: taking out of embeddings, by a linear map, what tells domains apart."""

import numpy as np


def domain_directions(points: np.ndarray, labels: np.ndarray, rank: int | None = None) -> np.ndarray:
    """Return the directions in which the means of domains lie apart: orthonormal, float64, (D, R).

    Without them (`erase`), all domains have one mean, so that no linear classifier tells them apart (Belrose et
    al., "LEACE", arXiv 2306.03819, theorem 3.1; their projection changes points least, this one is orthogonal).

    Args:
        points: of the clips to learn from, (N, D), standardised, so that every channel counts alike.
        labels: their domains, (N,).
        rank: how many directions, those first that domains are farthest apart in; None: all, one less than domains.
    """
    points = points.astype(np.float64)
    centre = points.mean(axis=0)
    names, counts = np.unique(labels, return_counts=True)
    means = np.stack([points[labels == name].mean(axis=0) - centre for name in names])
    _, sizes, directions = np.linalg.svd(means * np.sqrt(counts / len(labels))[:, None], full_matrices=False)
    found = directions[sizes > 1e-6 * points.std()][: len(names) - 1]
    return np.ascontiguousarray(found[:rank].T)


def erase(points: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Project points (N, D) onto what is orthogonal to ``directions`` (D, R)."""
    erased: np.ndarray = points - (points @ directions) @ directions.T
    return erased
