"""Layers of many models at once: M members, equal in shape, each with weights of its own.

Every parameter and buffer has the members as its first dimension, so one matrix product computes a layer of all
seeds of a strategy, and members never see each other. A layer is made with one member; `stack` puts several
together, `member_state` takes one out.
"""

import copy
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Module = TypeVar("Module", bound=nn.Module)
Noise = Sequence[torch.Generator]  # where each member's dropout comes from


class Linear(nn.Module):
    """``nn.Linear`` of every member: (M, ..., inputs) -> (M, ..., outputs)."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        first = nn.Linear(inputs, outputs)  # for its first weights
        self.weight = nn.Parameter(first.weight.detach().unsqueeze(0))  # (M, outputs, inputs)
        self.bias = nn.Parameter(first.bias.detach().unsqueeze(0)) if bias else None  # (M, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, ..., inputs) to (M, ..., outputs)."""
        rows = x.flatten(1, -2)
        if self.bias is None:
            y = rows @ self.weight.mT
        else:
            y = torch.baddbmm(self.bias.unsqueeze(1), rows, self.weight.mT)
        return y.unflatten(1, x.shape[1:-1])


def attention(inputs: int, hidden: int) -> nn.Sequential:
    """``v' tanh(W x + b)``: a score of every frame, (M, ..., inputs) -> (M, ..., 1)."""
    # a constant beside v' would change no softmax: its gradient is rounding alone, which Adam takes for a signal
    return nn.Sequential(Linear(inputs, hidden), nn.Tanh(), Linear(hidden, 1, bias=False))


def perceptron(*widths: int) -> nn.Sequential:
    """`Linear` layers of these widths with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Conv1d(nn.Module):
    """``nn.Conv1d`` of every member, without padding."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        first = nn.Conv1d(inputs, outputs, kernel)
        self.weight = nn.Parameter(first.weight.detach().unsqueeze(0))  # (M, outputs, inputs, kernel)
        bias = first.bias
        assert bias is not None
        self.bias = nn.Parameter(bias.detach().unsqueeze(0))  # (M, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, M, inputs, T), what each member made of a batch, to (B, M, outputs, T')."""
        members, outputs = self.bias.shape
        y = functional.conv1d(x.flatten(1, 2), self.weight.flatten(0, 1), self.bias.flatten(), groups=members)
        return y.unflatten(1, (members, outputs))


def convolve_embeddings(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve embeddings with every member's weights.

    Args:
        x: (B, D, T), a batch that all members share: then this is one convolution with M times the outputs, which
            reads the batch once; or (M, B, D, T), a batch for each.
        weight: (M, C, D, kernel).
        bias: (M, C).

    Returns:
        (B, M, C, T').
    """
    if x.dim() == 3:
        return functional.conv1d(x, weight.flatten(0, 1), bias.flatten()).unflatten(1, tuple(bias.shape))
    return torch.stack([functional.conv1d(own, w, b) for own, w, b in zip(x, weight, bias, strict=True)], dim=1)


class LayerNorm(nn.Module):
    """``nn.LayerNorm`` of every member over the last dimensions, ``shape``: (B, M, *shape) to the same."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape
        self.weight = nn.Parameter(torch.ones(1, *shape))  # (M, *shape)
        self.bias = nn.Parameter(torch.zeros(1, *shape))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, M, *shape)."""
        return functional.layer_norm(x, self.shape) * self.weight + self.bias


def dropout(x: Tensor, probability: float, noise: Noise | None, dim: int) -> Tensor:
    """Set elements to 0 with ``probability`` and scale up the others; every member draws from its own stream.

    Args:
        x: any shape with the members at ``dim``.
        probability: in [0, 1).
        noise: a generator a member, on the device of ``x``; None to leave ``x`` as it is (evaluation).
        dim: of the members.
    """
    if noise is None or probability == 0:
        return x
    shape = [size for index, size in enumerate(x.shape) if index != dim]
    kept = [torch.rand(shape, generator=generator, device=x.device) >= probability for generator in noise]
    return x * torch.stack(kept, dim) * (1 / (1 - probability))


def stack(modules: Sequence[Module]) -> Module:
    """Make one module of the members of several that are equal in shape."""
    stacked = copy.deepcopy(modules[0])
    states = [module.state_dict() for module in modules]
    for name, tensor in [*stacked.named_parameters(), *stacked.named_buffers()]:
        tensor.data = torch.cat([state[name] for state in states])
    return stacked


def member_state(state: Mapping[str, Tensor], member: int) -> dict[str, Tensor]:
    """Copy one member's part of a state dict to the CPU, without the members' dimension."""
    return {name: value[member].detach().cpu().clone() for name, value in state.items()}
