"""The statistics head: groups of aspects that share nothing but correlations, and clips of any length."""

import torch

from datmos.core.statistics import time_statistics
from helpers.made_heads import DIMENSION, embeddings, make

GROUPS = (("A", "C"), ("B", "D"))


def test_statistics_of_a_short_and_a_long_clip() -> None:
    clip = torch.randn(2, DIMENSION, 9)
    torch.testing.assert_close(time_statistics(clip.repeat(1, 1, 5)), time_statistics(clip))
    assert time_statistics(clip[..., :1]).tolist() == torch.cat([clip[..., 0], torch.zeros(2, 6)], dim=1).tolist()


def test_widths() -> None:
    head = make("statistics", widths=(5, 4, 3), groups=())
    assert [layer.weight.shape[1:] for layer in head.trunks[0]] == [(5, 12), (4, 5), (3, 4)]
    assert (head.width, head.view_width) == (3, 3)


def test_what_is_done_to_a_group_leaves_the_others_means() -> None:
    head, x = make("statistics", groups=GROUPS), embeddings("statistics")
    before = head(x)
    for parameter in [*head.trunks[0].parameters(), *head.means[0].parameters()]:
        parameter.data += 1.0
    after = head(x)
    for aspect, group in enumerate((0, 1, 0, 1)):
        assert torch.equal(before.mean[..., aspect], after.mean[..., aspect]) == (group == 1)


def test_an_adversary_of_a_group_does_not_reach_the_others() -> None:
    head = make("statistics", groups=GROUPS)
    encoded = head.encode(embeddings("statistics"))
    encoded.view.square().sum().backward()
    assert all(parameter.grad is not None for parameter in head.trunks[0].parameters())
    assert all(parameter.grad is None for parameter in head.trunks[1].parameters())
    assert torch.equal(encoded.view, encoded.h[..., : head.view_width])
    assert head.width == 2 * head.view_width


def test_the_covariance_teaches_h_nothing() -> None:
    head = make("statistics")
    head(embeddings("statistics")).factor.square().sum().backward()
    assert head.spreads.weight.grad is not None
    assert not any(parameter.grad.any() for parameter in [*head.trunks.parameters(), *head.means.parameters()])
