import math
import warnings

import numpy as np
import pandas as pd
import pytest

from datmos.evaluation.agreement import AGREEMENT_METRICS, agreement, system_means


def test_agreement_by_hand():
    # errors 1 1 -1 1: MSE 1, mean 0.5, so bias^2 0.25 and 0.75 is left
    # ranks 1 3 2 4 and 1 2 3 4: SRCC = 1 - 6 * (0 + 1 + 1 + 0) / (4 * 15) = 0.8
    # one of six pairs is the wrong way round: tau = (5 - 1) / 6
    # deviations -2 0 -1 3 and -2.5 -0.5 0.5 2.5: products 12, squares 14 and 13
    result = agreement(np.array([2.0, 4.0, 3.0, 7.0]), np.array([1.0, 3.0, 4.0, 6.0]))
    assert result == pytest.approx(
        {
            "mse": 1.0,
            "mse_bias2": 0.25,
            "mse_centred": 0.75,
            "srcc": 0.8,
            "ktau": 4 / 6,
            "lcc": 12 / math.sqrt(14 * 13),
        }
    )
    assert tuple(result) == AGREEMENT_METRICS


def test_ties_share_ranks():
    # ranks 1.5 1.5 3 and 1 2 3: products 1.5, squares 1.5 and 2
    # two concordant pairs, one tied in the prediction: tau-b = 2 / sqrt(2 * 3)
    result = agreement(np.array([1.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0]))
    assert result["srcc"] == pytest.approx(1.5 / math.sqrt(1.5 * 2))
    assert result["ktau"] == pytest.approx(2 / math.sqrt(6))


@pytest.mark.parametrize(
    ("predicted", "actual"),
    [
        ([5.0], [3.0]),
        ([5.0, 5.0, 5.0], [2.0, 3.0, 4.0]),
        ([2.0, 3.0, 4.0], [5.0, 5.0, 5.0]),
        ([0.1 + 0.2, 0.3, 0.3], [2.0, 3.0, 4.0]),  # constant but for the last bit
        ([0.0, 0.0], [0.0, 0.0]),
    ],
)
def test_no_correlation_without_spread(predicted, actual):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = agreement(np.array(predicted), np.array(actual))
    assert [math.isnan(result[name]) for name in AGREEMENT_METRICS] == [False, True, True, True, False, False]


def test_no_points_no_numbers():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(math.isnan(value) for value in agreement(np.array([]), np.array([])).values())


@pytest.mark.parametrize("shape", [(3,), (2, 2)])
def test_agreement_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="one shape"):
        agreement(np.zeros((2, 2)), np.zeros(shape))


def test_system_means_leave_natural_clips_out():
    table = pd.DataFrame({"system": ["b", "a", "b", "", None], "PQ": [1.0, 2.0, 4.0, 9.0, 9.0]})
    assert system_means(table, ["PQ"])["PQ"].to_dict() == {"a": 2.0, "b": 2.5}
    natural = pd.DataFrame({"system": [np.nan, np.nan], "PQ": [1.0, 2.0]})
    assert system_means(natural, ["PQ"]).empty
