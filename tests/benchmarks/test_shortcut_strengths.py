"""The report over strengths: its numbers are the library's, its intervals those of paired draws."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import yaml

from datmos.core.errors import DatmosError
from datmos.core.files import write_parquet
from datmos.datasets.simulated.study import plan_study, rate_study
from datmos.datasets.simulated.truth import ASPECTS, SOURCES
from datmos.evaluation.metrics import evaluate_predictions
from datmos.evaluation.shortcuts import shortcut_slope
from datmos.params.schema import Params
from helpers.places import REPOSITORY

STRATEGIES = ["plain", "same", "oracle"]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    file = REPOSITORY / "benchmarks" / "shortcut_strengths.py"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_run(folder: Path, strength: float, **corpus: int) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """A run of three strategies: two noisy ones that are the same, and one that knows the truth."""
    raw = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    raw["corpus"] |= {"train_per_source": 20, "systems": 12, "counterfactuals": 9, "shortcut": strength} | corpus
    plain = {"domains": "source", "lambda": 0.0, "dropout": 0.3, "l2": 0.0}
    raw |= {"seeds": [3, 1], "strategies": dict.fromkeys(STRATEGIES, plain)}
    raw["evaluate"]["baseline"], raw["umap"]["strategies"] = "plain", ["plain"]
    raw["granularity"]["strategies"] = []
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    params = Params.model_validate(raw).corpus
    clips = plan_study(params)
    manifest = rate_study(clips, params).assign(clip_id=lambda table: table["path"])
    predictions = {}
    for strategy in STRATEGIES:
        rng = np.random.default_rng(5)
        parts = []
        for seed in raw["seeds"]:
            noise = 0.0 if strategy == "oracle" else rng.normal(0, 1, (len(manifest), len(ASPECTS)))
            scores = manifest[[f"{aspect}_true" for aspect in ASPECTS]].to_numpy() + noise
            parts.append(pd.DataFrame(scores, columns=list(ASPECTS)).assign(seed=seed, clip_id=manifest["clip_id"]))
        predictions[strategy] = pd.concat(parts, ignore_index=True)
        write_parquet(folder / f"data/predictions/{strategy}.parquet", predictions[strategy])
    write_parquet(folder / "data/manifest.parquet", manifest)
    return manifest, predictions


@pytest.mark.takes(3)
def test_values_are_those_of_the_library(script: ModuleType, tmp_path: Path) -> None:
    manifest, predictions = make_run(tmp_path / "run", 1.0)
    _, rows = script.summarise_run(tmp_path / "run")
    table = rows.set_index(["strategy", "aspect", "metric"])
    for strategy, predicted in predictions.items():
        expected = evaluate_predictions(predicted, manifest, list(ASPECTS))
        for aspect in ASPECTS:
            scores = expected[aspect]
            values = table["value"][strategy, aspect]
            assert values["mse"] == pytest.approx(scores["system"]["mse"]["mean"])
            assert values["srcc"] == pytest.approx(scores["system"]["srcc"]["mean"])
            assert values["srcc_true"] == pytest.approx(scores["true"]["system"]["srcc"]["mean"])
            shortcut = {
                name: scores["shortcut"][name]["mean"] for name in values.index if name in scores["shortcut"]
            }
            planted = {name: row.mean[ASPECTS.index(aspect)] for name, row in SOURCES.items()}
            offsets = {name: summary["mean"] for name, summary in scores["shortcut"]["signature_offset"].items()}
            shortcut["shortcut_slope"] = shortcut_slope(pd.Series(offsets), pd.Series(planted))
            assert len(shortcut) == 4
            assert values[list(shortcut)].to_dict() == pytest.approx(shortcut, abs=1e-9)
    assert (rows["low"] <= rows["high"]).all()


def test_differences_are_paired(script: ModuleType, tmp_path: Path) -> None:
    make_run(tmp_path / "run", 1.0)
    _, rows = script.summarise_run(tmp_path / "run")
    deltas = ["delta", "delta_low", "delta_high"]
    assert (rows.loc[rows["strategy"] == "same", deltas] == 0).all(axis=None)
    better = rows[(rows["strategy"] == "oracle") & (rows["metric"] == "mse")]
    assert (better["delta_high"] < 0).all()


def test_intervals_are_as_wide_as_theory_says(script: ModuleType) -> None:
    # MSE of systems whose errors are N(0, 1): a system's squared error has SD sqrt 2, so the mean of 400 has
    # standard error sqrt(2 / 400), and the interval is 3.92 of those wide
    rng = np.random.default_rng(0)
    systems = 400
    ground = script.Ground(
        np.arange(systems), np.zeros(systems, int), np.zeros(systems), np.zeros(systems), np.arange(3.0)
    )
    predicted = script.Predicted(rng.normal(size=(1, systems)), rng.normal(size=(1, 4, 3)))
    values = script.resampled_metrics(predicted, ground, script.draw(1, systems, 4))["mse"]
    low, high = np.percentile(values[1:], [2.5, 97.5])
    assert high - low == pytest.approx(3.92 * np.sqrt(2 / systems), rel=0.15)


@pytest.mark.takes(3)
def test_files_of_two_strengths(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, strength in (("b", 1.0), ("a", 0.0)):
        make_run(tmp_path / name, strength)
    out = tmp_path / "out" / "strengths"
    monkeypatch.setattr("sys.argv", ["x", str(tmp_path / "b"), str(tmp_path / "a"), "--out", str(out)])
    script.main()
    text = out.with_name("strengths.md").read_text()
    assert text.index("**Strength 0, PQ**") < text.index("**Strength 1, PQ**")
    assert text.count("| oracle |") == 8
    assert len(pd.read_csv(out.with_name("strengths.csv"))) == 2 * 3 * 4 * len(script.METRICS)
    assert out.with_name("strengths.png").stat().st_size > 10_000


def test_runs_that_cannot_be_compared(script: ModuleType, tmp_path: Path) -> None:
    make_run(tmp_path / "a", 1.0)
    make_run(tmp_path / "b", 1.0)
    with pytest.raises(DatmosError, match=r"another strength, found corpus.shortcut \[1.0, 1.0\]"):
        script.summarise_runs([tmp_path / "a", tmp_path / "b"])
    make_run(tmp_path / "c", 0.5, counterfactuals=0)
    with pytest.raises(DatmosError, match="no counterfactual clips"):
        script.summarise_runs([tmp_path / "c"])
    text = (tmp_path / "b/params.yaml").read_text().replace("shortcut: 1.0", "shortcut: 0.0")
    (tmp_path / "b/params.yaml").write_text(text.replace("- 3\n", ""))
    with pytest.raises(DatmosError, match="differ in seeds or strategies"):
        script.summarise_runs([tmp_path / "a", tmp_path / "b"])
    (tmp_path / "a/data/predictions/oracle.parquet").unlink()
    with pytest.raises(DatmosError, match=r"oracle\.parquet: no such file; run `dvc repro`"):
        script.summarise_runs([tmp_path / "a"])
