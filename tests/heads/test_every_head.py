"""What every head promises (`datmos.heads.interface`), whichever it is."""

import pytest
import torch

from datmos.core.registry import find
from datmos.heads.interface import as_read, outputs_of, upper_factor
from datmos.heads.registry import ERASABLE, HEADS, WITHOUT_FRAMES
from datmos.heads.stacked import member_state
from helpers.made_heads import CLIPS, DIMENSION, LAYERS, embeddings, make, noise, options, together

EVERY = pytest.mark.parametrize("name", HEADS)


@EVERY
@pytest.mark.parametrize("aspects", [1, 2, 4, 5])
def test_covariance_is_symmetric_and_positive_definite(name: str, aspects: int) -> None:
    head = make(name, aspects=("A", "B", "C", "D", "E")[:aspects])
    gaussian = head(embeddings(name))
    covariance = gaussian.covariance
    assert gaussian.mean.shape == (1, CLIPS, aspects)
    assert torch.equal(gaussian.factor, gaussian.factor.triu())
    torch.testing.assert_close(covariance, covariance.mT)
    assert (torch.linalg.eigvalsh(covariance.double()) > 0).all()


@EVERY
@pytest.mark.parametrize("shared", [True, False])
def test_members_together_are_the_same_as_alone(name: str, shared: bool) -> None:
    """Outputs, dropout and gradients of every member, to rounding."""
    seeds = (3, 4, 5)
    head, x = together(name, seeds).train(), embeddings(name, None if shared else len(seeds))
    encoded = head.encode(x, noise(*seeds))
    mean, factor = head.predict(encoded.h)
    (mean.square().sum() + factor.square().sum() + encoded.view.square().sum()).backward()
    for member, seed in enumerate(seeds):
        alone = make(name, seed).train()
        own = alone.encode(x if shared else x[member : member + 1], noise(seed))
        own_mean, own_factor = alone.predict(own.h)
        torch.testing.assert_close(encoded.h[member], own.h[0])
        torch.testing.assert_close(mean[member], own_mean[0])
        torch.testing.assert_close(factor[member], own_factor[0])
        torch.testing.assert_close(encoded.view[member], own.view[0])
        (own_mean.square().sum() + own_factor.square().sum() + own.view.square().sum()).backward()
        weights = dict(alone.named_parameters())
        for parameter_name, parameter in head.named_parameters():
            expected = weights[parameter_name].grad
            torch.testing.assert_close(
                parameter.grad[member], expected[0], rtol=1e-4, atol=1e-4 * float(expected.abs().max()) + 1e-6
            )


@EVERY
def test_a_member_can_be_taken_out(name: str) -> None:
    head, x = together(name, (1, 2)), embeddings(name)
    alone = make(name, 9)
    state = {key: value[None] for key, value in member_state(head.state_dict(), 1).items()}
    alone.load_state_dict(state)
    torch.testing.assert_close(alone(x).mean[0], head(x).mean[1])


@EVERY
def test_dropout_in_training_alone_and_by_the_given_streams(name: str) -> None:
    head, x = make(name), embeddings(name)
    assert torch.equal(head.encode(x).h, head.encode(x).h)
    first, again, other = (head.encode(x, noise(seed)).h for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert not torch.allclose(first, head.encode(x).h)


@EVERY
def test_outputs_zero_and_one_are_the_middle_and_the_end_of_the_scale(name: str) -> None:
    head = make(name, aspects=("A", "B"), scale=(0.0, 100.0))
    out = torch.tensor([[[0.0, 1.0, 0.0, 0.0, 0.5]]])
    mean, factor = head.to_gaussian(out)
    assert out.shape[-1] == outputs_of(2)
    assert mean.tolist() == [[[50.0, 100.0]]]
    softplus_of_zero = 0.6931472
    torch.testing.assert_close(factor[0, 0] / 50, torch.tensor([[softplus_of_zero, 0.5], [0.0, softplus_of_zero]]))


@EVERY
def test_widths(name: str) -> None:
    head = make(name)
    encoded = head.encode(embeddings(name))
    assert encoded.h.shape == (1, CLIPS, head.width)
    assert encoded.view.shape == (1, CLIPS, head.view_width)


@EVERY
def test_standardised_embeddings_meet_the_head_at_mean_0_and_sd_1(name: str) -> None:
    plain, standardised = make(name), make(name)
    mean, std = torch.randn(DIMENSION), torch.rand(DIMENSION) + 0.5
    x = embeddings(name)
    if standardised.reads == "statistics":
        mean, std = mean.repeat(2), std.repeat(2)
        moved = x * std + mean
    else:
        moved = x * std[:, None] + mean[:, None]
    standardised.standardise(mean, std)
    torch.testing.assert_close(standardised.encode(moved).h, plain.encode(x).h, rtol=1e-3, atol=1e-4)


@EVERY
def test_a_channel_that_never_varies_is_only_centred(name: str) -> None:
    head = make(name, dimension=3)
    times = head.gain.numel() // 3
    head.standardise(torch.tensor([1.0, 2.0, 3.0] * times), torch.tensor([2.0, 0.0, 4.0] * times))
    assert head.gain.flatten().tolist() == [0.5, 1.0, 0.25] * times
    assert head.shift.flatten().tolist() == [1.0, 2.0, 3.0] * times


@EVERY
def test_the_spread_of_a_point_predictor_is_every_clips_covariance_in_evaluation(name: str) -> None:
    head, x = together(name, (1, 2), aspects=("A", "B")), embeddings(name)
    covariance = torch.tensor([[[2.0, 0.3], [0.3, 1.0]], [[4.0, -1.0], [-1.0, 3.0]]])
    head.spread.copy_(upper_factor(covariance))
    found = head.eval()(x)
    torch.testing.assert_close(found.covariance, covariance[:, None].expand(2, CLIPS, 2, 2))
    trained = head.train()(x)
    torch.testing.assert_close(trained.mean, found.mean)
    assert not torch.allclose(trained.covariance, found.covariance)


def test_upper_factor() -> None:
    covariance = torch.tensor([[4.0, 2.0], [2.0, 5.0]])
    factor = upper_factor(covariance)
    assert torch.equal(factor, factor.triu())
    torch.testing.assert_close(factor @ factor.mT, covariance)


def test_the_registry_knows_what_heads_read() -> None:
    reads = {name: find(HEADS, name).reads for name in HEADS}
    assert {name for name, own in reads.items() if own == "statistics"} == set(WITHOUT_FRAMES)
    assert {name for name, own in reads.items() if own == "layers"} == {"aesa"}
    assert {name for name in HEADS if make(name).reading_weights()} == set(ERASABLE)
    assert options().layers == LAYERS


def test_what_is_read_of_all_layers() -> None:
    layers = torch.randn(CLIPS, LAYERS, DIMENSION, 7)
    assert torch.equal(as_read(layers, "layers"), layers)
    assert torch.equal(as_read(layers, "frames"), layers[:, 0])
    expected = torch.cat([layers[:, 0].mean(dim=2), layers[:, 0].std(dim=2, correction=0)], dim=1)
    torch.testing.assert_close(as_read(layers, "statistics"), expected)
