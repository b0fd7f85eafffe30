"""A new method is one file and one registry line: here is one, and it trains by its name in params.yaml."""

from typing import Any

import pytest
import yaml
from torch import Tensor

from datmos.heads.multigauss import MultiGauss
from datmos.heads.registry import HEADS
from datmos.params.schema import check_params
from datmos.training.objective import TERMS, Batch, Setup, Term
from datmos.training.settings import TASK_LOSSES
from datmos.training.train import Member, train_members
from helpers.made_up_task import World, params, study_of


class SmallH(Term):
    """A term of the loss: h is kept small; and it writes its size into the curves."""

    columns = ("size_of_h",)
    steps = 0

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        size = batch.h.square().mean(dim=(1, 2))
        return 3.0 * size, size.unsqueeze(1)

    def after_step(self, batch: Batch) -> None:
        SmallH.steps += 1


class WideHead(MultiGauss):
    """A head."""


def absolute_error(predicted: Any, scores: Tensor, ratings: Any) -> Tensor:
    """A loss."""
    return (predicted.mean - scores).abs().mean(dim=-1) + 0 * predicted.factor.sum(dim=(-1, -2))


def train(world: World, **entry: Any) -> Any:
    settings = params({"new": entry}, epochs=6)
    # as from params.yaml: the names are known there without another line anywhere
    settings = check_params(yaml.safe_dump(settings.model_dump(mode="json", by_alias=True)), "params.yaml")
    study = study_of(settings, world.manifest, world.store)
    (trained,) = train_members(study, "new", settings.strategies["new"], [Member(0, world.domains)])
    return trained


@pytest.mark.takes(2)
def test_new_names_of_each_kind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = train(world)
    monkeypatch.setitem(HEADS, "wide", f"{__name__}.WideHead")
    monkeypatch.setitem(TASK_LOSSES, "absolute", f"{__name__}.absolute_error")
    for entry in ({"head": "wide"}, {"loss": "absolute"}):
        trained = train(world, **entry)
        assert trained.curves["task_loss"].iloc[-1] < trained.curves["task_loss"].iloc[0]
        weights = [each.weights["head.quality.0.weight"] for each in (trained, plain)]
        changed = bool((weights[0] != weights[1]).any())
        assert changed == ("head" not in entry)


def test_a_new_term(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = train(world)
    monkeypatch.setitem(TERMS, "small_h", f"{__name__}.SmallH")
    trained = train(world)
    assert SmallH.steps == 6 * 4
    assert trained.curves["size_of_h"].iloc[-1] < 0.5 * trained.curves["size_of_h"].iloc[0]
    assert trained.curves["task_loss"].iloc[-1] != plain.curves["task_loss"].iloc[-1]
