"""Rank correlation without what it costs little to get: telling two groups of systems apart.

The systems of some aspects fall into two groups far apart (PC of AES-Natural: 11 systems up to 1.52, 25 from 2.61
on). Whoever tells the groups apart and nothing else has an SRCC of .80 there.
"""

import numpy as np

from datmos.evaluation.agreement import MIN_SYSTEMS, agreement


def upper_group(actual: np.ndarray) -> np.ndarray | None:
    """Split systems by their scores (S,) into two groups: a mask of the upper one.

    The split is the widest gap of those that leave three systems or more on each side. None if there are fewer than
    six systems.
    """
    if len(actual) < 2 * MIN_SYSTEMS:
        return None
    ranked = np.sort(actual)
    gaps = np.diff(ranked)[MIN_SYSTEMS - 1 : len(ranked) - MIN_SYSTEMS]
    return np.asarray(actual >= ranked[MIN_SYSTEMS + int(gaps.argmax())])


def srcc_within_groups(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Mean of the two groups' SRCC, weighted by their systems; both (S,).

    NaN for fewer than six systems, or where one group's can't be computed.
    """
    upper = upper_group(actual)
    if upper is None:
        return float("nan")
    parts = [agreement(predicted[mask], actual[mask], ["srcc"])["srcc"] for mask in (upper, ~upper)]
    return float(np.average(parts, weights=[upper.sum(), (~upper).sum()]))


def srcc_of_split(actual: np.ndarray) -> float:
    """SRCC that the groups alone have with the scores (S,): what telling them apart is worth; or NaN."""
    upper = upper_group(actual)
    return float("nan") if upper is None else agreement(upper, actual, ["srcc"])["srcc"]
