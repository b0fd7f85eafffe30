"""What a member's loss is made of: a sum of terms, each a file of its own.

A term is asked for its loss in every batch, and told when a step has been taken. A new one is a class and a line of
`TERMS`. The first term is the task.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from datmos.core.registry import find
from datmos.heads.interface import Gaussian, Head
from datmos.training.losses import RatingScale
from datmos.training.settings import StrategyParams, TrainParams

TERMS = {
    "task": "datmos.training.task.Task",
    "adversaries": "datmos.training.adversary.Adversaries",
    "triplet": "datmos.training.triplet.Triplets",
}


class Setup(NamedTuple):
    """What terms are made for: M members, N train clips, A aspects."""

    seeds: Sequence[int]  # (M,)
    strategy: StrategyParams
    train: TrainParams
    head: Head  # of all members
    ratings: RatingScale
    scores: Tensor  # (N, A)
    domains: Tensor  # int64, (M, N, branches): an adversary for each branch
    branches: Sequence[str]  # their names; ("",) for one alone


class Batch(NamedTuple):
    """A batch as all members see it: B clips each."""

    predicted: Gaussian
    h: Tensor  # float32, (M, B, width)
    view: Tensor  # (M, B, view_width), what adversaries see of h
    scores: Tensor  # (M, B, A)
    clips: Tensor  # which train clips, int64, (M, B)
    domains: Tensor  # int64, (M, B, branches)


class Term(nn.Module, ABC):
    """A part of the loss.

    Attributes:
        columns: names of what it tells the curves.
    """

    columns: tuple[str, ...] = ()

    @classmethod
    def is_wanted(cls, strategy: StrategyParams) -> bool:
        """Whether a strategy has this term."""
        return True

    @abstractmethod
    def __init__(self, setup: Setup) -> None:
        super().__init__()

    @abstractmethod
    def loss(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return what to add to each member's loss, (M,); and what to tell, (M, columns), None for nothing."""

    def after_step(self, batch: Batch) -> None:
        """Take note of a batch after the step that its loss led to."""

    def models(self) -> dict[str, nn.Module]:
        """Return what this term trains and the head's weights are saved with, by name."""
        return {}


def make_terms(setup: Setup) -> nn.ModuleDict:
    """Make the terms of a strategy."""
    kinds = {name: find(TERMS, name) for name in TERMS}
    return nn.ModuleDict({name: kind(setup) for name, kind in kinds.items() if kind.is_wanted(setup.strategy)})
