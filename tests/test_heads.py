"""MultiGauss: sizes, scale and covariance for any number of aspects."""

import pytest
import torch

from datmos.errors import DatmosError
from datmos.heads import MultiGauss


@pytest.mark.parametrize("aspects", [1, 2, 4, 5])
def test_covariance_is_symmetric_and_positive_definite(aspects: int) -> None:
    torch.manual_seed(0)
    head = MultiGauss(dimension=6, frames=60, aspects=aspects, scale=(1, 5), dropout=0.3).eval()
    mean, factor = head(torch.randn(3, 6, 60))
    covariance = head(torch.randn(3, 6, 60)).covariance
    assert mean.shape == (3, aspects)
    assert torch.equal(factor, factor.triu())
    torch.testing.assert_close(covariance, covariance.mT)
    assert (torch.linalg.eigvalsh(covariance) > 0).all()


def test_outputs_zero_and_one_are_the_middle_and_the_end_of_the_scale() -> None:
    head = MultiGauss(dimension=6, frames=60, aspects=2, scale=(0, 100), dropout=0.0)
    for parameter in head.quality[-1].parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        head.quality[-1].bias[1] = 1.0
    mean, factor = head(torch.randn(1, 6, 60))
    assert mean.tolist() == [[50.0, 100.0]]
    softplus_of_zero = 0.6931472
    torch.testing.assert_close(factor, 50 * softplus_of_zero * torch.eye(2)[None])


def test_width_of_h() -> None:
    head = MultiGauss(dimension=6, frames=149, aspects=4, scale=(1, 10), dropout=0.3)
    assert head.width == 160  # 149 -> 145 -> 29 -> 25 -> 5 frames of 32 channels
    assert head.features(torch.randn(2, 6, 149)).shape == (2, 160)


def test_the_fewest_frames() -> None:
    assert MultiGauss(6, 49, 1, (1, 5), 0.3).width == 32
    with pytest.raises(DatmosError, match="48 frames are too few"):
        MultiGauss(6, 48, 1, (1, 5), 0.3)


def test_standardised_embeddings_meet_the_head_at_mean_0_and_sd_1() -> None:
    plain, standardised = (MultiGauss(2, 60, 1, (1, 5), 0.0).eval() for _ in range(2))
    standardised.load_state_dict(plain.state_dict())
    standardised.standardise(torch.tensor([10.0, -3.0]), torch.tensor([2.0, 0.5]))
    x = torch.randn(3, 2, 60)
    moved = x * torch.tensor([[2.0], [0.5]]) + torch.tensor([[10.0], [-3.0]])
    torch.testing.assert_close(standardised.features(moved), plain.features(x), rtol=1e-4, atol=1e-5)


def test_a_channel_that_never_varies_is_only_centred() -> None:
    head = MultiGauss(3, 60, 1, (1, 5), 0.0)
    head.standardise(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 0.0, 4.0]))
    assert head.gain[:, 0].tolist() == [0.5, 1.0, 0.25]
