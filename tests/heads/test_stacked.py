"""Layers of several members against PyTorch's layers, member by member."""

import pytest
import torch
from torch import nn

from datmos.heads.stacked import (
    Conv1d,
    LayerNorm,
    Linear,
    convolve_embeddings,
    dropout,
    member_state,
    perceptron,
    stack,
)

M, B = 3, 4


def test_linear() -> None:
    layer, x = stack([Linear(5, 2) for _ in range(M)]), torch.randn(M, B, 5)
    for member in range(M):
        expected = nn.functional.linear(x[member], layer.weight[member], layer.bias[member])
        torch.testing.assert_close(layer(x)[member], expected)
    assert len({tuple(row.flatten().tolist()) for row in layer.weight}) == M


def test_conv1d() -> None:
    layer, x = stack([Conv1d(5, 2, 3) for _ in range(M)]), torch.randn(B, M, 5, 11)
    for member in range(M):
        expected = nn.functional.conv1d(x[:, member], layer.weight[member], layer.bias[member])
        torch.testing.assert_close(layer(x)[:, member], expected)


@pytest.mark.parametrize("shared", [True, False])
def test_convolve_embeddings(shared: bool) -> None:
    weight, bias = torch.randn(M, 2, 5, 3), torch.randn(M, 2)
    x = torch.randn(B, 5, 11) if shared else torch.randn(M, B, 5, 11)
    found = convolve_embeddings(x, weight, bias)
    for member in range(M):
        own = x if shared else x[member]
        expected = nn.functional.conv1d(own, weight[member], bias[member])
        torch.testing.assert_close(found[:, member], expected)


def test_layer_norm() -> None:
    layer, x = stack([LayerNorm(2, 7) for _ in range(M)]), torch.randn(B, M, 2, 7)
    for parameter in layer.parameters():
        parameter.data += torch.randn_like(parameter)
    for member in range(M):
        expected = nn.functional.layer_norm(x[:, member], (2, 7), layer.weight[member], layer.bias[member])
        torch.testing.assert_close(layer(x)[:, member], expected)


def test_first_weights_are_those_of_pytorch() -> None:
    torch.manual_seed(0)
    ours = perceptron(4, 3, 2)
    torch.manual_seed(0)
    theirs = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    x = torch.randn(B, 4)
    torch.testing.assert_close(ours(x[None])[0], theirs(x))


@pytest.mark.parametrize("dim", [0, 1])
def test_dropout_draws_for_each_member_from_its_own_stream(dim: int) -> None:
    x = torch.ones(M, 1000) if dim == 0 else torch.ones(1000, M)

    def of(*seeds: int) -> torch.Tensor:
        dropped = dropout(x, 0.25, [torch.Generator().manual_seed(seed) for seed in seeds], dim)
        return dropped.movedim(dim, 0)

    first, other = of(0, 1, 2), of(0, 9, 2)
    assert torch.equal(first[0], other[0])
    assert not torch.equal(first[1], other[1])
    assert torch.equal(first[2], other[2])
    assert first.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (first == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert dropout(x, 0.25, None, dim) is x


def test_stack_and_member_state_undo_each_other() -> None:
    single = [perceptron(4, 3, 2) for _ in range(M)]
    before = [{name: value.clone() for name, value in one.state_dict().items()} for one in single]
    stacked = stack(single)
    for member, state in enumerate(before):
        taken = member_state(stacked.state_dict(), member)
        assert set(taken) == set(state)
        for name, value in state.items():
            assert torch.equal(taken[name], value[0])
    for parameter in stacked.parameters():
        parameter.data.zero_()
    assert torch.equal(single[0].state_dict()["0.weight"], before[0]["0.weight"])  # a copy
