"""What a model gives is judged after all that made it; what can't be believed is its clip's reason."""

import numpy as np
import pytest
import torch

from datmos.scoring.model import WindowScores
from datmos.scoring.score import Failure, Score
from datmos.scoring.scorer import Scorer
from helpers.loudness import RATE, LoudnessModel, sound

SURE = np.diag([0.25, 1.0])
SHORT, LONG = 1.0, 2.0  # seconds: one window, two


class Giving(LoudnessModel):
    """Gives what it is told for clips that are louder than others; what is an error is raised."""

    def __init__(self, *given: tuple[object, object] | Exception) -> None:
        super().__init__()
        self._given, self._next = given, 0

    def __call__(self, inputs: dict[str, torch.Tensor]) -> WindowScores:
        if inputs["waveforms"].abs().max() < 2:
            return super().__call__(inputs)
        given = self._given[self._next % len(self._given)]
        self._next += 1
        if isinstance(given, Exception):
            raise given
        mean, covariance = given
        return WindowScores(np.array([mean], dtype=float), np.array([covariance], dtype=float), None)


def score(*given: tuple[object, object] | Exception, seconds: float = SHORT) -> Score | Failure:
    """Score a clip with what a model gives for its windows, between two clips that have nothing odd."""
    usual = sound(np.random.default_rng(0), 1.0)
    odd = np.append(3.0, sound(np.random.default_rng(1), seconds)[1:])
    odd[round(RATE) :: round(RATE)] = 3.0
    before, found, after = Scorer(Giving(*given)).stream([usual, odd, usual], RATE, workers=1)
    assert isinstance(before, Score)
    assert isinstance(after, Score)
    assert before.mean == after.mean
    return found


NO_COVARIANCE = "a covariance that is none"
NOT_FINITE = "values that are not finite"


@pytest.mark.parametrize("seconds", [SHORT, LONG])
@pytest.mark.parametrize(
    ("mean", "covariance", "reason"),
    [
        ([0, 0], [[0, 0], [0, 0]], NO_COVARIANCE),
        ([0, 0], [[1, 1], [1, 1]], NO_COVARIANCE),
        ([0, 0], [[1, 1], [1, 1 + 1e-14]], NO_COVARIANCE),
        ([0, 0], [[1, 2], [2, 1]], NO_COVARIANCE),
        ([0, 0], [[-1, 0], [0, 1]], NO_COVARIANCE),
        ([0, 0], [[1, 0.5], [0, 1]], NO_COVARIANCE),
        ([0, 0], [[np.inf, 0], [0, 1]], NOT_FINITE),
        ([0, 0], [[np.nan, 0], [0, 1]], NOT_FINITE),
        ([np.nan, 0], SURE, NOT_FINITE),
        ([np.inf, 0], SURE, NOT_FINITE),
        ([0, 11.1], SURE, "the model gives 11.1 for peak, on a scale from 0 to 1"),
        ([-10.1, 0], SURE, "the model gives -10.1 for level, on a scale from 0 to 1"),
    ],
)
def test_what_cannot_be_believed_is_a_reason(
    mean: list[float], covariance: object, reason: str, seconds: float
) -> None:
    found = score((mean, covariance), seconds=seconds)
    assert isinstance(found, Failure)
    assert reason in found.error


def test_what_is_far_but_no_nonsense_is_a_score() -> None:
    for covariance in (SURE, [[1, 0.9999], [0.9999, 1]], np.full((2, 2), np.nan)):  # NaN: errors are not known
        found = score(([10.9, -9.9], covariance), seconds=LONG)
        assert isinstance(found, Score)
        assert found.mean == pytest.approx({"level": 10.9, "peak": -9.9})


def test_what_comes_of_windows_is_judged_too() -> None:
    """Each of two windows is in order; together, they say 50 on a scale from 0 to 1."""
    one, other = [[1, 99], [99, 10_000]], [[1, -99], [-99, 10_000]]
    found = score(([0, 0], one), ([1, 1], other), seconds=LONG)
    assert isinstance(found, Failure)
    assert "the model gives 50 for peak" in found.error


@pytest.mark.parametrize(
    "error",
    [RuntimeError("sizes\nof tensors"), np.linalg.LinAlgError("Singular matrix"), IndexError("9"), KeyError("x")],
)
def test_whatever_a_model_raises_is_a_reason(error: Exception) -> None:
    found = score(error)
    assert isinstance(found, Failure)
    assert found.error.startswith(f"the model can't score it ({type(error).__name__}: ")
    assert "\n" not in found.error
