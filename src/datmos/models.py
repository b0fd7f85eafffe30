"""Trained models on disk: safetensors for weights, JSON for everything else; nothing is ever unpickled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from datmos.files import read_json, write_json
from datmos.heads import MultiGauss


class Models(NamedTuple):
    """The heads of one strategy, one a seed, in evaluation mode on the CPU, and their config.json."""

    heads: dict[int, MultiGauss]
    config: dict[str, Any]


def save_models(folder: Path, config: dict[str, Any], weights: Mapping[int, dict[str, Tensor]]) -> None:
    """Write ``config.json`` and one ``seed_<n>.safetensors`` for every seed into an existing folder."""
    write_json(folder / "config.json", config)
    for seed, tensors in weights.items():
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()}, folder / f"seed_{seed}.safetensors"
        )


def load_models(folder: Path) -> Models:
    """Read what `save_models` wrote."""
    config = read_json(folder / "config.json")
    heads = {}
    for seed in config["seeds"]:
        head = MultiGauss(**config["head"])
        tensors = load_file(folder / f"seed_{seed}.safetensors")
        head.load_state_dict(
            {name.removeprefix("head."): value for name, value in tensors.items() if name.startswith("head.")}
        )
        heads[int(seed)] = head.eval()
    return Models(heads, config)


def batched(rows: Any, size: int) -> list[Any]:
    """Cut an array into consecutive pieces of at most ``size``."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def on_cpu(module: torch.nn.Module, prefix: str) -> dict[str, Tensor]:
    """Copy a module's weights, named ``prefix.name``."""
    return {f"{prefix}.{name}": value.detach().cpu().clone() for name, value in module.state_dict().items()}
