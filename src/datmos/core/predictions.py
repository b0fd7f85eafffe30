"""The table of predictions that every backbone writes: a row a clip and seed.

Columns ``clip_id, seed, <aspect>, <aspect>_std, cov_<a>_<b>``, in rating points, covariances squared. A predictor
that says nothing of its uncertainty leaves the last two kinds out.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datmos.core.files import replacing


def prediction_table(
    clip_ids: Sequence[str], aspects: Sequence[str], predicted: Mapping[int, tuple[np.ndarray, np.ndarray]]
) -> pd.DataFrame:
    """Lay predictions out.

    Args:
        clip_ids: N of them.
        aspects: A of them.
        predicted: by seed, means (N, A) and covariances (N, A, A); float32, in rating points (squared).

    Returns:
        Columns clip_id, seed, <aspect>, <aspect>_std, cov_<a>_<b>, by seed, then in the order of ``clip_ids``.
    """
    tables = []
    for seed, (mean, covariance) in sorted(predicted.items()):
        columns = {"clip_id": list(clip_ids), "seed": np.int32(seed)}
        columns |= {aspect: mean[:, a] for a, aspect in enumerate(aspects)}
        columns |= {f"{aspect}_std": np.sqrt(covariance[:, a, a]) for a, aspect in enumerate(aspects)}
        columns |= {
            f"cov_{aspects[a]}_{aspects[b]}": covariance[:, a, b] for a, b in combinations(range(len(aspects)), 2)
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def moments_of(table: pd.DataFrame, aspects: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read means (N, A) and covariances (N, A, A), float64, from N rows of a `prediction_table`."""
    columns = table.drop(columns=["clip_id", "seed"], errors="ignore").astype(np.float64)
    std = columns[[f"{aspect}_std" for aspect in aspects]].to_numpy()
    covariance = np.zeros((len(table), len(aspects), len(aspects)))
    covariance[:, range(len(aspects)), range(len(aspects))] = np.square(std)
    for (a, first), (b, second) in combinations(enumerate(aspects), 2):
        covariance[:, a, b] = covariance[:, b, a] = columns[f"cov_{first}_{second}"]
    return columns[list(aspects)].to_numpy(), covariance


def mix(means: Any, covariances: Any) -> tuple[Any, Any]:
    """Mean and covariance of a mixture of M Gaussians with equal shares, by the law of total covariance.

    The covariance is the mean of the covariances, plus the covariance of the means.

    Args:
        means: (M, ..., A), of numpy or torch.
        covariances: (M, ..., A, A), likewise.

    Returns:
        (..., A) and (..., A, A).
    """
    mean = means.mean(0)
    apart = means - mean
    return mean, covariances.mean(0) + (apart[..., :, None] * apart[..., None, :]).mean(0)


def same_for_every_seed(predictions: pd.DataFrame, seeds: Sequence[int]) -> pd.DataFrame:
    """Repeat the rows (clip_id, <aspect>) of a predictor without randomness, to pair them up with strategies'."""
    table = pd.concat([predictions.assign(seed=np.int32(seed)) for seed in sorted(seeds)], ignore_index=True)
    return table[["clip_id", "seed", *predictions.columns.drop("clip_id")]]


def write_h(path: Path, h_of_seeds: Mapping[int, np.ndarray]) -> None:
    """Write h of the natural clips (N, width) under the head of every seed, in half precision, as .npz."""
    largest = np.finfo(np.float16).max
    arrays = {str(seed): h.clip(-largest, largest).astype(np.float16) for seed, h in sorted(h_of_seeds.items())}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_h(path: Path, seeds: int | None = None) -> dict[int, np.ndarray]:
    """Read what `write_h` wrote of the first ``seeds`` (None: of all), float32, the seeds ascending."""
    with np.load(path, allow_pickle=False) as arrays:
        return {seed: arrays[str(seed)].astype(np.float32) for seed in sorted(map(int, arrays))[:seeds]}
