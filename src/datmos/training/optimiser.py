"""Adam, and AdamW: PyTorch's own steps, without the compiler that its optimiser classes load."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam


class Adam:
    """`torch.optim.Adam`, the same numbers to the last bit.

    The class of PyTorch imports the compiler (``torch._dynamo``) when it is made. That takes two to four seconds,
    most of what a small training takes, and nothing here is compiled. So this one keeps the moments itself, by
    number of the parameter, and calls the function that the class calls.

    Args:
        parameters: to train, all on one device.
        learning_rate: of every step.
        weight_decay: penalty on squared weights, or with ``decoupled`` how much weights shrink, times the rate.
        decoupled: AdamW (Loshchilov & Hutter, arXiv 1711.05101) in place of Adam (Kingma & Ba, arXiv 1412.6980).
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float, decoupled: bool
    ) -> None:
        self._parameters = list(parameters)
        self._settings: dict[str, Any] = {
            "lr": learning_rate, "weight_decay": weight_decay, "decoupled_weight_decay": decoupled,
            "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "amsgrad": False, "maximize": False, "fused": True,
        }  # fmt: skip
        self._steps = [torch.zeros((), device=parameter.device) for parameter in self._parameters]
        self._means = [torch.zeros_like(parameter.data) for parameter in self._parameters]
        self._squares = [torch.zeros_like(parameter.data) for parameter in self._parameters]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take a step; a parameter without a gradient stays as it is."""
        used = [number for number, parameter in enumerate(self._parameters) if parameter.grad is not None]
        parameters, means, squares, steps = (
            [own[number] for number in used] for own in (self._parameters, self._means, self._squares, self._steps)
        )
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        adam(parameters, gradients, means, squares, [], steps, **self._settings)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments, by ``<number of the parameter>.<name>``."""
        kept = {"step": self._steps, "exp_avg": self._means, "exp_avg_sq": self._squares}
        return {f"{number}.{name}": value for name, own in kept.items() for number, value in enumerate(own)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them up."""
        for name, value in self.state_dict().items():
            value.copy_(state[name])
