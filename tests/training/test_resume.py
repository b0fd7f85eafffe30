"""Checkpoints: back as they were, and never taken for another training's."""

from pathlib import Path

import pytest
import torch

import datmos.audiobox.finetune
import datmos.training.loop
from datmos.training.resume import OptimiserState, Streams, checkpoint_path, load_checkpoint, save_checkpoint
from helpers.imports import closure_of, package_of


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_back_as_it_was() -> None:
    path = checkpoint_path(["core"], "x")
    assert load_checkpoint(path) is None
    tensors = {"a": torch.randn(2, 3), "b": torch.tensor(7), "state": torch.Generator().get_state()}
    save_checkpoint(path, 3, tensors)
    save_checkpoint(path, 4, tensors | {"b": torch.tensor(8)})
    found = load_checkpoint(path)
    assert found is not None
    epoch, back = found
    assert epoch == 4
    assert back["b"] == 8
    assert torch.equal(back["a"], tensors["a"])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_name_tells_trainings_apart() -> None:
    one = torch.tensor([1.0, 2.0])
    parts = [("a", one), ("b", one), ("a", one + 1), ("a", one, b"x"), ({"k": 1}, one), ({"k": 2}, one)]
    assert len({checkpoint_path([], *own) for own in parts}) == len(parts)
    assert checkpoint_path([], "a", one) == checkpoint_path([], "a", one.clone())


def test_the_name_follows_the_code_of_the_packages_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A docstring outside the training code does not discard a killed training."""
    for package in ("training", "report"):
        (tmp_path / "datmos" / package).mkdir(parents=True)
        (tmp_path / "datmos" / package / "a.py").write_text("x = 1\n")
    monkeypatch.setattr("datmos.__file__", str(tmp_path / "datmos/__init__.py"))
    before = checkpoint_path(["training"], 1)
    (tmp_path / "datmos/report/a.py").write_text('"""Says more."""\n')
    assert checkpoint_path(["training"], 1) == before
    (tmp_path / "datmos/training/a.py").write_text("x = 2\n")
    assert checkpoint_path(["training"], 1) != before


def test_the_code_of_both_loops_is_named() -> None:
    """All that a loop imports, or a checkpoint would be taken up by code that has changed."""
    for loop in (datmos.training.loop, datmos.audiobox.finetune):
        assert {package_of(path) for path in closure_of(Path(loop.__file__))} == set(loop.CODE)


def test_an_optimiser_goes_on_where_it_was() -> None:
    def made() -> tuple[torch.nn.Parameter, torch.optim.Adam]:
        weight = torch.nn.Parameter(torch.ones(2, 3))
        return weight, torch.optim.Adam([weight], 0.1)

    def step(weight: torch.nn.Parameter, optimiser: torch.optim.Adam, gradient: float) -> None:
        weight.grad = torch.full_like(weight, gradient)
        optimiser.step()

    weight, optimiser = made()
    step(weight, optimiser, 1.0)
    again, other = made()
    again.data.copy_(weight.data)
    state = {name: value.clone() for name, value in OptimiserState(optimiser).state_dict().items()}
    OptimiserState(other).load_state_dict(state)
    step(weight, optimiser, -0.5)
    step(again, other, -0.5)
    assert torch.equal(weight, again)


def test_streams_go_on_where_they_were() -> None:
    first, second = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    torch.rand(5, generator=first)
    Streams({"a": [second]}).load_state_dict(Streams({"a": [first]}).state_dict())
    assert torch.equal(torch.rand(3, generator=first), torch.rand(3, generator=second))
