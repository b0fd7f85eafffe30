"""The table of predictions."""

import numpy as np
import pandas as pd

from datmos.core.predictions import prediction_table, same_for_every_seed


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
