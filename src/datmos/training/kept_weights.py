"""Which weights of a training are kept: those of the best epoch, or the mean over the last ones."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from datmos.training.checkpoint import under


class Keep(ABC):
    """A rule, and the weights that it has kept of M members so far.

    Args:
        weights: at the beginning, (M, ...) each.
        device: where to keep them; None: where they are.

    Attributes:
        weights: kept, (M, ...) each.
        epoch: that they are of (or the last of those), int64, (M,).
    """

    def __init__(self, weights: Mapping[str, Tensor], device: torch.device | None = None) -> None:
        self.weights = {name: value.detach().to(device, copy=True) for name, value in weights.items()}
        self.epoch = torch.zeros(len(next(iter(weights.values()))), dtype=torch.int64)

    @abstractmethod
    def update(self, epoch: int, values: Tensor, weights: Mapping[str, Tensor]) -> None:
        """Look at the weights after an epoch; ``values`` (M,): lower is better."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that changes, by name."""
        return {"epoch": self.epoch} | {f"weights.{name}": value for name, value in self.weights.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        self.epoch = state["epoch"]
        for name, value in under(dict(state), "weights.").items():
            self.weights[name].copy_(value)


class BestEpoch(Keep):
    """The epoch with the lowest value, the first of equals; for each member its own."""

    def __init__(self, weights: Mapping[str, Tensor], device: torch.device | None = None) -> None:
        super().__init__(weights, device)
        self.best = torch.full(self.epoch.shape, torch.inf, dtype=torch.float64)

    def update(self, epoch: int, values: Tensor, weights: Mapping[str, Tensor]) -> None:
        """Keep the weights of those members whose value is the lowest so far."""
        better = (values < self.best) | (self.epoch == 0)
        if not better.any():
            return
        self.best = torch.where(better, values.nan_to_num(torch.inf), self.best)
        self.epoch[better] = epoch
        for name, value in weights.items():
            self.weights[name][better] = value[better].to(self.weights[name].device)

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that changes, by name."""
        return super().state_dict() | {"best": self.best}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        super().load_state_dict(state)
        self.best = state["best"]


class MeanOfLast(Keep):
    """Stochastic weight averaging (Izmailov et al., arXiv 1803.05407), at a constant rate.

    Args:
        weights: at the beginning.
        first: epoch whose weights are the first in the mean.
    """

    def __init__(self, weights: Mapping[str, Tensor], first: int) -> None:
        super().__init__(weights)
        self.first = first

    def update(self, epoch: int, values: Tensor, weights: Mapping[str, Tensor]) -> None:
        """Take the weights into the mean; whole numbers are not averaged."""
        count = epoch - self.first + 1
        if count < 1:
            return
        for name, value in weights.items():
            if value.is_floating_point():
                mean = value if count == 1 else torch.lerp(self.weights[name], value, 1 / count)
                self.weights[name] = mean.detach().clone()
        self.epoch.fill_(epoch)


def make_keep(weights: Mapping[str, Tensor], checkpoint: str, epochs: int) -> Keep:
    """Return the rule that ``train.checkpoint`` names."""
    if checkpoint == "last_half":
        return MeanOfLast(weights, first=epochs // 2 + 1)
    return BestEpoch(weights)
