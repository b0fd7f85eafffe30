"""MultiGauss beyond parity (tests/test_parity.py): sizes."""

import pytest
import torch

from datmos.core.errors import DatmosError
from helpers.made_heads import make


def test_width_of_h() -> None:
    head = make("multigauss", frames=149)
    assert head.width == 160  # 149 -> 145 -> 29 -> 25 -> 5 frames of 32 channels
    assert head.encode(torch.randn(2, 6, 149)).h.shape == (1, 2, 160)


def test_the_fewest_frames() -> None:
    assert make("multigauss", frames=49)(torch.randn(1, 6, 49)).mean.shape == (1, 1, 4)
    with pytest.raises(DatmosError, match="48 frames are too few"):
        make("multigauss", frames=48)
