"""The table of predictions that every backbone writes: a row a clip and seed.

Columns ``clip_id, seed, <aspect>, <aspect>_std, cov_<a>_<b>``, in rating points, covariances squared. A predictor
that says nothing of its uncertainty leaves the last two kinds out.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd


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


def same_for_every_seed(predictions: pd.DataFrame, seeds: Sequence[int]) -> pd.DataFrame:
    """Repeat the rows (clip_id, <aspect>) of a predictor without randomness, to pair them up with strategies'."""
    table = pd.concat([predictions.assign(seed=np.int32(seed)) for seed in sorted(seeds)], ignore_index=True)
    return table[["clip_id", "seed", *predictions.columns.drop("clip_id")]]
