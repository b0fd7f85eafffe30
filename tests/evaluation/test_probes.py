"""Probes: what is planted in h is read, what is not there is not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datmos.core.predictions import read_h, write_h
from datmos.evaluation.probes import probe, probe_seeds

SOURCES = ("a", "b", "c")


def natural_clips(per_source: int = 60) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    clips = pd.DataFrame({"source": np.repeat(SOURCES, per_source)})
    clips["PQ"] = generator.normal(5, 1, len(clips))
    return clips.sample(frac=1, random_state=0)


def noise(clips: pd.DataFrame, width: int = 4) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(len(clips), width))


def test_what_is_planted_linearly_is_read_by_both() -> None:
    clips = natural_clips()
    h = noise(clips)
    h[:, 0] += 8 * (clips["source"] == "a").to_numpy()
    h[:, 1] += 8 * (clips["source"] == "b").to_numpy()
    h[:, 2] = clips["PQ"]
    found = probe(h, clips, ["PQ"])
    assert found["domain_accuracy_linear"] > 0.98
    assert found["domain_accuracy_nonlinear"] > 0.98
    assert found["srcc_PQ_linear"] > 0.99
    assert found["srcc_PQ_nonlinear"] > 0.9


def test_noise_gives_nothing_away() -> None:
    clips = natural_clips()
    found = probe(noise(clips), clips, ["PQ"])
    for kind in ("linear", "nonlinear"):
        assert 0.1 < found[f"domain_accuracy_{kind}"] < 0.45  # equal shares in the folds push it below chance
        assert abs(found[f"srcc_PQ_{kind}"]) < 0.25


def test_what_is_hidden_from_a_linear_probe_is_found_by_the_other() -> None:
    clips = natural_clips()
    clips = clips[clips["source"] != "c"]
    h = noise(clips, 2)
    inside = (clips["source"] == "a").to_numpy()
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    h[~inside] *= 3  # source b is a ring around source a
    clips = clips.assign(PQ=np.abs(h[:, 0]))
    found = probe(h, clips, ["PQ"])
    assert found["domain_accuracy_linear"] < 0.7
    assert found["domain_accuracy_nonlinear"] > 0.95
    assert found["srcc_PQ_linear"] < 0.5
    assert found["srcc_PQ_nonlinear"] > 0.9


def test_scores_are_read_from_clips_not_fitted_to() -> None:
    clips = natural_clips(20)
    wide = noise(clips, 500)  # more numbers than clips: a fit without cross-validation would be perfect
    found = probe(wide, clips, ["PQ"])
    assert found["domain_accuracy_linear"] < 0.6
    assert abs(found["srcc_PQ_linear"]) < 0.4


def test_small_and_single_sources() -> None:
    clips = natural_clips(10)
    lonely = pd.concat([clips[clips["source"] != "c"], clips[clips["source"] == "c"].iloc[:1]])
    h = noise(lonely)
    without = lonely[lonely["source"] != "c"]
    assert probe(h, lonely, ["PQ"]) == probe(h[: len(without)], without, ["PQ"])  # one clip: left out
    one = clips[clips["source"] == "a"]
    found = probe(noise(one), one, ["PQ"])
    assert np.isnan(found["domain_accuracy_linear"])
    assert np.isfinite(found["srcc_PQ_linear"])
    assert np.isnan(list(probe(noise(one)[:1], one.iloc[:1], ["PQ"]).values())).all()


def test_the_first_seeds_are_probed(tmp_path: Path) -> None:
    clips = natural_clips(20)
    clips["CE"] = 5.0
    write_h(tmp_path / "h.npz", {width: noise(clips, width) for width in (30, 3, 1, 2)})
    found = probe_seeds(tmp_path / "h.npz", clips, ["PQ", "CE"])
    h = read_h(tmp_path / "h.npz")
    expected = [probe(h[seed], clips, ["PQ"])["domain_accuracy_linear"] for seed in (1, 2, 3)]
    assert found["domain_accuracy_linear"]["seeds"] == expected
    assert found["domain_accuracy_linear"]["mean"] == pytest.approx(np.mean(expected))
    assert found["chance"]["mean"] == pytest.approx(1 / 3)
    assert np.isnan(found["srcc_CE_linear"]["mean"])  # a constant has no SRCC
