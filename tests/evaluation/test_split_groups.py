"""Groups of systems: splits by hand, and the real one of production complexity."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datmos.evaluation.split_groups import srcc_of_split, srcc_within_groups, upper_group

TWO = np.array([9.0, 1.0, 8.0, 1.2, 1.1, 8.5, 8.2])


def test_the_split_is_where_the_gap_is() -> None:
    mask = upper_group(TWO)
    assert mask is not None
    assert mask.tolist() == [True, False, True, False, False, True, True]
    order = np.random.default_rng(0).permutation(len(TWO))
    shuffled = upper_group(TWO[order])
    assert shuffled is not None
    assert shuffled.tolist() == mask[order].tolist()


def test_groups_have_three_systems_or_more() -> None:
    lonely = upper_group(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 100.0]))
    assert lonely is not None
    assert lonely.tolist() == [False, False, False, True, True, True]
    assert upper_group(np.arange(5.0)) is None
    assert np.isnan(srcc_within_groups(np.arange(5.0), np.arange(5.0)))
    assert np.isnan(srcc_of_split(np.arange(5.0)))


def test_who_knows_only_the_groups_has_nothing_within() -> None:
    generator = np.random.default_rng(1)
    actual = np.concatenate([generator.normal(1, 0.1, 200), generator.normal(8, 0.1, 300)])
    knows_groups = (actual > 4) + generator.normal(0, 0.1, 500)
    assert abs(srcc_within_groups(knows_groups, actual)) < 0.12
    assert srcc_within_groups(actual, actual) == pytest.approx(1.0)
    # 200 and 300 tied ranks: sqrt((1 - .4^3 - .6^3))
    assert srcc_of_split(actual) == pytest.approx(np.sqrt(1 - 0.4**3 - 0.6**3), abs=1e-3)


def test_weights_are_the_numbers_of_systems() -> None:
    predicted = TWO.copy()
    predicted[[1, 3, 4]] = [1.0, 1.1, 1.2]  # order 1.0 1.2 1.1 becomes 1.0 1.1 1.2: SRCC 1/2
    assert srcc_within_groups(predicted, TWO) == pytest.approx((4 * 1.0 + 3 * 0.5) / 7)
    assert np.isnan(srcc_within_groups(np.full(7, 3.0), TWO))


def test_production_complexity_of_the_real_labels(shared: Path) -> None:
    """PC of AES-Natural: 11 systems <= 1.52, 25 >= 2.61, and the split alone gives .80."""
    path = shared / "aes-natural" / "audiomos2025_track2_human_annotations.jsonl"
    if not path.is_file():
        pytest.skip("shared/aes-natural is absent")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    table = pd.DataFrame(
        {
            "system": [row["data_path"].split("-")[2] for row in rows],
            "PC": [np.mean(row["Production_Complexity"]) for row in rows],
        }
    )
    actual = table.groupby("system")["PC"].mean().to_numpy()
    upper = upper_group(actual)
    assert upper is not None
    assert (upper.sum(), (~upper).sum()) == (25, 11)
    assert round(actual[~upper].max(), 2) == 1.52
    assert round(actual[upper].min(), 2) == 2.61
    assert round(srcc_of_split(actual), 2) == 0.80
