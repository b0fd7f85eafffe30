"""DAT-Aspect: what passes between groups, and how far an adversary reaches."""

from typing import cast

import torch

from datmos.heads.aspect_groups import AspectGroups
from helpers.made_heads import embeddings, make


def head() -> AspectGroups:
    return cast(AspectGroups, make("aspect_groups", groups=(("B", "C"), ("D", "A"))))


def test_mean_and_variance_come_from_the_aspects_own_bottleneck() -> None:
    own = head()
    h = own.encode(embeddings("aspect_groups")).h.detach()
    before = own.predict(h)
    changed = h.clone()
    changed[..., : own.view_width] += 1.0  # the first group's: B and C
    after = own.predict(changed)
    assert (before.mean != after.mean).any(dim=1).tolist() == [[False, True, True, False]]
    diagonals = [gaussian.factor.diagonal(dim1=-2, dim2=-1) for gaussian in (before, after)]
    assert (diagonals[0] != diagonals[1]).any(dim=1).tolist() == [[False, True, True, False]]
    assert not torch.equal(before.factor[..., 0, 3], after.factor[..., 0, 3])  # correlations: from all


def test_an_adversary_reaches_its_own_bottleneck_and_no_further() -> None:
    own = head()
    encoded = own.encode(embeddings("aspect_groups"))
    assert torch.equal(torch.cat(encoded.views, dim=-1), encoded.h)
    encoded.views[0].square().sum().backward()
    touched = {
        name.split(".weight")[0] for name, p in own.named_parameters() if p.grad is not None and p.grad.any()
    }
    assert {name for name in touched if not name.endswith("bias")} == {"bottlenecks.0"}


def test_the_ratings_train_all() -> None:
    own = head()
    mean, factor = own(embeddings("aspect_groups"))
    (mean.sum() + factor.sum()).backward()
    assert all(p.grad is not None and p.grad.any() for p in own.parameters())
