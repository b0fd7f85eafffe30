"""DRASP: both resolutions by hand, and clips of any length."""

from typing import cast

import pytest
import torch

from datmos.heads.drasp import SEGMENT, Drasp, average_segments
from helpers.made_heads import embeddings, make


def head() -> Drasp:
    return cast(Drasp, make("drasp"))


def test_at_first_it_is_mean_and_standard_deviation() -> None:
    own, x = head(), embeddings("drasp")
    own.alpha.data.fill_(1.0)
    own.beta.data.fill_(0.0)
    expected = torch.cat([x.mean(dim=-1), x.std(dim=-1, correction=0)], dim=-1)
    torch.testing.assert_close(own.pool(x)[0], expected, rtol=1e-4, atol=1e-5)
    fresh = Drasp(own.options)
    assert (fresh.alpha.item(), fresh.beta.item()) == (1.0, 0.0)


def test_segments_are_weighted_by_attention() -> None:
    own, x = head(), embeddings("drasp")
    own.alpha.data.fill_(0.0)
    own.beta.data.fill_(2.0)
    inner, _, outer = own.attention
    for clip, found in zip(x, own.pool(x)[0], strict=True):
        segments = torch.stack([clip[:, :25].mean(1), clip[:, 25:50].mean(1), clip[:, 50:].mean(1)])  # (S, D)
        scores = torch.tanh(segments @ inner.weight[0].T + inner.bias[0]) @ outer.weight[0].T
        weights = torch.softmax(scores, dim=0)  # (S, 1)
        mean = (weights * segments).sum(0)
        std = (weights * (segments - mean).square()).sum(0).sqrt()
        torch.testing.assert_close(found, 2 * torch.cat([mean, std]), rtol=1e-3, atol=1e-4)


def test_h_has_length_1() -> None:
    h = head().encode(embeddings("drasp")).h
    torch.testing.assert_close(h.norm(dim=-1), torch.ones(1, 3))


@pytest.mark.parametrize("frames", [1, 7, SEGMENT, SEGMENT + 1, 200])
def test_any_length(frames: int) -> None:
    own, x = head(), torch.randn(2, 6, frames, requires_grad=True)
    predicted = own(x)
    assert predicted.mean.isfinite().all()
    predicted.mean.sum().backward()
    assert x.grad.isfinite().all()


def test_average_segments() -> None:
    x = torch.arange(7.0)[None]
    assert average_segments(x, 3).tolist() == [[1.0, 4.0, 6.0]]
    assert average_segments(x, 7).tolist() == [[3.0]]
    assert average_segments(x, 10).tolist() == [[3.0]]
