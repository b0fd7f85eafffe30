"""Trained models on disk: safetensors for weights, JSON for everything else; nothing is ever unpickled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from datmos.core.files import write_json
from datmos.core.paths import weights_file
from datmos.core.registry import find, one_of
from datmos.core.tensors import kinds_of, read_tensors, save_tensors
from datmos.core.untrusted import Few, Finite, Size, Text, Untrusted, checked, read_object
from datmos.heads.interface import Head, HeadOptions
from datmos.heads.registry import HEADS
from datmos.heads.stacked import stack

Aspects = Annotated[list[Text], Field(min_length=1, max_length=100)]


class HeadConfig(Untrusted, extra="forbid"):
    """`HeadOptions` as JSON."""

    dimension: Size
    frames: Size
    layers: Few
    aspects: Aspects
    scale: Annotated[list[Finite], Field(min_length=2, max_length=2)]
    dropout: Annotated[Finite, Field(ge=0, lt=1)]
    groups: Annotated[list[Aspects], Field(max_length=100)]
    widths: Annotated[list[Size], Field(max_length=10)]


class ModelsConfig(Untrusted):
    """What reading the heads of one strategy needs of their config.json."""

    kind: Annotated[str, one_of(HEADS)]
    aspects: Aspects
    seeds: Annotated[
        dict[Annotated[str, Field(pattern="^[0-9]{1,18}$")], Any], Field(min_length=1, max_length=1000)
    ]
    head: HeadConfig

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.head.scale
        if low >= high:
            raise ValueError(f"head.scale: the lowest and the highest rating are expected, got {low:g}, {high:g}")
        if self.head.aspects != self.aspects or len(set(self.aspects)) < len(self.aspects):
            raise ValueError(f"aspects: the head's, every name once, are expected, got {self.aspects}")
        grouped = [aspect for group in self.head.groups for aspect in group]
        if grouped and sorted(grouped) != sorted(self.aspects):
            raise ValueError(f"head.groups: every aspect once is expected, got {self.head.groups}")
        return self


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
    """Write ``config.json`` and a file of weights for every seed into an existing folder."""
    write_json(folder / "config.json", config)
    for seed, tensors in weights.items():
        save_tensors(weights_file(folder, seed), tensors)


def load_models(folder: Path) -> Models:
    """Read what `save_models` wrote, without the adversaries.

    Raises:
        DatmosError: a file is missing, or is not what `save_models` writes.
    """
    path = folder / "config.json"
    config = read_object(path)
    known: ModelsConfig = checked(ModelsConfig, path, config)
    with torch.device("meta"):  # sizes that nobody has checked cost nothing there
        head = find(HEADS, known.kind)(HeadOptions(**config["head"]))
    expected = {
        f"head.{name}": kind._replace(shape=kind.shape[1:]) for name, kind in kinds_of(head.state_dict()).items()
    }
    weights = {
        int(seed): read_tensors(weights_file(folder, seed), expected, ignored="classifier.") for seed in known.seeds
    }
    return make_models(config, weights)
