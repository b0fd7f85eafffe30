"""The spectrogram: where a tone lies, and that pieces and length change nothing."""

import numpy as np
import pytest

from datmos.sharing.demo.spectrogram import FLOOR, FRAME, compute_spectrogram

RATE = 8000


def tone(frequency: float, seconds: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)[None]


def test_a_tone_is_the_loudest_row() -> None:
    found = compute_spectrogram([(RATE, tone(1000, 2.0))], 2.0, 100)
    rows = np.linspace(0, found.nyquist, len(found.decibels))
    assert (rows[found.decibels.argmax(axis=0)] == 1000).all()
    assert found.decibels.max() == 0.0
    assert found.decibels.min() == -FLOOR


def test_columns_lie_where_the_sound_is() -> None:
    sound = np.concatenate([tone(500, 3.0), tone(2000, 1.0)], axis=1)
    found = compute_spectrogram([(RATE, sound)], 4.0, 400)
    times = np.arange(found.decibels.shape[1]) * found.seconds
    rows = np.linspace(0, found.nyquist, len(found.decibels))[found.decibels.argmax(axis=0)]
    assert set(rows[times < 3.0 - FRAME / RATE]) == {500.0}
    assert set(rows[times > 3.0]) == {2000.0}


@pytest.mark.parametrize("size", [100, 1024, 5000])
def test_pieces_make_no_difference(size: int) -> None:
    sound = np.random.default_rng(0).normal(size=(2, 3 * RATE)).astype(np.float32)
    whole = compute_spectrogram([(RATE, sound)], 3.0, 30)
    pieces = ((RATE, sound[:, start : start + size]) for start in range(0, sound.shape[1], size))
    np.testing.assert_allclose(compute_spectrogram(pieces, 3.0, 30).decibels, whole.decibels, atol=1e-3)


def test_a_long_file_gives_no_more_columns_than_wanted_and_a_short_one_gives_one() -> None:
    long = compute_spectrogram(((RATE, tone(300, 10.0)) for _ in range(30)), 300.0, 200)
    assert 190 <= long.decibels.shape[1] <= 200
    assert long.seconds * long.decibels.shape[1] == pytest.approx(300.0, rel=0.02)
    assert compute_spectrogram([(RATE, tone(300, 0.05))], 0.05, 200).decibels.shape == (FRAME // 2 + 1, 1)
