"""The comparison of encoders: its correlations and intervals are right."""

from types import ModuleType

import numpy as np
import pytest
from scipy.stats import spearmanr

from helpers.benchmark import load_benchmark


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_benchmark("encoders")


def test_measures_and_intervals(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "DRAWS", 200)
    generator = np.random.default_rng(0)
    actual, names = generator.normal(size=120), np.repeat(["a", "b", "c", "d", "e", "f"], 20)
    good, bad = actual + generator.normal(size=120), actual + 4 * generator.normal(size=120)
    found = script.compare(good, bad, actual, names)
    within = [spearmanr(good[names == name], actual[names == name]).statistic for name in "abcdef"]
    assert found[0].tolist() == pytest.approx([spearmanr(good, actual).statistic, np.mean(within)])
    worse = script.compare(bad, bad, actual, names)
    np.testing.assert_allclose(found[1], found[0] - worse[0])
    assert (worse[1:] == 0).all()  # of itself, in every draw
    assert (found[2] > 0).all()
    assert ((found[2] < found[1]) & (found[1] < found[3])).all()
