"""The triplet loss with a buffer: which clips it chooses, and what it keeps."""

import math

import pytest
import torch
from torch import Tensor

from datmos.training.triplet import SIZE, TripletBuffer


def names(h: Tensor, start: int) -> Tensor:
    """Number the clips of h (M, B, width) from ``start``."""
    return (start + torch.arange(h.shape[1])).expand(len(h), -1)


def filled(
    members: int = 1, clips: int = 40, dtype: torch.dtype = torch.float32
) -> tuple[TripletBuffer, Tensor, Tensor]:
    """A buffer (width 5, two aspects) with clips in it, and a batch of three."""
    stream = torch.Generator().manual_seed(0)
    buffer = TripletBuffer(members, 5, 2).to(dtype)
    h, scores = (torch.randn(members, clips + 3, n, generator=stream, dtype=dtype) for n in (5, 2))
    buffer.push(h[:, 3:], scores[:, 3:], names(h[:, 3:], 3))
    return buffer, h[:, :3], scores[:, :3]


def test_by_hand() -> None:
    buffer = TripletBuffer(1, 2, 1)
    # distances in scores 0.1, 0.2, 5, 6: the first is the positive, the last two are the far half
    h = torch.tensor([[[0.0, 2.0], [7.0, 0.0], [-1.0, 0.0], [0.6, -0.8]]])
    buffer.push(h, torch.tensor([[[0.1], [-0.2], [5.0], [-6.0]]]), names(h, 1))
    # |(1, 0) - (0, 1)| = sqrt 2; of (-1, 0) and (0.6, -0.8) the latter is nearer: sqrt(0.4^2 + 0.8^2)
    found = buffer.loss(torch.tensor([[[3.0, 0.0]]]), torch.zeros(1, 1, 1), torch.tensor([[0]]))
    torch.testing.assert_close(found, torch.tensor([math.sqrt(2) - math.sqrt(0.8) + 0.2]))


def test_a_triplet_that_is_right_costs_nothing() -> None:
    buffer = TripletBuffer(1, 2, 1)
    buffer.push(torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]), torch.tensor([[[0.0], [3.0]]]), torch.tensor([[1, 2]]))
    assert buffer.loss(torch.tensor([[[1.0, 0.1]]]), torch.zeros(1, 1, 1), torch.tensor([[0]])).item() == 0


def test_a_clip_is_no_pair_with_itself() -> None:
    h = torch.tensor([[[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]]])
    scores = torch.tensor([[[0.0], [0.5], [3.0], [4.0]]])
    buffer = TripletBuffer(1, 2, 1)
    buffer.push(h, scores, torch.tensor([[0, 1, 2, 3]]))
    anchor = h[:, :1] - 0.2, scores[:, :1], torch.tensor([[0]])
    # the second is the positive, the third the negative
    expected = torch.tensor([[0.8, -0.2]]) / math.hypot(0.8, 0.2)
    positive, negative = ((expected - h[0, place]).norm() for place in (1, 2))
    torch.testing.assert_close(buffer.loss(*anchor), (positive - negative + 0.2).relu()[None])


@pytest.mark.parametrize("scores", [[], [2.0], [2.0, 2.0, 2.0]])
def test_nothing_to_compare_with_is_a_differentiable_zero(scores: list[float]) -> None:
    buffer = TripletBuffer(2, 3, 1)
    others = torch.randn(2, len(scores), 3)
    buffer.push(others, torch.tensor(scores).view(1, -1, 1).expand(2, -1, -1), names(others, 9))
    h = torch.randn(2, 4, 3, requires_grad=True)
    loss = buffer.loss(h, torch.zeros(2, 4, 1), names(h, 0))
    assert torch.equal(loss, torch.zeros(2))
    loss.sum().backward()
    assert torch.equal(h.grad, torch.zeros(2, 4, 3))


@pytest.mark.parametrize("batch", [7, SIZE, 300, 400])
def test_it_keeps_the_last_clips(batch: int) -> None:
    buffer, clips = TripletBuffer(2, 2, 1), torch.arange(400.0)
    for part in clips.split(batch):
        angles = torch.stack([part.cos(), part.sin()], dim=-1)
        buffer.push(angles.expand(2, -1, -1), part.view(1, -1, 1).expand(2, -1, -1), part.long().expand(2, -1))
    for h, scores, kept in zip(buffer.h, buffer.scores[..., 0], buffer.clips, strict=True):
        assert torch.equal(kept.float(), scores)
        assert torch.equal(scores.sort().values, clips[-SIZE:])
        torch.testing.assert_close(h, torch.stack([scores.cos(), scores.sin()], dim=-1))


def test_state_can_be_saved() -> None:
    buffer, h, scores = filled()
    copy = TripletBuffer(1, 5, 2)
    copy.load_state_dict(buffer.state_dict())
    for either in (buffer, copy):
        either.push(h, scores, names(h, 0))  # goes where the other's goes
    assert torch.equal(copy.loss(h + 1, scores, names(h, 90)), buffer.loss(h + 1, scores, names(h, 90)))
    assert buffer.loss(h + 1, scores, names(h, 90)) > 0


def test_gradients_reach_the_anchors_alone() -> None:
    buffer, h, scores = filled(dtype=torch.float64)
    h.requires_grad_()
    buffer.push(h, scores, names(h, 0))
    assert not buffer.h.requires_grad
    buffer, h, scores = filled(dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda h: buffer.loss(h, scores, names(h, 0)), h.requires_grad_())
    (gradient,) = torch.autograd.grad(buffer.loss(h, scores, names(h, 0)).sum(), h)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("clips", [1, 3])
def test_members_do_not_mix(clips: int) -> None:
    buffer, h, scores = filled(members=3)
    h, scores = h[:, :clips], scores[:, :clips]
    together = buffer.loss(h, scores, names(h, 0))
    for m in range(3):
        alone = TripletBuffer(1, 5, 2)
        alone.push(*(x[m : m + 1, :40] for x in (buffer.h, buffer.scores, buffer.clips)))
        found = alone.loss(*(x[m : m + 1] for x in (h, scores, names(h, 0))))
        torch.testing.assert_close(found, together[m : m + 1])
    assert together.unique().numel() == 3
