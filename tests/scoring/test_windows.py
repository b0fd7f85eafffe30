"""Windows cover a clip; every sample counts once; Gaussians are combined as written."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from datmos.audio.blocks import FileBlocks
from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError
from datmos.audio.waveform import load_clip
from datmos.scoring.windows import Windowing, Windows, combine, shares

RATE = 8000
WINDOWING = Windowing(sample_rate=RATE, seconds=1.0, min_seconds=0.25)


def ramp(seconds: float) -> np.ndarray:
    return np.linspace(-0.9, 0.9, round(seconds * RATE), dtype=np.float32)


def cut(
    samples: np.ndarray, windowing: Windowing = WINDOWING, hop: float | None = None, block: int = 1999
) -> Windows:
    return Windows(((RATE, samples[None, at : at + block]) for at in range(0, len(samples), block)), windowing, hop)


@pytest.mark.parametrize(
    ("seconds", "hop", "starts"),
    [
        (1.0, None, [0]),
        (3.0, None, [0, 1, 2]),
        (3.25, None, [0, 1, 2, 2.25]),  # the last one ends with the clip
        (1.0 + 1 / RATE, None, [0, 1 / RATE]),
        (2.0, 0.5, [0, 0.5, 1]),
        (2.1, 0.5, [0, 0.5, 1, 1.1]),
        (0.4, 0.5, [0]),
    ],
)
def test_windows_cover_the_clip(seconds: float, hop: float | None, starts: list[float]) -> None:
    samples = ramp(seconds)
    windows = cut(samples, hop=hop)
    found = list(windows)
    assert [window.start / RATE for window in found] == pytest.approx(starts)
    assert windows.seconds == pytest.approx(seconds)
    assert windows.length == len(samples)
    if seconds >= 1:
        for window in found:
            np.testing.assert_array_equal(window.waveform, samples[window.start : window.start + RATE])


def test_the_last_window_of_a_model_that_takes_any_length() -> None:
    windowing = WINDOWING._replace(repeats=False)
    assert [(w.start, len(w.waveform)) for w in cut(ramp(2.25), windowing)] == [
        (0, 8000),
        (8000, 8000),
        (16000, 2000),
    ]
    (short,) = cut(ramp(0.4), windowing)
    np.testing.assert_array_equal(short.waveform, ramp(0.4))


@pytest.mark.parametrize(("rate", "seconds"), [(8000, 0.4), (44_100, 0.7), (44_100, 1.0), (16_000, 1.0)])
def test_a_clip_of_one_window_is_what_training_saw(tmp_path: Path, rate: int, seconds: float) -> None:
    path = tmp_path / "a.wav"
    samples = np.random.default_rng(0).normal(0, 0.1, (round(seconds * rate), 2))
    soundfile.write(path, samples, rate, subtype="FLOAT")
    expected = load_clip(path, AudioParams(clip_seconds=1.0, offset=0.0, min_seconds=0.25), RATE)
    (window,) = Windows(FileBlocks(path), WINDOWING)
    assert torch.equal(window.waveform, expected)


def test_silent_windows_are_marked_and_silent_clips_refused() -> None:
    samples = np.concatenate([ramp(1), np.full(RATE, 0.3, np.float32), ramp(1)])
    assert [window.silent for window in cut(samples)] == [False, True, False]
    for bad, reason in (
        (np.zeros(RATE, np.float32), "silent"),
        (ramp(0.2), "shorter than audio.min_seconds"),
        (np.append(ramp(3), np.float32("nan")), "NaN"),
        (np.append(ramp(3), np.float32(11)), "far above full scale"),
        (np.empty(0, np.float32), "no samples"),
    ):
        with pytest.raises(UnusableAudioError, match=reason):
            list(cut(bad))
    opposite = np.stack([ramp(3), -ramp(3)])
    with pytest.raises(UnusableAudioError, match="cancel out"):
        list(Windows([(RATE, opposite)], WINDOWING))


def test_every_sample_counts_once() -> None:
    np.testing.assert_allclose(shares(np.array([0, 10, 20]), np.array([10, 20, 25])), [10, 10, 5])
    # the last window shares 5 samples with the one before
    np.testing.assert_allclose(shares(np.array([0, 10, 15]), np.array([10, 20, 25])), [10, 7.5, 7.5])
    # three windows, hop of half a window: the ends are covered once, the middle twice
    np.testing.assert_allclose(shares(np.array([0, 5, 10]), np.array([10, 15, 20])), [7.5, 5, 7.5])


def test_a_window_counts_by_its_length_and_its_certainty() -> None:
    means, weights = np.array([[2.0], [8.0]]), np.array([3.0, 1.0])
    mean, covariance = combine(means, np.array([[[1.0]], [[1.0]]]), weights)
    np.testing.assert_allclose(mean, [0.75 * 2 + 0.25 * 8])
    np.testing.assert_allclose(covariance, [[1.0]])
    mean, covariance = combine(means, np.array([[[1.0]], [[4.0]]]), np.ones(2))
    np.testing.assert_allclose(covariance, [[1 / (0.5 / 1 + 0.5 / 4)]])
    np.testing.assert_allclose(mean, covariance[0] * (0.5 * 2 / 1 + 0.5 * 8 / 4))


def test_a_clip_played_twice_is_not_known_better() -> None:
    generator = np.random.default_rng(0)
    factors = generator.normal(size=(3, 4, 4))
    means, covariances = generator.normal(size=(3, 4)), factors @ factors.mT + np.eye(4)
    weights = generator.uniform(1, 2, 3)
    once = combine(means, covariances, weights)
    twice = combine(np.tile(means, (2, 1)), np.tile(covariances, (2, 1, 1)), np.tile(weights, 2))
    for one, other in zip(once, twice, strict=True):
        np.testing.assert_allclose(one, other)
    alone = combine(means[:1], covariances[:1], weights[:1])
    np.testing.assert_array_equal(alone[1], covariances[0])
    left_out = combine(
        np.append(means, [[np.nan] * 4], 0), np.append(covariances, [np.eye(4)], 0), [*weights, 0] * np.ones(4)
    )
    np.testing.assert_array_equal(left_out[0], once[0])
