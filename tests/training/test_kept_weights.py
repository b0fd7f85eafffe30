"""Which weights are kept: the best epoch of each member, or the mean over the last ones; by hand."""

import pytest
import torch

from datmos.training.kept_weights import BestEpoch, Keep, MeanOfLast, make_keep


def weights(value: float) -> dict[str, torch.Tensor]:
    return {"w": torch.tensor([[1.0], [10.0]]) * value, "n": torch.tensor([[int(value)], [int(value)]])}


def feed(keep: Keep, values: list[list[float]]) -> Keep:
    for epoch, own in enumerate(values, start=1):
        keep.update(epoch, torch.tensor(own, dtype=torch.float64), weights(epoch))
    return keep


def test_each_member_keeps_its_own_best_and_the_first_of_equals() -> None:
    kept = feed(BestEpoch(weights(0)), [[3.0, 1.0], [2.0, 5.0], [2.0, 0.5]])
    assert kept.epoch.tolist() == [2, 3]
    assert kept.weights["w"].tolist() == [[2.0], [30.0]]


def test_a_first_value_that_is_not_a_number_is_better_than_nothing() -> None:
    nan = float("nan")
    assert feed(BestEpoch(weights(0)), [[nan, nan], [1.0, nan]]).epoch.tolist() == [2, 1]


def test_the_mean_of_the_last() -> None:
    kept = feed(MeanOfLast(weights(0), first=3), [[0.0, 0.0]] * 5)
    torch.testing.assert_close(kept.weights["w"], torch.tensor([[4.0], [40.0]]))
    assert kept.epoch.tolist() == [5, 5]


@pytest.mark.parametrize(("epochs", "first"), [(60, 31), (5, 3), (1, 1)])
def test_the_half_of_the_epochs_that_is_averaged(epochs: int, first: int) -> None:
    keep = make_keep(weights(0), "last_half", epochs)
    assert isinstance(keep, MeanOfLast)
    assert keep.first == first
    assert isinstance(make_keep(weights(0), "validation_loss", epochs), BestEpoch)


@pytest.mark.parametrize("make", [lambda: BestEpoch(weights(0)), lambda: MeanOfLast(weights(0), first=2)])
def test_a_killed_rule_goes_on(make) -> None:
    values = [[3.0, 1.0], [2.0, 5.0], [4.0, 0.5]]
    whole, half, again = feed(make(), values), feed(make(), values[:2]), make()
    again.load_state_dict({name: value.clone() for name, value in half.state_dict().items()})
    again.update(3, torch.tensor(values[2], dtype=torch.float64), weights(3))
    assert again.epoch.tolist() == whole.epoch.tolist()
    assert torch.equal(again.weights["w"], whole.weights["w"])
