"""AESA-Net-style: layer weights, the LSTM and the attention against plain PyTorch."""

from typing import cast

import torch
from torch import nn

from datmos.heads.aesa import ADAPTED, CELLS, POOLED, AesaNetStyle
from datmos.heads.drasp import average_segments
from helpers.made_heads import embeddings, make


def head() -> AesaNetStyle:
    return cast(AesaNetStyle, make("aesa"))


def test_against_plain_modules() -> None:
    own, x = head(), embeddings("aesa")
    lstm = nn.LSTM(ADAPTED, CELLS, bidirectional=True, batch_first=True)
    for parameter, ours in zip(lstm.parameters(), own.lstm, strict=True):
        parameter.data = ours.detach()[0]
    with torch.no_grad():
        first, second = torch.softmax(own.layer_logits[0], dim=0)
        mixed = average_segments(first * x[:, 0] + second * x[:, 1], POOLED).mT  # (B, T, D)
        states, _ = lstm(torch.relu(mixed @ own.adapter.weight[0].T + own.adapter.bias[0]))
        inner, _, outer = own.attention
        scores = torch.tanh(states @ inner.weight[0].T + inner.bias[0]) @ outer.weight[0].T
        expected = (torch.softmax(scores, dim=1) * states).sum(dim=1)
        torch.testing.assert_close(own.encode(x).h[0], expected, rtol=1e-4, atol=1e-5)


def test_layers_count_alike_at_first() -> None:
    fresh = AesaNetStyle(head().options)
    assert fresh.layer_logits.softmax(dim=1).tolist() == [[0.5, 0.5]]


def test_each_aspect_has_a_branch_of_its_own() -> None:
    own, x = head(), embeddings("aesa")
    before = own(x)
    with torch.no_grad():
        own.branches[1][-1].bias += 1.0
    after = own(x)
    assert (before.mean != after.mean).any(dim=1).tolist() == [[False, True, False, False]]
    assert torch.equal(before.factor, after.factor)
