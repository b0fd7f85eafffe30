"""Heads for tests: what they are made for, and embeddings for them."""

from typing import Any

import torch
from torch import Tensor

from datmos.core.registry import find
from datmos.heads.interface import Head, HeadOptions
from datmos.heads.registry import HEADS
from datmos.heads.stacked import Noise, stack

CLIPS, DIMENSION, FRAMES, LAYERS = 3, 6, 60, 2


def options(**changed: Any) -> HeadOptions:
    aspects = changed.get("aspects", ("A", "B", "C", "D"))
    made = HeadOptions(DIMENSION, FRAMES, LAYERS, aspects, (1.0, 5.0), 0.3, (aspects[::2], aspects[1::2]))
    return made._replace(groups=tuple(group for group in made.groups if group))._replace(**changed)


def make(name: str, seed: int = 0, **changed: Any) -> Head:
    """A head with one member, and weights of every kind other than 0 or 1."""
    torch.manual_seed(seed)
    head: Head = find(HEADS, name)(options(**changed))
    for parameter in head.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return head


def embeddings(name: str, members: int | None = None, clips: int = CLIPS) -> Tensor:
    """Shared by all members, or a batch for each."""
    reads = find(HEADS, name).reads
    shape = {"frames": [DIMENSION, FRAMES], "layers": [LAYERS, DIMENSION, FRAMES], "statistics": [2 * DIMENSION]}[
        reads
    ]
    own = [] if members is None else [members]
    return torch.randn(*own, clips, *shape, generator=torch.Generator().manual_seed(7))


def noise(*seeds: int) -> Noise:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def together(name: str, seeds: tuple[int, ...], **changed: Any) -> Head:
    return stack([make(name, seed, **changed) for seed in seeds])
