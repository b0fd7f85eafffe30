"""Several models as one predictor: seeds are a mixture, and each aspect may come from a strategy of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def mix(means: Any, covariances: Any) -> tuple[Any, Any]:
    """Mean and covariance of a mixture of M Gaussians with equal shares, by the law of total covariance.

    The covariance is the mean of the covariances, plus the covariance of the means.

    Args:
        means: (M, ..., A), of numpy or torch.
        covariances: (M, ..., A, A), likewise.

    Returns:
        (..., A) and (..., A, A).
    """
    mean = means.mean(0)
    apart = means - mean
    return mean, covariances.mean(0) + (apart[..., :, None] * apart[..., None, :]).mean(0)


class AspectChoice:
    """Takes each aspect from the strategy that was chosen for it.

    Two aspects from one strategy keep their covariance. Two from different strategies have none, since nothing says
    how the errors of models go together that never met.

    Args:
        choice: ``{aspect: strategy}``, in the order of the scores.
        aspects_of: ``{strategy: its aspects, in the order of its outputs}``.
    """

    def __init__(self, choice: Mapping[str, str], aspects_of: Mapping[str, Sequence[str]]) -> None:
        chosen = list(choice.values())
        self._places = {name: [list(own).index(aspect) for aspect in choice] for name, own in aspects_of.items()}
        self._owner = {name: torch.tensor([one == name for one in chosen]) for name in aspects_of}

    def __call__(self, parts: Mapping[str, tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Combine means (..., A) and covariances (..., A, A) of every strategy."""
        means, covariances = torch.zeros(()), torch.zeros(())
        for name, (mean, covariance) in parts.items():
            places, owner = self._places[name], self._owner[name].to(mean.device)
            both = owner.unsqueeze(0) & owner.unsqueeze(1)
            means = means + torch.where(owner, mean[..., places], 0.0)
            covariances = covariances + torch.where(both, covariance[..., places, :][..., places], 0.0)
        return means, covariances
