"""Checkpoints: back as they were, and never taken for another training's."""

from pathlib import Path

import pytest
import torch

from datmos.training.checkpoints import Checkpoint, checkpoint_path, load_checkpoint, save_checkpoint


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_back_as_it_was() -> None:
    path = checkpoint_path("x")
    assert load_checkpoint(path) is None
    tensors = {"a": torch.randn(2, 3), "b": torch.tensor(7), "state": torch.Generator().get_state()}
    save_checkpoint(path, Checkpoint(3, tensors))
    save_checkpoint(path, Checkpoint(4, tensors | {"b": torch.tensor(8)}))
    found = load_checkpoint(path)
    assert found is not None
    assert found.epoch == 4
    assert found.tensors["b"] == 8
    assert torch.equal(found.tensors["a"], tensors["a"])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_name_tells_trainings_apart() -> None:
    one = torch.tensor([1.0, 2.0])
    parts = [("a", one), ("b", one), ("a", one + 1), ("a", one, b"x"), ({"k": 1}, one), ({"k": 2}, one)]
    assert len({checkpoint_path(*own) for own in parts}) == len(parts)
    assert checkpoint_path("a", one) == checkpoint_path("a", one.clone())
