"""Test the tests: how often each one finds a difference in simulated studies, with and without one.

    python benchmarks/size_and_power.py [--studies 1000]     (a fifth as many where there is a difference)

A study has 36 systems of 6 clips, 10 raters a clip, and two strategies of 3 seeds whose errors are made of a part
for each system (half of its variance shared by both strategies), one for each clip and one for each seed. The
effect is the fraction by which one strategy's errors of systems are smaller. At effect 0 a test should find 5%.
The last table is about the intervals of scores with few systems: how many hold the score that such studies have on
average (95% should), and how wide they are. "moved only" is not cut off where a metric can't be; "other scale" is
moved on a logarithmic (MSE) or Fisher's scale (SRCC).
"""

import argparse

import numpy as np
import pandas as pd
from tqdm import trange

from datmos.comparison.significance import (
    TESTED_METRICS,
    EvalSet,
    hierarchical_bootstrap,
    holm,
    interval,
    permutation_test,
    score_interval,
    t_test,
    williams_test,
)

SYSTEMS, CLIPS, RATERS, SEEDS = 36, 6, 10, 3
SWAPS, DRAWS = 499, 300  # fewer than a run takes: a thousand studies are tested
EFFECTS = (0.0, 0.2, 0.4)
FAMILY = 20  # comparisons corrected together: 5 strategies, 4 aspects


def simulate(
    generator: np.random.Generator, effect: float, systems: int = SYSTEMS
) -> tuple[EvalSet, dict[str, np.ndarray]]:
    """Return the eval set and the predictions (R, N) of two strategies."""
    truth = generator.normal(5, 1.5, systems).repeat(CLIPS) + generator.normal(0, 0.7, systems * CLIPS)
    ratings = truth[:, None] + generator.normal(0, 1.5, (len(truth), RATERS))
    shared, *own = np.sqrt(0.5) * generator.normal(size=(3, systems))
    predicted = {}
    for name, error, size in zip(("ours", "theirs"), own, (1 - effect, 1.0), strict=True):
        of_system = (size * (shared + error)).repeat(CLIPS)
        of_seed = generator.normal(0, 0.3, (SEEDS, systems)).repeat(CLIPS, axis=1)
        predicted[name] = truth + of_system + of_seed + generator.normal(0, 0.5, (SEEDS, len(truth)))
    clips = EvalSet(ratings, np.arange(systems) * CLIPS, np.full(systems, CLIPS))
    return clips, predicted


def found(generator: np.random.Generator, effect: float) -> dict[str, float]:
    """Return 1 for every test that finds a difference in one study, else 0."""
    clips, predicted = simulate(generator, effect)
    ours, theirs = (values.reshape(SEEDS, SYSTEMS, CLIPS).mean(axis=2) for values in predicted.values())
    actual = clips.ratings.reshape(SYSTEMS, -1).mean(axis=1)
    p = {
        "t-test, MSE": t_test(ours, theirs, actual),
        "Williams, SRCC": williams_test(ours.mean(axis=0), theirs.mean(axis=0), actual),
    }
    for name, metric in TESTED_METRICS.items():
        p[f"permutation, {name.upper()}"] = permutation_test(metric, ours, theirs, actual, SWAPS, generator)
    result = {name: float(value <= 0.05) for name, value in p.items()}
    draws = hierarchical_bootstrap(predicted, clips, DRAWS, generator)
    for name in TESTED_METRICS:
        low, high = interval(draws["ours"][name] - draws["theirs"][name])
        result[f"bootstrap interval without 0, {name.upper()}"] = float(not low <= 0 <= high)
    return result


def families(studies: int, generator: np.random.Generator) -> dict[str, float]:
    """Share of families of comparisons without any difference in which at least one is found."""
    plain = corrected = 0
    for _ in trange(studies // FAMILY, desc="families", unit="family"):
        p = []
        for _ in range(FAMILY):
            clips, predicted = simulate(generator, 0.0)
            ours, theirs = (values.reshape(SEEDS, SYSTEMS, CLIPS).mean(axis=2) for values in predicted.values())
            actual = clips.ratings.reshape(SYSTEMS, -1).mean(axis=1)
            p.append(permutation_test(TESTED_METRICS["mse"], ours, theirs, actual, 1999, generator))
        plain += int(min(p) <= 0.05)
        corrected += int(holm(p).min() <= 0.05)
    return {"uncorrected": plain / (studies // FAMILY), "Holm": corrected / (studies // FAMILY)}


def moved(draws: np.ndarray, score: float, metric: str, systems: int) -> dict[str, tuple[float, float]]:
    """Return the intervals that are compared."""
    most = 1 - 6 / (systems**3 - systems)  # Fisher's scale has no 1: halfway to the next value that is possible

    def to(values: np.ndarray) -> np.ndarray:
        return np.log(values) if metric == "mse" else np.arctanh(np.clip(values, -most, most))

    back = {"mse": np.exp, "srcc": np.tanh}[metric]
    finite = draws[np.isfinite(draws)]
    other = interval(to(finite) - to(finite).mean() + to(np.asarray(score)))
    return {
        "ours": score_interval(draws, score, metric),
        "moved only": interval(finite - finite.mean() + score),
        "other scale": (float(back(other[0])), float(back(other[1]))),
    }


def coverage(systems: int, studies: int, generator: np.random.Generator) -> pd.DataFrame:
    """Return coverage and mean width of the intervals of both scores."""
    rows = []
    for study in trange(studies, desc=f"{systems} systems", unit="study"):
        clips, predicted = simulate(generator, 0.0, systems)
        ours = predicted["ours"].reshape(SEEDS, systems, CLIPS).mean(axis=2)
        actual = clips.ratings.reshape(systems, -1).mean(axis=1)
        draws = hierarchical_bootstrap({"ours": predicted["ours"]}, clips, DRAWS, generator)["ours"]
        for metric, measure in TESTED_METRICS.items():
            score = float(measure(ours, actual).mean())
            for name, (low, high) in moved(draws[metric], score, metric, systems).items():
                rows.append((study, metric, name, score, low, high))
    table = pd.DataFrame(rows, columns=["study", "metric", "interval", "score", "low", "high"])
    table["truth"] = table.groupby("metric")["score"].transform("mean")
    table["coverage"] = table["truth"].between(table["low"], table["high"]).astype(float)
    table["width"] = table["high"] - table["low"]
    found = table.groupby(["metric", "interval"], sort=False)[["coverage", "width"]].mean()
    return found.T.assign(systems=systems).set_index("systems", append=True).T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    studies = parser.parse_args().studies
    generator = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            f"effect {effect}": pd.DataFrame(
                [found(generator, effect) for _ in trange(count, desc=f"effect {effect}", unit="study")]
            ).mean()
            for effect, count in ((effect, studies if effect == 0 else studies // 5) for effect in EFFECTS)
        }
    )
    print(f"share of studies ({studies} without a difference, {studies // 5} with) in which one is found at 5%")
    print(table.round(3).to_string())
    intervals = [coverage(systems, studies // 3, generator) for systems in (4, 8, 16, SYSTEMS)]
    print("\nintervals of scores, by the number of systems")
    print(pd.concat(intervals, axis=1).T.sort_index().T.round(3).to_string())
    chance = families(2 * studies, generator)
    print(f"\nany false finding among {FAMILY} comparisons (permutation, MSE, no effect): {chance}")


if __name__ == "__main__":
    main()
