"""Adam and AdamW: the bits of PyTorch's own classes."""

import pytest
import torch

from datmos.training.optimiser import Adam

THEIRS = {False: torch.optim.Adam, True: torch.optim.AdamW}


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_it_takes_pytorchs_steps(decoupled: bool, weight_decay: float) -> None:
    def made() -> list[torch.nn.Parameter]:
        generator = torch.Generator().manual_seed(0)
        return [torch.nn.Parameter(torch.randn(size, generator=generator)) for size in ((3, 4), (5,), ())]

    ours, theirs = made(), made()
    optimiser = Adam(ours, 0.01, weight_decay, decoupled)
    expected = THEIRS[decoupled](theirs, 0.01, weight_decay=weight_decay, fused=True)
    generator = torch.Generator().manual_seed(1)
    for number in range(5):
        optimiser.zero_grad()
        expected.zero_grad()
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            gradient = torch.randn(one.shape, generator=generator)
            if place != number % 3:  # that one has no gradient, and stays as it is
                one.grad, other.grad = gradient, gradient.clone()
        optimiser.step()
        expected.step()
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)
