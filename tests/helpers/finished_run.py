"""A small run of the pipeline as it lies on disk: models, metrics and dvc.lock, without having run anything."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from datmos.core.registry import find
from datmos.heads.familiarity import Familiarity, save_familiarity
from datmos.heads.registry import HEADS
from datmos.heads.saved import save_models
from datmos.sharing.provenance import file_md5, folder_md5
from helpers.made_heads import options
from helpers.run_files import write_run

ENCODER = {
    "kind": "distillmos",
    "model": None,
    "revision": None,
    "layer": None,
    "extra_layers": [],
    "dtype": "auto",
}
AUDIO = {"clip_seconds": 3.0, "offset": 0.0, "min_seconds": 0.25}
SEEDS = (3, 4)


def write_models(
    folder: Path, kind: str = "multigauss", aspects: tuple[str, ...] = ("PQ", "CE"), **encoder: Any
) -> None:
    """Write the models of a strategy with random weights, made for the default encoder and 3 s."""
    made = options(dimension=200, frames=75, layers=1, aspects=aspects, scale=(1.0, 10.0), groups=())
    weights = {}
    for seed in SEEDS:
        torch.manual_seed(seed)
        head = find(HEADS, kind)(made).state_dict()
        weights[seed] = {f"head.{name}": value[0] for name, value in head.items()}
        weights[seed]["classifier.0.weight"] = torch.ones(3)
    config = {
        "strategy": folder.name,
        "domains": "source",
        "lambda": 0.5,
        "aspects": list(aspects),
        "kind": kind,
        "head": made._asdict(),
        "encoder": {
            "name": "distillmos-v7", "revision": version("distillmos"), "dtype": "float32", "layers": [None],
            "pooled_layer": None, "sample_rate": 16_000, "hop": 640, "clip_seconds": 3.0, "offset": 0.0,
            "dimension": 200, "frames": 75,
        },
        "encoder_params": ENCODER | {"trust_remote_code": True} | encoder,
        "audio": AUDIO,
        "seeds": {str(seed): {"best_epoch": 1} for seed in SEEDS},
    }  # fmt: skip
    folder.mkdir(parents=True)
    save_models(folder, config, weights)
    save_familiarity(folder, Familiarity(np.zeros(200), np.ones(200), np.zeros((2, 200)), np.arange(3.0)))


def write_project(folder: Path) -> Path:
    """Write a run of strategies plain and dat and the reference ridge, evaluated on PQ; returns ``folder``."""
    write_run(folder)
    write_models(folder / "data/models/dat", aspects=("PQ",))
    (folder / "data/predictions").mkdir()
    (folder / "data/predictions/dat.parquet").write_text("made up")
    write_lock(folder)
    return folder


def write_lock(folder: Path) -> None:
    """Write dvc.lock for the models and results that are there."""
    models, details = folder / "data/models/dat", folder / "data/details"
    stages = {
        "corpus": {
            "params": {"params.yaml": {"data.kind": "simulated", "corpus": {"seed": 0}}},
            "outs": [{"path": "data/corpus", "md5": "0" * 32}],
        },
        "manifest": {  # names a section that others name parts of
            "deps": [{"path": "data/corpus", "md5": "0" * 32}],
            "params": {"params.yaml": {"data": {"kind": "simulated", "scale": [1.0, 10.0]}}},
            "outs": [{"path": "data/manifest.parquet", "md5": "3" * 32}],
        },
        "umap@dat": {
            "params": {"params.yaml": {"umap.seed": 7}},
            "outs": [{"path": "data/umap/dat", "md5": "1" * 32}],
        },
        "train@dat": {
            "deps": [
                {"path": "data/manifest.parquet", "md5": "3" * 32},
                {"path": "stages/train.py", "md5": "2" * 32},
            ],
            "params": {"params.yaml": {"seeds": [*SEEDS], "strategies.dat": {"lambda": 0.5}}},
            "outs": [{"path": "data/models/dat", "md5": folder_md5(models)}],
        },
        "evaluate": {
            "deps": [{"path": "data/predictions", "md5": folder_md5(folder / "data/predictions")}],
            "outs": [
                {"path": f"data/details/{path.name}", "md5": file_md5(path)}
                for path in sorted(details.glob("*.json"))
            ],
        },
    }
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
