import numpy as np
import pytest

from datmos.datasets.settings import CorpusParams
from datmos.datasets.simulated.listeners import draw_pool, rate
from datmos.datasets.simulated.study import plan_study, rate_study
from datmos.datasets.simulated.truth import ASPECTS, Truth

STUDY = CorpusParams(
    seed=3, train_per_source=1, valid_per_source=1, systems=36, clips_per_system=40, counterfactuals=0,
    clip_seconds=1.0, raters=10, shortcut=1.0,
)  # fmt: skip


def test_single_ratings_spread_within_an_eval_clip_as_real_ones_do() -> None:
    rng = np.random.default_rng(0)
    pool = draw_pool(STUDY.raters, rng)
    clips = [clip for clip in plan_study(STUDY) if clip.split == "eval"]
    sds = [rate(clip.truth, pool, STUDY.raters, rng).std(axis=0, ddof=1) for clip in clips]
    np.testing.assert_allclose(np.mean(sds, axis=0), [1.63, 1.24, 1.76, 1.90], atol=0.1)


@pytest.mark.parametrize("score", [1.0, 1.3, 3.0, 5.5, 8.0, 9.8])
def test_the_mean_rating_is_the_true_score_even_at_the_ends(score: float) -> None:
    rng = np.random.default_rng(0)
    pool = draw_pool(10, rng)
    ratings = np.concatenate([rate(Truth(*4 * [score]), pool, 10, rng) for _ in range(2000)])
    assert np.issubdtype(ratings.dtype, np.integer)
    assert ratings.min() >= 1
    assert ratings.max() <= 10
    np.testing.assert_allclose(ratings.mean(axis=0), score, atol=0.07)


def test_listeners_are_biased_one_by_one_but_fair_together() -> None:
    pool = draw_pool(100, np.random.default_rng(0))
    assert pool.shape == (100, 4)
    np.testing.assert_allclose(pool.mean(axis=0), 0, atol=1e-12)
    assert pool.std() > 0.1


def test_eval_ratings_spread_over_systems_as_the_published_ones() -> None:
    clips = [clip for clip in plan_study(STUDY) if clip.split == "eval"]
    table = rate_study(clips, STUDY)
    spread = table.groupby("system")[list(ASPECTS)].mean().std()
    # 36 systems: the standard error of an SD is 12 % of it
    np.testing.assert_allclose(spread, [1.14, 1.29, 1.47, 1.49], rtol=0.24)
