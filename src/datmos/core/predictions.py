"""The table of predictions that every backbone writes (DESIGN.md, Contracts)."""

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


def same_for_every_seed(predictions: pd.DataFrame, seeds: Sequence[int]) -> pd.DataFrame:
    """Repeat the rows (clip_id, <aspect>) of a predictor without randomness, to pair them up with strategies'."""
    table = pd.concat([predictions.assign(seed=np.int32(seed)) for seed in sorted(seeds)], ignore_index=True)
    return table[["clip_id", "seed", *predictions.columns.drop("clip_id")]]
