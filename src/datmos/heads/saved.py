"""Trained models on disk: safetensors for weights, JSON for everything else; nothing is ever unpickled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import load_file, save_file
from torch import Tensor

from datmos.core.files import read_json, write_json
from datmos.core.registry import find
from datmos.heads.interface import Head, HeadOptions
from datmos.heads.registry import HEADS
from datmos.heads.stacked import stack


class Models(NamedTuple):
    """The heads of one strategy: one module of M members, one a seed, in evaluation mode; and their config."""

    head: Head
    seeds: list[int]  # (M,) of the members
    config: dict[str, Any]


def make_models(config: dict[str, Any], weights: Mapping[int, dict[str, Tensor]]) -> Models:
    """Put together heads from their ``weights`` by seed, named head.*, on the CPU."""
    options = HeadOptions(**config["head"])
    heads = []
    for tensors in weights.values():
        head = find(HEADS, config["kind"])(options)
        own = {name.removeprefix("head."): value for name, value in tensors.items() if name.startswith("head.")}
        head.load_state_dict({name: value.unsqueeze(0) for name, value in own.items()})
        heads.append(head)
    return Models(stack(heads).eval(), list(weights), config)


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
    weights = {int(seed): load_file(folder / f"seed_{seed}.safetensors") for seed in config["seeds"]}
    return make_models(config, weights)
