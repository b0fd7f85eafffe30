"""Statistics against hand-computed values, other implementations, and simulations with known answers."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from datmos.comparison.significance import (
    RANGES,
    SWAP_EFFECTS,
    TESTED_METRICS,
    EvalSet,
    compare_strategies,
    hierarchical_bootstrap,
    holm,
    interval,
    mse,
    permutation_test,
    score_interval,
    smallest_detectable,
    t_test,
    williams_test,
)
from datmos.evaluation.agreement import ranks, spearman

SYSTEMS = 36


def simulate(generator: np.random.Generator, effect: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two predictors of 36 systems with errors of spread 1 that share half their variance; ``effect`` mends one."""
    actual = generator.normal(0, 1.5, SYSTEMS)
    shared, first, second = np.sqrt(0.5) * generator.normal(size=(3, SYSTEMS))
    return actual + (1 - effect) * (shared + first), actual + shared + second, actual


def test_metrics_equal_scipy_s_row_by_row() -> None:
    generator = np.random.default_rng(0)
    predicted, actual = generator.integers(0, 6, size=(2, 4, 3, 12)).astype(float)  # with ties
    for index in product(range(4), range(3)):
        expected = stats.spearmanr(predicted[index], actual[index]).statistic
        assert spearman(predicted, actual)[index] == pytest.approx(expected)
        assert mse(predicted, actual)[index] == pytest.approx(np.mean((predicted[index] - actual[index]) ** 2))
    assert np.isnan(spearman(np.ones(5), np.arange(5.0)))


def test_ranks_are_scipy_s_with_and_without_ties() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 9))
    values[0, 1, 2] = values[0, 1, 7]
    values[1, 2, 3] = np.nan
    np.testing.assert_array_equal(ranks(values), stats.rankdata(values, axis=-1))


@pytest.mark.parametrize("metric", [mse, spearman])
@pytest.mark.parametrize("tied", [False, True])
def test_what_a_swap_adds_is_what_recounting_gives(metric, tied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    actual = np.round(generator.normal(size=9), 0 if tied else 9)
    ours, theirs = actual + generator.normal(size=(2, 3, 9))
    if tied:
        ours[1, 4] = ours[1, 6]
    p = [permutation_test(metric, ours, theirs, actual, 400, np.random.default_rng(2))]
    effects = SWAP_EFFECTS[metric](ours, theirs, actual)
    assert (effects is None) == (tied and metric is spearman)
    if effects is not None:
        for _ in range(20):
            swap = generator.integers(0, 2, size=9).astype(bool)
            first, second = np.where(swap, theirs, ours), np.where(swap, ours, theirs)
            expected = (metric(first, actual) - metric(second, actual)).mean()
            before = (metric(ours, actual) - metric(theirs, actual)).mean()
            assert before + effects[swap].sum() == pytest.approx(expected, abs=1e-12)
    monkeypatch.setattr("datmos.comparison.significance.SWAP_EFFECTS", {})
    p.append(permutation_test(metric, ours, theirs, actual, 400, np.random.default_rng(2)))
    assert p[0] == p[1]


def test_t_test_by_hand() -> None:
    # squared errors 1, 4, 0 and 0, 1, 1: differences 1, 3, -1 have mean 1 and std 2, so t = 1 / (2 / sqrt 3)
    found = t_test(np.array([1.0, 2.0, 0.0]), np.array([0.0, 1.0, 1.0]), np.zeros(3))
    assert found == pytest.approx(2 * stats.t.sf(np.sqrt(3) / 2, 2))
    assert t_test(np.ones(3), np.ones(3), np.zeros(3)) == 1.0


def test_williams_by_hand() -> None:
    actual = np.arange(1.0, 7)
    ours, theirs = np.array([1.0, 2, 3, 4, 6, 5]), np.array([2.0, 1, 4, 3, 6, 5])
    # rank differences: against actual 2 and 6, between the two 4; r = 1 - 6 sum / (6 * 35)
    a, b, c = 1 - 2 / 35, 1 - 6 / 35, 1 - 4 / 35
    determinant = np.linalg.det(np.array([[1, a, b], [a, 1, c], [b, c, 1]]))
    t = (a - b) * np.sqrt(5 * (1 + c) / (2 * 5 / 3 * determinant + ((a + b) / 2) ** 2 * (1 - c) ** 3))
    assert williams_test(ours, theirs, actual) == pytest.approx(2 * stats.t.sf(t, 3))
    assert williams_test(ours, ours, actual) == 1.0
    assert np.isnan(williams_test(np.ones(6), ours, actual))


def test_permutation_test_finds_all_swaps() -> None:
    """4 systems, differences of squared errors all 1: only none or all swapped is as extreme, 2 of 16."""
    found = permutation_test(mse, np.zeros(4), np.ones(4), np.zeros(4), 20_000, np.random.default_rng(0))
    assert found == pytest.approx(2 / 16, abs=0.01)
    same = permutation_test(spearman, np.arange(4.0), np.arange(4.0), np.arange(4.0), 99, np.random.default_rng(0))
    assert same == 1.0


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, np.nan]), [0.03, 0.06, 0.06, np.nan])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1.0, 1.0])
    assert len(holm([])) == 0


TESTS = {
    "t": lambda ours, theirs, actual, generator: t_test(ours, theirs, actual),
    "williams": lambda ours, theirs, actual, generator: williams_test(ours, theirs, actual),
    **{
        f"permutation {name}": lambda ours, theirs, actual, generator, metric=metric: permutation_test(
            metric, ours, theirs, actual, 199, generator
        )
        for name, metric in TESTED_METRICS.items()
    },
}


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.takes(3)
def test_size_and_power(name: str) -> None:
    """Without a difference 5% of 1,000 studies find one (binomial 99.9% interval); power rises with the effect."""
    generator = np.random.default_rng(1)

    def found(effect: float, studies: int) -> float:
        p = [TESTS[name](*simulate(generator, effect), generator) for _ in range(studies)]
        return float(np.mean(np.array(p) <= 0.05))

    most = 0.1 if name == "williams" else 0.075  # on ranks it is liberal, see its docstring
    assert 0.03 <= found(0.0, 1000) <= most
    small, large = found(0.25, 200), found(0.5, 200)
    assert 0.05 < small < large
    assert large > 0.7


def eval_set(generator: np.random.Generator, raters: int = 10, clips: int = 20) -> tuple[EvalSet, np.ndarray]:
    truth = generator.normal(5, 1.5, SYSTEMS).repeat(clips) + generator.normal(0, 0.5, SYSTEMS * clips)
    ratings = truth[:, None] + generator.normal(0, 1.0, (len(truth), raters))
    return EvalSet(ratings, np.arange(SYSTEMS) * clips, np.full(SYSTEMS, clips)), truth


def test_bootstrap_of_perfect_predictions() -> None:
    """No rater noise: the error of an offset is its square in every draw; ranks are perfect."""
    generator = np.random.default_rng(0)
    clips, _ = eval_set(generator, raters=1)
    predicted = {"exact": clips.ratings[:, 0][None], "high": clips.ratings[:, 0][None] + 0.5}
    found = hierarchical_bootstrap(predicted, clips, 20, generator)
    np.testing.assert_allclose(found["exact"]["mse"], 0, atol=1e-12)
    np.testing.assert_allclose(found["high"]["mse"], 0.25)
    np.testing.assert_allclose(found["exact"]["srcc"], 1.0)


@pytest.mark.takes(2)
def test_bootstrap_draws_each_level() -> None:
    """Systems of unlike sizes: the mean squared score is what nested sampling makes of each level's variance."""
    counts = np.array([3, 5, 2, 8])
    starts = np.array([0, 3, 8, 10])
    generator = np.random.default_rng(0)
    ratings = generator.normal(size=(18, 3)) * 2
    clips = EvalSet(ratings, starts, counts)
    rounds = 20_000
    squares = hierarchical_bootstrap({"zero": np.zeros((1, 18))}, clips, rounds, generator)["zero"]["mse"]
    # E over draws of mean_s (mean of a system's drawn ratings)^2 = mean over systems of mean^2 + variance
    expected = []
    for start, count in zip(starts, counts, strict=True):
        own = ratings[start : start + count]
        between, within = own.mean(axis=1).var(), own.var(axis=1).mean()
        expected.append(own.mean() ** 2 + between / count + within / (count * 3))
    assert squares.mean() == pytest.approx(np.mean(expected), rel=0.02)


@pytest.mark.takes(5)
def test_bootstrap_interval_covers_the_truth() -> None:
    """Difference in MSE of two predictors whose errors are known: about 95% of 95% intervals hold it."""
    generator = np.random.default_rng(2)
    held = []
    for _ in range(150):
        clips, truth = eval_set(generator, raters=5, clips=6)
        system = np.repeat(generator.normal(size=(2, SYSTEMS)), 6, axis=1)
        predicted = {"a": (truth + 0.6 * system[0])[None], "b": (truth + 0.8 * system[1])[None]}
        found = hierarchical_bootstrap(predicted, clips, 200, generator)
        low, high = interval(found["a"]["mse"] - found["b"]["mse"])
        held.append(low <= 0.6**2 - 0.8**2 <= high)
    assert 0.86 <= np.mean(held) <= 0.99


def test_interval_and_smallest_difference() -> None:
    draws = np.random.default_rng(0).normal(0.3, 0.1, 100_000)
    assert interval(draws) == pytest.approx((0.3 - 0.196, 0.3 + 0.196), abs=0.005)
    assert smallest_detectable(draws) == pytest.approx(2.8016 * 0.1, rel=0.01)
    assert np.isnan(smallest_detectable(np.array([np.nan, 1.0])))


@pytest.mark.parametrize("systems", [4, 8])
def test_intervals_of_scores_stay_within_what_a_metric_can_be(systems: int) -> None:
    generator = np.random.default_rng(systems)
    widths = []
    for _ in range(20):
        truth = generator.normal(5, 1.5, systems).repeat(3)
        ratings = truth[:, None] + generator.normal(0, 1.5, (len(truth), 4))
        clips = EvalSet(ratings, np.arange(systems) * 3, np.full(systems, 3))
        predicted = (truth + generator.normal(0, 0.5, systems).repeat(3))[None]
        draws = hierarchical_bootstrap({"a": predicted}, clips, 200, generator)["a"]
        means = (values.reshape(systems, 3).mean(axis=1) for values in (predicted[0], ratings.mean(axis=1)))
        actual_and_predicted = list(means)
        for metric, (lowest, highest) in RANGES.items():
            score = float(TESTED_METRICS[metric](*actual_and_predicted))
            low, high = score_interval(draws[metric], score, metric)
            assert lowest <= low < high <= highest
            shifted = interval(draws[metric] - np.nanmean(draws[metric]) + score)
            assert (low, high) == pytest.approx(np.clip(shifted, lowest, highest))
            widths.append(shifted[0] < lowest or shifted[1] > highest)
    assert any(widths)  # some would have been wider


def test_where_nothing_can_be_said_there_is_no_interval() -> None:
    """One system tells nothing about others; two that are ranked rightly are so in every draw."""
    generator = np.random.default_rng(0)
    for systems in (1, 2):
        ratings = np.arange(systems).repeat(3)[:, None] + np.zeros((3 * systems, 1))
        clips = EvalSet(ratings, np.arange(systems) * 3, np.full(systems, 3))
        draws = hierarchical_bootstrap({"a": ratings.T + 0.1}, clips, 50, generator)["a"]
        assert np.isnan(score_interval(draws["srcc"], 1.0, "srcc")).all()
        assert np.isnan(draws["mse"]).all() == (systems == 1)


def small_study() -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """12 systems of 4 clips and a natural one; "good" errs little, "bad" and "worse" much, "flat" is constant."""
    generator = np.random.default_rng(0)
    systems = np.repeat([f"s{number:02}" for number in range(12)], 4)
    scores = generator.normal(5, 1.5, 12).repeat(4) + generator.normal(0, 0.3, 48)
    manifest = pd.DataFrame({"clip_id": [f"c{n:02}" for n in range(48)], "split": "eval", "system": systems})
    manifest["PQ"] = scores
    manifest["PQ_ratings"] = list(scores[:, None] + generator.normal(0, 0.5, (48, 5)))
    natural = pd.DataFrame({"clip_id": ["n"], "split": ["eval"], "system": [""], "PQ": [5.0], "PQ_ratings": [None]})
    manifest = pd.concat([manifest, natural]).sample(frac=1, random_state=0)

    def predict(spread: float) -> pd.DataFrame:
        tables = [
            pd.DataFrame(
                {
                    "clip_id": [f"c{n:02}" for n in range(48)],
                    "seed": seed,
                    "PQ": (scores if np.isfinite(spread) else 5.0)
                    + (generator.normal(0, spread, 12).repeat(4) if np.isfinite(spread) else 0.0),
                }
            )
            for seed in (3, 1)
        ]
        return pd.concat(tables)

    return {"bad": predict(1.5), "good": predict(0.2), "worse": predict(1.5), "flat": predict(np.inf)}, manifest


def test_compare_strategies_pairs_systems_and_seeds() -> None:
    predictions, manifest = small_study()
    everything = compare_strategies(predictions, manifest, ["PQ"], ["bad"])
    result = everything["against"]
    assert list(result["bad"]["PQ"]) == ["good", "worse", "flat"]
    found = result["bad"]["PQ"]["good"]
    clips = manifest[manifest["system"] != ""].set_index("clip_id")

    def squared_errors(name: str, seed: int) -> np.ndarray:
        table = predictions[name].query(f"seed == {seed}").set_index("clip_id")["PQ"]
        return ((table - clips["PQ"]).groupby(clips["system"]).mean() ** 2).to_numpy()

    expected = np.mean([squared_errors("good", seed) - squared_errors("bad", seed) for seed in (1, 3)])
    assert found["mse"]["difference"] == pytest.approx(expected)
    assert found["mse"]["low"] < expected < found["mse"]["high"] < 0
    assert found["mse"]["p"] < 0.01
    assert found["mse"]["p_holm"] == pytest.approx(min(1, 3 * found["mse"]["p"]))  # the smallest of three
    errors = [np.mean([squared_errors(name, seed) for seed in (1, 3)], axis=0) for name in ("good", "bad")]
    assert found["mse"]["p_t_test"] == pytest.approx(stats.ttest_rel(*errors).pvalue)
    assert found["srcc"]["difference"] > 0
    assert result["bad"]["PQ"]["worse"]["mse"]["p_holm"] > 0.05
    assert np.isnan(result["bad"]["PQ"]["flat"]["srcc"]["difference"])
    score = everything["scores"]["PQ"]["good"]["mse"]
    assert score["low"] < np.mean([squared_errors("good", seed) for seed in (1, 3)]) < score["high"]
    assert np.isnan(everything["scores"]["PQ"]["flat"]["srcc"]["low"])


def test_a_baseline_of_its_own_is_for_its_own_rivals() -> None:
    """A second backbone's baseline is compared with that backbone's strategies, and corrected for those alone."""
    predictions, manifest = small_study()
    result = compare_strategies(predictions, manifest, ["PQ"], ["bad", "worse"], {"worse": ["good", "worse"]})
    against = result["against"]
    assert list(against["bad"]["PQ"]) == ["good", "worse", "flat"]
    assert list(against["worse"]["PQ"]) == ["good"]
    for metric in ("mse", "srcc"):
        found = against["worse"]["PQ"]["good"][metric]
        assert found["p_holm"] == found["p"]


def test_the_best_is_named_and_tested_against_all_others() -> None:
    predictions, manifest = small_study()
    best = compare_strategies(predictions, manifest, ["PQ"], [])["best"]["PQ"]
    assert best["mse"]["strategy"] == best["srcc"]["strategy"] == "good"
    assert best["mse"]["p_holm"] < 0.05
    assert best["mse"]["separable"]
    rivals = {"bad": predictions["bad"], "worse": predictions["worse"]}
    best = compare_strategies(rivals, manifest, ["PQ"], ["bad"])
    p = best["against"]["bad"]["PQ"]["worse"]["mse"]["p"]
    assert best["best"]["PQ"]["mse"]["p_holm"] == p > 0.05  # one rival: nothing to correct
    alone = compare_strategies({"flat": predictions["flat"]}, manifest, ["PQ"], [])["best"]["PQ"]
    assert alone["mse"]["strategy"] == "flat"
    assert np.isnan(alone["mse"]["p_holm"])
    assert not alone["mse"]["separable"]
    assert alone["srcc"]["strategy"] is None


def test_the_result_is_the_same_again() -> None:
    predictions, manifest = small_study()
    result = compare_strategies(predictions, manifest, ["PQ"], ["bad", "worse"])
    shuffled = {name: table.sample(frac=1, random_state=1) for name, table in predictions.items()}
    again = compare_strategies(shuffled, manifest.sample(frac=1, random_state=2), ["PQ"], ["bad", "worse"])
    assert str(result) == str(again)


def test_a_difference_that_hangs_on_a_seed_is_not_separable() -> None:
    """One lucky seed of three: over these models the systems agree, over other seeds nothing is certain."""
    predictions, manifest = small_study()
    actual = manifest.set_index("clip_id")["PQ"]
    off = {"even": (2.0, 2.0, 2.0), "lucky": (2.2, 0.0, 2.2), "good": (0.2, 0.2, 0.2)}
    clip_ids = predictions["good"]["clip_id"].unique()
    for name, offsets in off.items():
        predictions[name] = pd.concat(
            pd.DataFrame({"clip_id": clip_ids, "seed": seed, "PQ": actual.loc[clip_ids].to_numpy() + offset})
            for seed, offset in enumerate(offsets)
        )
    rivals = {name: predictions[name] for name in off}
    found = compare_strategies(rivals, manifest, ["PQ"], ["even"])["against"]["even"]["PQ"]
    assert found["lucky"]["mse"]["difference"] < 0
    assert found["lucky"]["mse"]["p_holm"] < 0.05
    assert not found["lucky"]["mse"]["separable"]
    assert found["good"]["mse"]["separable"]
