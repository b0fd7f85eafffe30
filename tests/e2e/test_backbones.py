"""The second backbone as a user runs it: fine-tuned beside the others, killed, on two processes, and taken away."""

import json
import re
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import transformers
import yaml

from helpers.audiobox_clips import STILL
from helpers.meta_model import meta_model, save_for_hub
from helpers.project import Project
from helpers.tiny_encoders import checkpoint

pytestmark = pytest.mark.e2e
TUNED = ["audiobox_baseline", "audiobox_dat_kmeans"]  # of the preset's three: the other differs in a rule


def switch_on(project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply the preset's strategies, from a tiny WavLM without dropout, and a small model in Meta's format."""
    encoder = checkpoint(folder / "wavlm", "wavlm", normalise=False)
    config = transformers.AutoConfig.from_pretrained(encoder)
    for name, value in STILL.items():
        setattr(config, name, value)
    config.save_pretrained(encoder)
    published = save_for_hub(meta_model(monkeypatch), folder / "published")
    path = project.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["finetune"] |= yaml.safe_load((project.folder / "presets/paper.yaml").read_text())["finetune"]
    params["finetune"] |= {"encoder": str(encoder), "epochs": 4, "learning_rate": 1.0e-3, "mlp_layers": 2}
    del params["finetune"]["strategies"]["audiobox_dat_source"]
    params["finetune"]["published"]["audiobox"] |= {"model": str(published), "revision": None}
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def change(project: Project, old: str, new: str) -> None:
    path = project.folder / "params.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.takes(80)
def test_the_second_backbone_beside_the_first(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_on(project, tmp_path, monkeypatch)
    of_each = {f"{stage}@{name}" for stage in ("finetune_domains", "finetune") for name in TUNED}
    always = {"evaluate", "figures", "report"}
    assert project.stages_run("dvc", "repro") == of_each | {"published@audiobox"} | always
    table = (project.folder / "metrics/tables/table1.md").read_text()
    assert all(f"| {name} |" in table for name in [*TUNED, "audiobox", "baseline", "ridge"])
    for name in ("uncertainty", "probes"):
        text = (project.folder / f"metrics/tables/{name}.md").read_text()
        assert all(f"| {one} |" in text for one in TUNED)
        assert "| audiobox |" not in text
    against = json.loads((project.folder / "data/details/significance.json").read_text())["against"]
    assert set(against["audiobox_baseline"]["PQ"]) == {"audiobox_dat_kmeans"}
    assert set(TUNED) <= set(against["baseline"]["PQ"])
    report = (project.folder / "plots/report.html").read_text()
    assert "plots/figures/backbones_audiobox_baseline.png" in report
    assert "backbones_audiobox_baseline_training.png" in report
    clusters = pd.read_parquet(project.folder / "data/finetune_domains/audiobox_dat_kmeans.parquet")["domain"]
    others = pd.read_parquet(project.folder / "data/domains/kmeans.parquet")["domain"]
    assert clusters.nunique() == 3
    assert pd.crosstab(clusters, others).gt(0).sum().sum() > 3  # of its own encoder: not the clusters of the other
    curves = pd.read_csv(project.folder / "data/curves/audiobox_dat_kmeans.csv")
    assert (curves["adversarial_gradient"] > 0).all()

    models = project.folder / "data/finetuned/audiobox_dat_kmeans"
    command = ["python", "stages/finetune.py", "audiobox_dat_kmeans"]
    whole = {file.name: file.read_bytes() for file in models.iterdir()}
    checkpoints = project.folder / ".cache/training"
    process = project.start(*command)
    while len(list(checkpoints.glob("*.safetensors"))) < 2:  # the first seed is done
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    resumed = project.run(*command).stderr
    assert "fine-tuning audiobox_dat_kmeans, seed 0: 100%" in resumed
    assert "fine-tuning audiobox_dat_kmeans, seed 0:   0%" not in resumed  # it does not begin anew
    assert {file.name: file.read_bytes() for file in models.iterdir()} == whole
    assert list(checkpoints.iterdir()) == []
    assert project.stages_run("dvc", "repro") == set()
    change(project, "lambda: 0.1", "lambda: 0.3")  # in both backbones
    dry = re.findall(r"Running stage '([^']+)'", project.run("dvc", "repro", "--dry").stdout)
    assert set(dry) & of_each == {"finetune@audiobox_dat_kmeans"}
    change(project, "lambda: 0.3", "lambda: 0.1")

    alone = pd.read_csv(project.folder / "data/curves/audiobox_dat_kmeans.csv")
    # not accelerate launch: on a CPU it starts a single process, whatever --num_processes says
    project.run("torchrun", "--nproc_per_node", "2", *command[1:])
    together = pd.read_csv(project.folder / "data/curves/audiobox_dat_kmeans.csv")
    assert np.allclose(together, alone, rtol=1e-3)


def test_a_model_that_does_not_predict_the_aspects(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_on(project, tmp_path, monkeypatch)
    change(project, "- PQ\n  - PC", "- PQ\n  - XX")
    result = project.run("python", "stages/published.py", "audiobox", check=False)
    assert "predicts CE, CU, PC, PQ; data.aspects has XX" in result.stderr
    assert "Traceback" not in result.stderr
