"""Streams of randomness: named, independent, and put back."""

import torch

from datmos.core.seeding import derive_seed, torch_seed


def test_seeds_depend_on_every_name() -> None:
    seeds = {derive_seed("init", 0), derive_seed("init", 1), derive_seed("order", 0), derive_seed("ini", "t0")}
    assert len(seeds) == 4
    assert derive_seed("init", 0) == derive_seed("init", 0) < 2**63


def test_the_block_is_reproducible_and_the_outside_untouched() -> None:
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with torch_seed("a", 1):
        first = torch.rand(3)
    with torch_seed("a", 1):
        again = torch.rand(3)
    assert torch.equal(first, again)
    assert torch.equal(torch.rand(2), expected)
