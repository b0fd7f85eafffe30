"""A small run of the pipeline as it lies on disk: models, numbers, tables, pictures, dvc.lock. Nothing was run."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from datmos.core.registry import find
from datmos.heads.familiarity import Familiarity, save_familiarity
from datmos.heads.model_files import save_models
from datmos.heads.registry import HEADS
from datmos.sharing.provenance import file_md5, folder_md5
from helpers.made_heads import options

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
        "trained_on": "simulated",
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


PNG = b"\x89PNG made up"


def difference(value: float | None, p: float | None) -> dict[str, Any]:
    low, high = (None, None) if value is None else (value - 0.25, value + 0.25)
    return {"difference": value, "low": low, "high": high, "p_holm": p, "smallest_detectable": 0.375} | {
        "separable": p is not None and p < 0.05
    }


def write_run(folder: Path) -> None:
    """Write data/details/, metrics/ and plots/ below ``folder``: plain (the baseline), dat and ridge; aspect PQ."""
    against_plain = {
        "dat": {"mse": difference(-0.5, 0.0125), "srcc": difference(0.0625, 0.75)},
        "ridge": {"mse": difference(-0.125, 0.875), "srcc": difference(None, None)},
    }
    against_dat = {
        "plain": {"mse": difference(0.5, 0.0625), "srcc": difference(-0.0625, 0.75)},
        "ridge": {"mse": difference(0.375, 0.5), "srcc": difference(None, None)},
    }
    strategies = {}
    for name, mse, srcc, slope in (
        ("plain", 1.25, 0.5, 0.375),
        ("dat", 0.75, 0.5625, -0.0625),
        ("ridge", 1.125, None, 0.25),
    ):
        system = {"mse": {"mean": mse, "ensemble": mse - 0.125}, "srcc": {"mean": srcc, "ensemble": srcc}}
        ground = {"systems": 36, "clips": 216, "seeds": [3, 4]}
        shortcut = {"shortcut_slope": {"mean": slope}}
        strategies[name] = {"PQ": {"evaluated_on": ground, "system": system, "shortcut": shortcut}}
    against_ridge = {
        name: {"mse": difference(0.125, 0.875), "srcc": difference(None, None)} for name in ("plain", "dat")
    }
    intervals = {"mse": {"low": 0.375, "high": 1.5}, "srcc": {"low": 0.25, "high": 0.75}}
    best = {
        "mse": {"strategy": "dat", "p_holm": 0.03125, "separable": True},
        "srcc": {"strategy": "dat", "p_holm": 0.25, "separable": False},
    }
    files: dict[str, Any] = {
        "strategies": strategies,
        "probes": {},
        "uncertainty": {},
        "ceilings": {"PQ": {"system": {"mse": 0.015625, "srcc": 0.984375}}},
        "significance": {
            "scores": {"PQ": dict.fromkeys(strategies, intervals)},
            "best": {"PQ": best},
            "against": {
                "plain": {"PQ": against_plain},
                "dat": {"PQ": against_dat},
                "ridge": {"PQ": against_ridge},
            },
        },
        "manifest": {
            split: {"clips": 8, "excluded": 1, "hours": 0.5, "sources": {"a": 8}, "systems": 2}
            | {"aspects": {"PQ": {"mean": None if split == "train" else 5.0, "std": 1.0}}}
            for split in ("train", "eval")
        },
    }
    for name, coverage, nll in (("plain", 0.75, 9.0), ("dat", 0.9375, 4.0)):
        files["probes"][name] = {
            "domain_accuracy_linear": {"mean": 0.875},
            "domain_accuracy_nonlinear": {"mean": 0.8125},
            "chance": {"mean": 0.1875},
        }
        files["uncertainty"][name] = {
            "aspects": {"PQ": {"coverage_95": {"mean": coverage, "ensemble": coverage - 0.125}}},
            "joint_nll": {"mean": nll},
            "train_nll": {"joint": 7.0},
        }
    for name, content in files.items():
        path = folder / "data/details" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    for table in ("table1", "summary", "agreement", "within", "significance", "shortcuts", "uncertainty", "probes"):
        path = folder / "metrics/tables" / f"{table}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"About {table}.\n\n| A & B | x |\n| :--- | ---: |\n| 1 | **2** |\n")
    pictures = "forest errors granularity calibration training composition terrain planted slopes"
    for name in [*(f"figures/{name}" for name in pictures.split()), "figures/umap_plain"]:
        path = folder / "plots" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG + name.encode())
