"""The table over corpora: its studies are the pipeline's, its numbers those of the library."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import yaml

from helpers.benchmark import load_benchmark
from helpers.places import REPOSITORY
from helpers.project import TINY


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_benchmark("corpora")


def made_up(corpus: int, name: str, srcc: float, gain: float, separable: bool) -> dict[str, object]:
    return {
        "shortcut": 1.0, "corpus": corpus, "name": name, "aspect": "PQ", "srcc": srcc, "mse": 1.0, "slope": 0.125,
        "srcc_gain": gain, "srcc_separable": separable,
    }  # fmt: skip


def test_means_are_over_corpora_and_count_them(script: ModuleType) -> None:
    rows = [made_up(1, "baseline", 0.5, 0.0, False), made_up(2, "baseline", 0.75, 0.0, False)]
    rows += [made_up(1, "dat", 0.75, 0.25, True), made_up(2, "dat", 0.5, -0.25, True)]
    rows += [made_up(1, "other", 0.5, 0.25, False), made_up(2, "other", 1.0, 0.25, True)]
    averages = script.means(pd.DataFrame(rows))
    assert averages["better"].tolist() == [0, 1, 1]
    assert averages["worse"].tolist() == [0, 1, 0]
    assert script.table(averages).splitlines()[2:] == [
        "| baseline | 0.625 / 1.00 / 0.12 |",
        "| dat | 0.625 / 1.00 / 0.12 +1 -1 |",
        "| other | 0.750 / 1.00 / 0.12 +1 |",
    ]
    constant = averages.assign(srcc=float("nan"), slope=float("nan"))
    assert script.table(constant).splitlines()[2] == "| baseline | n/a / 1.00 |"
    assert averages["corpora"].tolist() == [2, 2, 2]


@pytest.mark.takes(20)
def test_studies_are_made_once_and_scored(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    for section, values in TINY.items():
        raw[section] = raw[section] | values if isinstance(values, dict) else values
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    monkeypatch.chdir(tmp_path)
    command = ["corpora.py", "--seeds", "5", "--strategies", "dat_source", "--out", "table"]
    monkeypatch.setattr(sys, "argv", command)
    script.main()
    rows = pd.read_csv("table.csv")
    assert set(rows["name"]) == {"baseline", "dat_source", "ridge"}
    assert len(rows) == 3 * len(raw["data"]["aspects"])
    assert rows.loc[rows["name"] == "baseline", "srcc_gain"].eq(0).all()
    made = sorted(Path(".cache/corpora").glob("seed-*/data/corpus.json"))
    assert [path.parts[2] for path in made] == ["seed-5-shortcut-1"]
    assert [json.loads(path.read_text())["kind"] for path in made] == ["simulated"]
    times = [path.stat().st_mtime_ns for path in made]
    script.main()
    assert [path.stat().st_mtime_ns for path in made] == times
    pd.testing.assert_frame_equal(pd.read_csv("table.csv"), rows)
    averages = pd.read_csv("table_1.csv")
    assert averages.groupby("aspect")["name"].apply(list).tolist() == [["baseline", "dat_source", "ridge"]] * 2
