"""Parts of a training that change, as tensors by name: what a checkpoint is made of."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


class Stateful(Protocol):
    """A part of a training that changes: modules are such parts, and what else has these two methods."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return all that changes, by name."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> object:
        """Take up what `state_dict` returned."""


@runtime_checkable
class Growing(Stateful, Protocol):
    """A part whose state does not have the same tensors, or not of the same shape, from the first epoch on."""

    def expected_state(self, found: Mapping[str, Tensor], epoch: int) -> Mapping[str, Tensor]:
        """Return tensors with the names, types and shapes of the state after ``epoch``, if ``found`` can be it."""


class Streams:
    """Random streams as a `Stateful`.

    Args:
        generators: by name; all of them are moved on by drawing from them.
    """

    def __init__(self, generators: Mapping[str, Sequence[torch.Generator]]) -> None:
        self._generators = {f"{name}.{n}": one for name, own in generators.items() for n, one in enumerate(own)}

    def state_dict(self) -> dict[str, Tensor]:
        """Return where each stream is."""
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on there."""
        for name, generator in self._generators.items():
            generator.set_state(state[name])


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Pick the tensors whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
