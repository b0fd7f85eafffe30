"""The adversary: a domain classifier behind a gradient reversal layer."""

from typing import Any

import torch
from torch import Tensor, nn


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, scale: float) -> Tensor:
        context.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, *gradients: Any) -> Any:
        return -context.scale * gradients[0], None


def reverse_gradient(x: Tensor, scale: float) -> Tensor:
    """Return ``x``; on the way back multiply the gradient by ``-scale``.

    Ganin et al., "Domain-Adversarial Training of Neural Networks" (arXiv 1505.07818), equations 16 and 17.
    """
    reversed_x: Tensor = _Reverse.apply(x, scale)
    return reversed_x


class DomainClassifier(nn.Module):
    """Predicts the domain from h (paper: 64 -> 32 -> D logits).

    Args:
        width: of h.
        domains: how many there are.
    """

    def __init__(self, width: int, domains: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, domains)
        )

    def forward(self, h: Tensor, reversal: float) -> Tensor:
        """Map h (B, width) to logits (B, domains); the gradient at h is scaled by ``-reversal``."""
        logits: Tensor = self.layers(reverse_gradient(h, reversal))
        return logits
