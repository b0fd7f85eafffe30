from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datmos.datasets.simulated import truth


def draws(source: str, shortcut: float, count: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.array([truth.draw_natural(source, shortcut, rng) for _ in range(count)])


@pytest.mark.parametrize("source", truth.SOURCES)
def test_full_shortcut_draws_the_published_moments(source: str) -> None:
    table, scores = truth.SOURCES[source], draws(source, 1.0)
    # sampling error plus what clipping at 1 moves (PC of speech)
    np.testing.assert_allclose(scores.mean(axis=0), table.mean, atol=0.1)
    np.testing.assert_allclose(scores.std(axis=0), table.sd, rtol=0.2)
    upper = np.corrcoef(scores.T)[np.triu_indices(4, k=1)]
    np.testing.assert_allclose(upper, table.correlation, atol=0.1)


FOLDERS = {  # as the published list names them
    "crowd_speech": "cv-corpus", "audiobook": "LibriTTS", "studio_speech": "EARS",
    "music_mix": "MUSDB18", "music_caps": "musiccaps", "field_sound": "unbalanced_train_segments",
}  # fmt: skip
LABELS = ["Production_Quality", "Production_Complexity", "Content_Enjoyment", "Content_Usefulness"]


def test_the_table_of_moments_is_that_of_the_published_labels(shared: Path) -> None:
    published = pd.read_csv(shared / "aes-natural" / "audiomos2025-track2-train_list.csv")
    for source, row in truth.SOURCES.items():
        clips = published[published["data_path"].str.startswith(f"/your_path/{FOLDERS[source]}")]
        assert len(clips) > 100
        np.testing.assert_allclose(clips[LABELS].mean(), row.mean, atol=0.006)
        np.testing.assert_allclose(clips[LABELS].std(), row.sd, atol=0.012)
        upper = clips[LABELS].corr().to_numpy()[np.triu_indices(4, k=1)]
        np.testing.assert_allclose(upper, row.correlation, atol=0.006)


@pytest.mark.takes(2)
def test_no_shortcut_gives_all_sources_the_same_moments() -> None:
    means, sds = zip(*(truth.source_moments(source, 0.0) for source in truth.SOURCES), strict=True)
    assert np.ptp(means, axis=0).max() == pytest.approx(0, abs=1e-12)
    assert np.ptp(sds, axis=0).max() == pytest.approx(0, abs=1e-12)
    drawn = [draws(source, 0.0).mean(axis=0) for source in truth.SOURCES]
    assert np.ptp(drawn, axis=0).max() < 0.2  # published: 2.0 to 4.3


def test_shortcut_is_linear_and_keeps_the_pooled_moments() -> None:
    for source in truth.SOURCES:
        ends = [truth.source_moments(source, s)[0] for s in (0.0, 1.0)]
        np.testing.assert_allclose(truth.source_moments(source, 0.25)[0], 0.75 * ends[0] + 0.25 * ends[1])
    published = np.array([row.mean for row in truth.SOURCES.values()])
    np.testing.assert_allclose(truth.source_moments("audiobook", 0.0)[0], published.mean(axis=0))
    assert (truth.source_moments("audiobook", 0.0)[1] > published.std(axis=0)).all()


@pytest.mark.parametrize("source", truth.SOURCES)
def test_published_correlations_are_possible(source: str) -> None:
    np.linalg.cholesky(truth.correlation_matrix(truth.SOURCES[source].correlation))


def test_systems_spread_as_the_real_ones_and_quality_is_independent_of_category() -> None:
    categories = list(truth.CATEGORIES) * 12
    many = np.stack([truth.draw_systems(categories, np.random.default_rng(seed)) for seed in range(50)])
    pq, pc, ce, cu = range(4)
    np.testing.assert_allclose(many.mean(axis=(0, 1))[[pq, ce, cu]], [6.02, 4.30, 5.27], atol=0.1)
    np.testing.assert_allclose(many.std(axis=1).mean(axis=0)[[pq, ce, cu]], [1.14, 1.47, 1.49], atol=0.12)
    for means in many[:5]:  # in every single draw, not only on average
        by_category = means.reshape(12, 3, 4).mean(axis=0)[:, [pq, ce, cu]]  # (category, aspect)
        assert np.ptp(by_category, axis=0).max() < 0.6  # half a SD of the systems, a tenth of their range
        assert np.corrcoef(means[:, pq], means[:, cu])[0, 1] > 0.94
    speech, music, sound = (many[:, k::3, pc].mean() for k in range(3))
    assert speech == pytest.approx(1.29, abs=0.05)
    assert (music, sound) == pytest.approx((3.9, 3.9), abs=0.1)


def test_scores_stay_on_the_scale() -> None:
    rng = np.random.default_rng(0)
    clips = np.array([truth.draw_generated(np.array([9.8, 1.0, 1.1, 5.0]), "music", rng) for _ in range(500)])
    assert clips.min() == 1.0
    assert clips.max() == 10.0
