import math
import warnings

import numpy as np
import pandas as pd
import pytest

from datmos.core.errors import DatmosError
from datmos.core.files import rounded
from datmos.evaluation.metrics import evaluate_predictions, summarise_seeds, system_scores, validation_error


def manifest():
    rows = [  # clip, split, category, system, PQ; system means A 3, B 5, C 7, D 1
        ("a1", "eval", "speech", "A", 2),
        ("a2", "eval", "speech", "A", 4),
        ("b1", "eval", "speech", "B", 5),
        ("c1", "eval", "speech", "C", 6),
        ("c2", "eval", "speech", "C", 8),
        ("d1", "eval", "music", "D", 1),
        ("n1", "eval", "music", "", 9),  # natural: counts as a clip, belongs to no system
        ("t1", "train", "music", "", 5),
    ]
    table = pd.DataFrame(rows, columns=["clip_id", "split", "category", "system", "PQ"])
    return table.astype({"PQ": np.float32}).assign(source="x")


def predictions():
    eval_clips = ["a1", "a2", "b1", "c1", "c2", "d1", "n1"]
    # seed 0: system means A 4, B 3, C 8, D 2, so errors 1 -2 1 1; seed 1: every clip one too high
    first = pd.DataFrame({"clip_id": eval_clips, "seed": 0, "PQ": [4.0, 4, 3, 7, 9, 2, 9]})
    second = pd.DataFrame({"clip_id": eval_clips, "seed": 1, "PQ": [3.0, 5, 6, 7, 9, 2, 10]})
    train = pd.DataFrame({"clip_id": ["t1"], "seed": 0, "PQ": [1.0]})
    return pd.concat([first, second, train], ignore_index=True)


def test_evaluation_by_hand():
    result = evaluate_predictions(predictions(), manifest(), ["PQ"])["PQ"]
    assert result["evaluated_on"] == {"systems": 4, "clips": 7, "seeds": [0, 1]}

    # seed 0: (1 + 4 + 1 + 1) / 4 = 1.75, seed 1: 1; ensemble errors 1 -0.5 1 1
    assert rounded(result["system"]["mse"]) == {
        "mean": 1.375,
        "std": 0.53033,  # 0.75 / sqrt(2)
        "ensemble": 0.8125,
        "seeds": [1.75, 1.0],
    }
    assert result["system"]["mse_bias2"]["seeds"] == pytest.approx([0.25**2, 1.0])
    assert result["system"]["mse_centred"]["seeds"] == pytest.approx([1.75 - 0.25**2, 0.0])
    # seed 0 swaps A and B: 1 - 6 * 2 / (4 * 15) = 0.8; the ensemble (A 4, B 4.5, C 8, D 2) does not
    assert rounded(result["system"]["srcc"]) == {
        "mean": 0.9,
        "std": 0.14142,  # 0.2 / sqrt(2)
        "ensemble": 1.0,
        "seeds": [0.8, 1.0],
    }
    # errors 2 0 -2 1 1 1 0
    assert result["utterance"]["mse"]["seeds"] == pytest.approx([11 / 7, 1.0])
    # A, B, C alone: 1 - 6 * 2 / (3 * 8) = 0.5
    speech, music = result["within_category"]["speech"], result["within_category"]["music"]
    assert speech["srcc"]["seeds"] == pytest.approx([0.5, 1.0])
    # errors of A, B, C: 1 -2 1 and 1 1 1 (means over their clips)
    assert speech["mse"]["seeds"] == pytest.approx([2.0, 1.0])
    assert speech["bias"]["seeds"] == pytest.approx([0.0, 1.0])
    assert speech["bias"]["ensemble"] == pytest.approx(0.5)
    # one system of music can't be ranked
    assert rounded(music["srcc"]) == {
        "mean": None,
        "std": None,
        "ensemble": None,
        "seeds": [None, None],
    }
    assert music["bias"]["seeds"] == pytest.approx([1.0, 1.0])


def test_order_of_rows_does_not_matter():
    rng = np.random.default_rng(0)
    noisy = predictions().assign(PQ=lambda table: table["PQ"] + rng.normal(size=len(table)))
    expected = rounded(evaluate_predictions(noisy, manifest(), ["PQ"]))
    shuffled = noisy.sample(frac=1.0, random_state=1), manifest().sample(frac=1.0, random_state=2)
    assert rounded(evaluate_predictions(*shuffled, ["PQ"])) == expected


def test_one_seed_has_no_std():
    one = predictions().query("seed == 1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = evaluate_predictions(one, manifest(), ["PQ"])["PQ"]
    assert rounded(result["system"]["srcc"]) == {"mean": 1.0, "std": None, "ensemble": 1.0, "seeds": [1.0]}


def test_where_no_seed_plays_a_part_the_std_is_exactly_0() -> None:
    seeds = [0.1] * 3
    assert np.std(seeds, ddof=1) > 0  # the last bit of a mean that was rounded
    assert summarise_seeds(seeds, 0.1)["std"] == 0


def test_aspects_are_evaluated_apart():
    two = manifest().assign(CE=lambda table: 10 - table["PQ"])
    result = evaluate_predictions(predictions().assign(CE=lambda table: table["PQ"]), two, ["PQ", "CE"])
    assert list(result) == ["PQ", "CE"]
    assert result["CE"]["system"]["srcc"]["seeds"] == pytest.approx([-0.8, -1.0])


def test_missing_predictions_are_named():
    missing = predictions().query("not (clip_id == 'b1' and seed == 1)")
    with pytest.raises(DatmosError, match=r"1 of 7 clips .* PQ by some seed: b1\."):
        evaluate_predictions(missing, manifest(), ["PQ"])
    diverged = predictions().assign(PQ=lambda table: table["PQ"].where(table["clip_id"] < "c", np.nan))
    with pytest.raises(DatmosError, match=r"4 of 7 .*: c1, c2, d1, n1\."):
        evaluate_predictions(diverged, manifest(), ["PQ"])
    with pytest.raises(DatmosError, match=r"7 of 7 .*: a1, a2, b1"):
        evaluate_predictions(predictions().query("clip_id == 't1'"), manifest(), ["PQ"])


def test_long_lists_of_clips_are_cut():
    clips = [f"c{number:02d}" for number in range(12)]
    table = pd.DataFrame({"clip_id": clips, "split": "eval", "category": "music", "system": "A"})
    table = table.assign(source="x", PQ=1.0)
    with pytest.raises(DatmosError, match="c09, and 2 more"):
        evaluate_predictions(predictions(), table, ["PQ"])


def test_clips_predicted_twice_are_named():
    twice = pd.concat([predictions(), predictions().query("clip_id == 'c2' and seed == 0")])
    with pytest.raises(DatmosError, match="more than once by one seed: c2"):
        evaluate_predictions(twice, manifest(), ["PQ"])


def test_errors_that_go_with_the_category() -> None:
    # errors of seed 1 are all 1: nothing to explain. Seed 0: speech 2 0 -2 1 1, music 1 0, n 7, two groups:
    # SSW = (10 - 5 * 0.4^2) + (1 - 2 * 0.5^2) = 9.7, SST = 11 - 7 * (3 / 7)^2 = 9.7143
    result = evaluate_predictions(predictions(), manifest(), ["PQ"])["PQ"]["shortcut"]
    expected = 1 - (9.7 / 5) / ((11 - 9 / 7) / 6)
    assert result["error_eta2_category"]["seeds"] == pytest.approx([expected, 0.0])
    assert set(result) == {
        f"error_eta2_{group}{given}" for group in ("category", "source") for given in ("", "_given_score")
    }


def test_counterfactual_clips_and_true_scores() -> None:
    rows = [("p1", "p", "x"), ("p2", "p", "y"), ("q1", "q", "x"), ("q2", "q", "y")]
    extra = pd.DataFrame(rows, columns=["clip_id", "base", "source"])
    extra = extra.assign(split="counterfactual", category="music", system="", PQ=np.float32("nan"))
    table = pd.concat([manifest().assign(base=""), extra], ignore_index=True)
    table["PQ_true"] = table["PQ"] + 1  # of the counterfactual clips: unknown, and not asked for
    guesses = [
        pd.DataFrame({"clip_id": extra["clip_id"], "seed": seed, "PQ": values})
        for seed, values in enumerate([[4.0, 6, 7, 9], [5.0, 5, 8, 8]])
    ]
    result = evaluate_predictions(pd.concat([predictions(), *guesses]), table, ["PQ"])["PQ"]
    shortcut = result["shortcut"]
    # seed 0 moves by 2 with the signature (SD sqrt 2) and by 3 with the content (5 and 8: SD 3 / sqrt 2)
    assert shortcut["signature_sensitivity"]["seeds"] == pytest.approx([math.sqrt(2), 0.0])
    assert shortcut["signature_sensitivity_ratio"]["seeds"] == pytest.approx([2 / 3, 0.0])
    assert shortcut["signature_sensitivity_ratio"]["ensemble"] == pytest.approx(1 / 3)
    assert shortcut["signature_offset"]["x"]["seeds"] == pytest.approx([-1.0, 0.0])
    assert shortcut["signature_offset"]["y"]["mean"] == pytest.approx(0.5)
    assert result["system"]["mse"]["seeds"] == pytest.approx([1.75, 1.0])  # as without them
    # seed 1 is one point above the ratings, as the truth is
    assert result["true"]["system"]["mse"]["seeds"][1] == pytest.approx(0.0)
    assert result["true"]["system"]["srcc"]["seeds"] == result["system"]["srcc"]["seeds"]
    with pytest.raises(DatmosError, match=r"4 of 4 clips lack .*: p1, p2, q1, q2"):
        evaluate_predictions(predictions(), table, ["PQ"])


def test_eval_clips_are_needed():
    with pytest.raises(DatmosError, match="no clip with split 'eval'"):
        evaluate_predictions(predictions(), manifest().query("split == 'train'"), ["PQ"])


def test_validation_error_is_of_single_validation_clips() -> None:
    clips = manifest()
    more = pd.DataFrame(
        {"clip_id": ["v1", "v2"], "split": "valid", "category": "music", "system": "", "PQ": [3.0, 5.0]}
    )
    clips = pd.concat([clips, more.assign(source="x")], ignore_index=True)
    rows = [("v1", 1, 4.0), ("v2", 1, 5.0), ("v1", 0, 3.0), ("v2", 0, 8.0), ("a1", 0, 9.0)]
    predictions = pd.DataFrame(rows, columns=["clip_id", "seed", "PQ"])
    found = validation_error(predictions, clips, ["PQ"])["PQ"]["mse"]
    assert found["seeds"] == [4.5, 0.5]  # by ascending seed
    assert found["ensemble"] == pytest.approx((0.25 + 2.25) / 2)  # of 3.5 and 6.5
    with pytest.raises(DatmosError, match="1 of 2 clips lack a finite prediction of PQ by some seed: v2"):
        validation_error(predictions[predictions["clip_id"] != "v2"], clips, ["PQ"])


def test_scores_have_four_decimals_and_null_for_what_is_not_known() -> None:
    level = {"mse": summarise_seeds([1.23456], 1.0), "srcc": summarise_seeds([float("nan")], 1.0), "lcc": {}}
    assert system_scores({"dat": {"PQ": {"system": level}}}, ["PQ"]) == {
        "dat": {"PQ": {"mse": 1.2346, "srcc": None}}
    }
