"""The study of criteria: they are of natural clips alone, and their sums are right."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import yaml

from datmos.core.files import write_parquet
from datmos.core.store import write_store
from datmos.params.schema import Params
from helpers.benchmark import load_benchmark
from helpers.embedding import clip_arrays
from helpers.places import REPOSITORY


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_benchmark("criteria")


def test_sums_by_hand(script: ModuleType) -> None:
    clips = pd.DataFrame({"clip_id": list("abcdef"), "source": ["x"] * 3 + ["y"] * 3, "PQ": [1.0, 2, 3, 4, 5, 6]})
    # x is ranked upside down, y as it is, and x lies below y: errors 2 0 2 0 0 0
    predicted = pd.DataFrame({"clip_id": list("abcdef"), "seed": 0, "PQ": [3.0, 2, 1, 4, 5, 6]})
    found = script.summarise(pd.concat([predicted, predicted.assign(seed=1)]), clips, "PQ")
    assert found["error"] == pytest.approx(8 / 6)
    assert found["srcc"] == pytest.approx(1 - 6 * 8 / (6 * 35))
    assert found["srcc_within"] == pytest.approx(0.0)
    assert found["source_means"] == pytest.approx(1.0)


def test_a_row_a_criterion(script: ModuleType) -> None:
    values = {name: [0.1, 0.3, 0.2, -0.1] for name in script.CRITERIA}
    rows = pd.DataFrame({"gain": [0.1, 0.2, -0.1, -0.3]} | values)
    lines = script.report(rows).splitlines()
    assert lines[0].startswith("4 cases (studies x aspects); the adversary raised the system SRCC in 2.")
    assert sum("| 75% | 0.75 | 0.80 |" in line for line in lines) == len(script.CRITERIA)


@pytest.mark.takes(10)
def test_no_eval_rating_reaches_a_criterion(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # checkpoints
    raw = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    raw["data"] |= {"kind": "ratings", "root": "clips", "aspects": ["PQ", "PC"]}
    raw |= {"seeds": [0, 1], "train": raw["train"] | {"epochs": 6, "learning_rate": 0.03}}
    params = Params.model_validate(raw)
    generator = np.random.default_rng(0)
    splits = ["train"] * 24 + ["valid"] * 12 + ["eval"] * 12
    ids = [f"c{number:02}" for number in range(len(splits))]
    manifest = pd.DataFrame({"clip_id": ids, "split": splits, "category": "music", "system": ""})
    manifest["source"] = [["a", "b", "c"][number % 3] for number in range(len(splits))]
    manifest.loc[manifest["split"] == "eval", "system"] = [f"system {number}" for number in range(12)]
    manifest[["PQ", "PC"]] = generator.normal(5, 1, (len(splits), 2))
    frames = generator.normal(size=(len(splits), 4, 50)).astype(np.float16)
    rows = {}
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        Path(name, "params.yaml").write_text(yaml.safe_dump(raw))
        write_store(
            Path(name, "data/embeddings"),
            manifest["clip_id"],
            (clip_arrays(own) for own in frames),
            {"layers": [1]},
        )
        rated = manifest.copy()
        if name == "other":
            rated.loc[rated["split"] == "eval", ["PQ", "PC"]] = generator.normal(5, 1, (12, 2))
        write_parquet(Path(name, "data/manifest.parquet"), rated)
        rows[name] = script.measure(params, Path(name), "dat_source")
    criteria = list(script.CRITERIA)
    assert list(rows["one"]["aspect"]) == ["PQ", "PC"]
    pd.testing.assert_frame_equal(rows["one"][criteria], rows["other"][criteria])
    assert not rows["one"]["gain"].equals(rows["other"]["gain"])
    assert rows["one"]["left_out_error"].abs().min() > 0
