"""Noise ceilings: by hand, against a truth that is known, and on the real labels of AES-Natural."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datmos.evaluation.agreement import agreement, system_means
from datmos.evaluation.ceilings import noise_ceilings, system_ceiling, utterance_ceiling
from datmos.evaluation.metrics import evaluate_predictions

NAMES = {
    "PQ": "Production_Quality",
    "PC": "Production_Complexity",
    "CE": "Content_Enjoyment",
    "CU": "Content_Usefulness",
}


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_mse_by_hand() -> None:
    # variances (ddof 1) of the ratings: 2 and 0, means of two ratings: half of that
    assert utterance_ceiling(np.array([[1.0, 3.0], [5.0, 5.0]]), generator())["mse"] == pytest.approx(0.5)
    # two clips, 0 and 2: variance 2, squared standard error of their mean 1; of the other system 0
    found = system_ceiling(np.array([0.0, 2.0, 9.0, 9.0]), np.array([2, 2]), generator())
    assert found["mse"] == pytest.approx(0.5)
    assert found["srcc"] == pytest.approx(1.0)


def test_spearman_brown_by_hand() -> None:
    # two raters who correlate by r: their mean has reliability 2r / (1 + r)
    first = np.arange(50.0)
    second = first + 30 * generator().normal(size=50)
    found = utterance_ceiling(np.stack([first, second], axis=1), generator())
    # which rater is first differs from clip to clip, so r is about the two raters' intraclass correlation
    r = found["split_half_srcc"]
    assert found["srcc"] == pytest.approx(np.sqrt(2 * r / (1 + r)))
    assert 0.3 < r < 0.9
    # of three raters two are compared, and three are a measurement three times as long as one
    three = utterance_ceiling(np.stack([first, second, first], axis=1), generator())
    r = three["split_half_srcc"]
    assert three["srcc"] == pytest.approx(np.sqrt(3 * r / (1 + 2 * r)))


def simulated(seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """30 systems of 40 clips, 8 raters; and the true scores of clips and systems."""
    rng = generator(seed)
    systems = rng.normal(5, 0.6, 30)
    clips = systems.repeat(40) + rng.normal(0, 1.0, 1200)
    ratings = clips[:, None] + rng.normal(0, 1.5, (1200, 8))
    manifest = pd.DataFrame({"clip_id": [f"c{n:04}" for n in range(1200)], "split": "eval"})
    manifest["system"] = np.repeat([f"s{n:02}" for n in range(30)], 40)
    return manifest.assign(PQ=ratings.mean(axis=1), PQ_ratings=list(ratings)), clips, systems


@pytest.mark.takes(2)
def test_the_truth_scores_what_the_ceiling_says() -> None:
    """The ceilings of simulated studies are, on average, what their true scores reach."""
    differences = []
    for seed in range(8):
        manifest, clips, systems = simulated(seed)
        found = noise_ceilings(manifest, ["PQ"])["PQ"]
        observed = system_means(manifest, ["PQ"])["PQ"].to_numpy()
        reached = {
            "utterance": agreement(clips, manifest["PQ"].to_numpy()),
            "system": agreement(systems, observed),
        }
        assert reached["system"]["srcc"] < 0.98  # there is noise to speak of
        differences.append(
            [
                found[level][metric] - reached[level][metric]
                for level in reached
                for metric in ("srcc", "lcc", "mse")
            ]
        )
    np.testing.assert_allclose(np.mean(differences, axis=0), 0, atol=0.015)


def test_mse_of_systems_with_few_clips_is_not_too_small() -> None:
    rng = generator()
    found, reached = [], []
    for _ in range(20):
        truth = rng.normal(5, 0.8, 30)
        scores = truth[:, None] + rng.normal(size=(30, 3))
        found.append(system_ceiling(scores.ravel(), np.full(30, 3), rng)["mse"])
        reached.append(np.mean((scores.mean(axis=1) - truth) ** 2))
    assert np.mean(found) == pytest.approx(1 / 3, rel=0.15)
    assert np.mean(reached) == pytest.approx(1 / 3, rel=0.15)


def test_rows_may_come_in_any_order_and_natural_clips_do_not_count() -> None:
    manifest, _, _ = simulated(0)
    natural = pd.DataFrame(
        {
            "clip_id": ["n", "t"],
            "split": ["eval", "train"],
            "system": ["", ""],
            "PQ": 9.0,
            "PQ_ratings": [None, None],
        }
    )
    shuffled = pd.concat([natural, manifest]).sample(frac=1, random_state=1)
    assert noise_ceilings(shuffled, ["PQ"]) == noise_ceilings(manifest, ["PQ"])


def test_what_can_not_be_known_is_nan() -> None:
    manifest, _, _ = simulated(0)
    without = noise_ceilings(manifest.drop(columns="PQ_ratings"), ["PQ"])["PQ"]
    assert np.isnan(list(without["utterance"].values())).all()
    assert without["system"]["srcc"] == noise_ceilings(manifest, ["PQ"])["PQ"]["system"]["srcc"]
    uneven = manifest.assign(PQ_ratings=[list(r)[: 3 + n % 2] for n, r in enumerate(manifest["PQ_ratings"])])
    assert np.isnan(noise_ceilings(uneven, ["PQ"])["PQ"]["utterance"]["srcc"])
    one_each = manifest.drop_duplicates("system")
    assert np.isnan(noise_ceilings(one_each, ["PQ"])["PQ"]["system"]["srcc"])
    constant = system_ceiling(np.full(12, 3.3), np.array([3, 4, 5]), generator())
    assert np.isnan(constant["srcc"])
    assert constant["mse"] == pytest.approx(0)
    one_rater = manifest.assign(PQ_ratings=[r[:1] for r in manifest["PQ_ratings"]])
    assert np.isnan(noise_ceilings(one_rater, ["PQ"])["PQ"]["utterance"]["mse"])


@pytest.fixture(scope="module")
def real(shared: Path) -> pd.DataFrame:
    folder = shared / "aes-natural"
    if not folder.is_dir():
        pytest.skip("shared/aes-natural is absent")
    train = pd.read_csv(folder / "audiomos2025-track2-train_list.csv")
    train = train.rename(columns={long: short for short, long in NAMES.items()} | {"sample_id": "clip_id"})
    lines = (folder / "audiomos2025_track2_human_annotations.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    test = pd.DataFrame({"clip_id": [row["data_path"] for row in rows]})
    test["system"] = test["clip_id"].str.split("-").str[2]
    for short, long in NAMES.items():
        ratings = [np.array(row[long]) for row in rows]
        test[short] = [single.mean() for single in ratings]
        test[f"{short}_ratings"] = ratings
    both = pd.concat([train.assign(split="train", system=""), test.assign(split="eval")], ignore_index=True)
    return both.assign(category="?", source=both["system"])


@pytest.mark.takes(2)
def test_ceilings_of_the_real_labels(real: pd.DataFrame) -> None:
    """AES-Natural: SRCC .990 .985 .991 .993 per system, .93 .96 .95 .94 per clip."""
    found = noise_ceilings(real, list(NAMES))
    assert [round(found[aspect]["system"]["srcc"], 3) for aspect in NAMES] == [0.990, 0.985, 0.991, 0.993]
    assert [round(found[aspect]["utterance"]["srcc"], 2) for aspect in NAMES] == [0.93, 0.96, 0.95, 0.94]


def test_the_constant_predictor_of_the_real_labels(real: pd.DataFrame) -> None:
    """A constant equal to the train mean: PQ 1.319, PC 1.761, CE 2.874, CU 2.515."""
    means = real.loc[real["split"] == "train", list(NAMES)].mean()
    predictions = real.loc[real["split"] == "eval", ["clip_id"]].assign(seed=0, **means)
    scores = evaluate_predictions(predictions, real, list(NAMES))
    found = [scores[aspect]["system"]["mse"]["mean"] for aspect in NAMES]
    assert [round(mse, 3) for mse in found] == [1.319, 1.761, 2.874, 2.515]
    assert all(scores[aspect]["evaluated_on"]["systems"] == 36 for aspect in NAMES)
    assert {scores[aspect]["evaluated_on"]["clips"] for aspect in NAMES} == {3060}
