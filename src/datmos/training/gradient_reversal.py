"""The gradient reversal layer (GRL)."""

from typing import Any

import torch
from torch import Tensor


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
