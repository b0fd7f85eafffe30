from itertools import pairwise

import numpy as np
import pytest

from datmos.datasets.simulated import degrade
from datmos.datasets.simulated.content import render_content
from datmos.datasets.simulated.signature import RATE, Timbre
from datmos.datasets.simulated.truth import Truth

STEPS = (10.0, 8.0, 6.0, 4.0, 2.0, 1.0)
CLEAN = render_content(Truth(10, 3, 9, 10), "music", Timbre(1.0, 1.2, 1.0, 0.01), 1, 2 * RATE)


def likeness(x: np.ndarray) -> float:
    """Cosine with the clean clip."""
    return float(np.dot(x, CLEAN) / np.sqrt(np.dot(x, x) * np.dot(CLEAN, CLEAN)))


@pytest.mark.parametrize(
    ("mapping", "rises"),
    [
        (degrade.noise_snr, False),
        (degrade.band_limit, False),
        (degrade.clipped_share, True),
        (degrade.reverb_time, True),
        (degrade.reverb_level, True),
        (degrade.codec_floor, False),
        (degrade.lost_packets, True),
        (degrade.severity, False),
    ],
)
def test_mappings_are_monotone(mapping, rises: bool) -> None:
    steps = np.diff([mapping(x) for x in np.linspace(0, 1, 20)])
    assert ((steps > 0) if rises else (steps < 0)).all()


def test_severity_spans_the_scale() -> None:
    assert (degrade.severity(10.0), degrade.severity(1.0)) == (0.0, 1.0)


@pytest.mark.parametrize("kind", degrade.CHAIN)
def test_each_degradation_takes_the_clip_further_from_clean(kind: str) -> None:
    kept = [
        likeness(degrade.DEGRADATIONS[kind](CLEAN, degrade.severity(pq), np.random.default_rng(0))) for pq in STEPS
    ]
    assert kept[0] > 0.95
    assert all(earlier > later for earlier, later in pairwise(kept))


def test_quality_falls_with_pq_whatever_was_drawn() -> None:
    for seed in range(12):
        kept = [likeness(degrade.degrade(CLEAN, pq, seed)) for pq in STEPS]
        assert all(earlier > later for earlier, later in pairwise(kept))


def test_one_or_two_kinds_are_drawn_in_the_order_of_the_chain() -> None:
    drawn = [degrade.draw_degradations(np.random.default_rng(seed)) for seed in range(300)]
    assert {len(kinds) for kinds in drawn} == {1, 2}
    assert {kind for kinds in drawn for kind in kinds} == set(degrade.CHAIN)
    assert all(list(kinds) == sorted(kinds, key=degrade.CHAIN.index) for kinds in drawn)
