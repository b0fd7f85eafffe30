from itertools import pairwise

import numpy as np
import pytest

from datmos.datasets.simulated import content
from datmos.datasets.simulated.signature import RATE, Timbre, rms
from datmos.datasets.simulated.truth import CATEGORIES, Truth

PLAIN = Timbre(pitch=1.0, tilt=1.2, formant=1.0, attack=0.01)
SAMPLES = 2 * RATE
STEPS = (10.0, 8.0, 6.0, 4.0, 2.0, 1.0)


def render(category: str, seed: int = 1, **scores: float) -> np.ndarray:
    truth = Truth(pq=10.0, pc=1.0, ce=10.0, cu=10.0)._replace(**scores)
    return content.render_content(truth, category, PLAIN, seed, SAMPLES)


def test_mappings_are_monotone_and_hit_their_ends() -> None:
    scores = np.linspace(1, 10, 50)
    assert (np.diff([content.layers(x) for x in scores]) >= 0).all()
    assert (np.diff([content.disorder(x) for x in scores]) < 0).all()
    assert (np.diff([content.lost_share(x) for x in scores]) < 0).all()
    assert (content.layers(1), content.layers(6), content.layers(10)) == (1, 6, 6)
    assert (content.disorder(1), content.disorder(10)) == (1, 0)
    assert (content.lost_share(1), content.lost_share(10)) == (0.75, 0)


@pytest.mark.parametrize("category", CATEGORIES)
def test_each_layer_adds_to_what_was_there(category: str, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[int] = []
    layer = content._layer
    monkeypatch.setattr(content, "_layer", lambda index, *rest: played.append(index) or layer(index, *rest))
    counts = []
    for pc in (1.0, 1.5, 3.0, 4.2, 6.0, 9.0):
        played.clear()
        render(category, pc=pc)
        counts.append(len(played))
        assert played == list(range(len(played)))
    assert counts == [1, 2, 3, 5, 6, 6]


@pytest.mark.parametrize("category", CATEGORIES)
def test_more_layers_fill_more_of_time_and_frequency(category: str) -> None:
    def filled(x: np.ndarray) -> float:
        """Share of 32 ms x 100 Hz cells within 35 dB of the loudest."""
        power = np.abs(np.fft.rfft(x[: len(x) // 512 * 512].reshape(-1, 512)))[:, : 252 // 3 * 3]
        cells = power.reshape(len(power), -1, 3).max(axis=2)
        return float((cells > np.quantile(cells, 0.999) * 10 ** (-35 / 20)).mean())

    areas = [np.mean([filled(render(category, seed, pc=pc)) for seed in range(4)]) for pc in (1.0, 3.0, 6.0)]
    assert areas == sorted(areas)
    assert areas[-1] > 1.25 * areas[0]


@pytest.mark.parametrize("category", CATEGORIES)
def test_less_enjoyment_is_less_order(category: str) -> None:
    # an orderly layer is close to its orderly self; the same layer loses that step by step
    orderly = render(category)
    likeness = [abs(np.mean(orderly * render(category, ce=ce))) for ce in (10.0, 9.8, 9.0, 1.0)]
    assert likeness[0] == pytest.approx(1, abs=1e-6)
    assert likeness[0] > likeness[1] > likeness[2]
    assert likeness[3] < 0.3
    # loudness shakes more and more from frame to frame
    restless = [np.mean([_unrest(render(category, seed, ce=ce)) for seed in range(4)]) for ce in (10, 6, 1)]
    assert restless == sorted(restless)


def _unrest(x: np.ndarray) -> float:
    levels = 20 * np.log10(np.sqrt(np.mean(x[: len(x) // 240 * 240].reshape(-1, 240) ** 2, axis=1)) + 1e-2)
    return float(np.abs(np.diff(levels)).mean())


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_useless_clip_has_lost_more_of_the_same_content(category: str) -> None:
    whole = render(category)
    kept = []
    for cu in STEPS:
        x = render(category, cu=cu)
        gain = np.mean(whole * x) / np.mean(x**2)  # likeness to the whole clip, 1: nothing lost
        kept.append(gain)
        assert rms(x) == pytest.approx(1)
    assert kept[0] == pytest.approx(1)
    assert all(earlier >= later for earlier, later in pairwise(kept))
    assert kept[-1] < 0.8


def test_lost_segments_are_nested_and_as_many_as_asked() -> None:
    x = np.ones(10 * RATE)
    lost: list[np.ndarray] = []
    for share in (0.1, 0.3, 0.6):
        y = content.garble(np.cumsum(x), share, np.random.default_rng(0))
        lost.append(np.abs(y - np.cumsum(x)) > 1)
        assert lost[-1].mean() == pytest.approx(share, abs=0.03)
    assert not (lost[0] & ~lost[1]).any()
    assert not (lost[1] & ~lost[2]).any()
