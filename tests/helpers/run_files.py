"""The numbers, tables and pictures of a made-up run of two strategies, for tests of what is written about a run."""

import json
from pathlib import Path
from typing import Any

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
            "against": {"plain": {"PQ": against_plain}, "dat": {"PQ": against_dat}},
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
    for table in ("table1", "agreement", "within", "significance", "shortcuts", "uncertainty", "probes"):
        path = folder / "metrics/tables" / f"{table}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"About {table}.\n\n| A & B | x |\n| :--- | ---: |\n| 1 | **2** |\n")
    pictures = "comparison errors granularity calibration training composition terrain planted signatures"
    for name in [*(f"figures/{name}" for name in pictures.split()), "figures/umap_plain"]:
        path = folder / "plots" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG + name.encode())
