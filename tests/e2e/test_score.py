"""`datmos score` in a finished project: the scores that the stage evaluate wrote, for clips of one window."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from helpers.project import Project

pytestmark = pytest.mark.e2e


@pytest.mark.takes(10)
def test_scores_are_those_of_the_pipeline(project: Project) -> None:
    code = "from datmos.commands.main import main; main()"
    command = ["env", "PYTHONPATH=src", sys.executable, "-c", code, "score", "data/corpus/ratings.csv"]
    result = project.run(*command)
    assert "model: data/models/baseline (evaluate.baseline of params.yaml)" in result.stderr
    config = json.loads((project.folder / "data/models/baseline/config.json").read_text())
    assert config["trained_on"] == "simulated"
    assert "warning: this model knows only the simulated study" not in result.stderr  # its clips were scored
    rows = {row["path"]: row for row in map(json.loads, result.stdout.splitlines())}
    manifest = pd.read_parquet(project.folder / "data/manifest.parquet").set_index("clip_id")
    predictions = pd.read_parquet(project.folder / "data/predictions/baseline.parquet")
    aspects = ["PQ", "PC"]
    for clip_id, mean in predictions.groupby("clip_id")[aspects].mean().iterrows():
        row = rows[manifest.loc[clip_id, "path"]]
        np.testing.assert_allclose([row[aspect] for aspect in aspects], mean, atol=2e-5)
