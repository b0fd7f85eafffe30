"""The loop: members, resuming, and every strategy there is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from scipy.stats import spearmanr
from torch import Tensor

import datmos.training.adversary
import datmos.training.checkpoint
import datmos.training.loop
import datmos.training.train
from datmos.heads.interface import HeadOptions
from datmos.heads.model_files import make_models
from datmos.heads.predict import predict_clips
from datmos.params.schema import Params
from datmos.training.checkpoint import FOLDER
from datmos.training.kept_weights import BestEpoch, MeanOfLast
from datmos.training.loop import Trained, clip_gradients, rank_correlation, shuffled
from datmos.training.train import Member, describe, group_size, train_members
from helpers.made_up_task import DIMENSION, FRAMES, World, params, study_of
from helpers.places import REPOSITORY

PRESET = REPOSITORY / "presets" / "rivals.yaml"
EVERY = {
    "dat_source": {"lambda": 0.5},
    "dat_multi": {"domains": "source_kmeans", "lambda": [0.5, 0.1]},
    "floored": {"loss": "gaussian_nll_floored"},
    "statistics": {"head": "statistics", "loss": "faithful", "lambda": 0.5},
    "triplets": {"triplet": 0.5},
    **{
        name: {key: value for key, value in entry.items() if key != "train"}
        for name, entry in yaml.safe_load(PRESET.read_text())["strategies"].items()
    },
}
EVERY["dat_aspect"] = EVERY["statistics"] | {"spare": ["A"]}


def train(world: World, settings: Params, name: str, seeds: list[int], counts: list[int]) -> list[Trained]:
    """Train members with seeds and numbers of domains."""
    members = []
    for seed, count in zip(seeds, counts, strict=True):
        labels = np.arange(64, dtype=np.int32) % count
        domains = world.domains.assign(domain=labels)
        if settings.strategies[name].domains == "source_kmeans":
            domains = world.domains.rename(columns={"domain": "source"}).assign(kmeans=labels)
        members.append(Member(seed, domains))
    study = study_of(settings, world.manifest, world.store)
    return train_members(study, name, settings.strategies[name], members)


def assert_the_same(found: Trained, expected: Trained, tolerance: float) -> None:
    assert found.weights.keys() == expected.weights.keys()
    for name, value in expected.weights.items():
        own = found.weights[name]
        if own.shape != value.shape:  # a classifier that was padded for members with more domains
            own = own[: len(value)]
        torch.testing.assert_close(
            own, value, rtol=0, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )
    np.testing.assert_allclose(found.curves, expected.curves, atol=100 * tolerance)
    assert found.best_epoch == expected.best_epoch


@pytest.mark.parametrize("name", EVERY)
def test_seeds_together_are_the_same_as_alone(world: World, name: str) -> None:
    # the paper's rate: Adam's steps are as long however small a gradient is, so that rounding can become a step
    settings = params({name: EVERY[name]}, epochs=2, learning_rate=1e-4)
    together = train(world, settings, name, [5, 6, 7], [3, 3, 3])
    for seed, found in zip([5, 6, 7], together, strict=True):
        (alone,) = train(world, settings, name, [seed], [3])
        assert_the_same(found, alone, 1e-5)
    first, second = together[:2]
    assert any(not torch.allclose(value, second.weights[name]) for name, value in first.weights.items())


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.takes(3)
def test_every_strategy_learns(world: World, name: str) -> None:
    settings = params({name: EVERY[name]}, epochs=30, learning_rate=3e-3)
    (trained,) = train(world, settings, name, [0], [3])
    assert np.isfinite(trained.curves.to_numpy()).all()
    models = make_models(
        describe(study_of(settings, world.manifest, world.store), name, settings.strategies[name]),
        {0: trained.weights},
    )
    unseen = world.manifest[world.manifest["split"] == "eval"]
    predictions = predict_clips(models, world.store, list(unseen["clip_id"]), torch.device("cpu"))
    for aspect in ("A", "B"):
        assert np.corrcoef(predictions[aspect], unseen[aspect])[0, 1] > 0.7, aspect
    errors = predictions["A"].to_numpy() - unseen["A"].to_numpy()
    assert 0.3 < np.sqrt(np.square(errors).mean()) / predictions["A_std"].mean() < 3


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.takes(2)
def test_every_strategy_learns_in_mixed_precision(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, where layers compute in bfloat16; losses and scores are in full precision all the same."""
    for module in (datmos.training.loop, datmos.training.adversary):
        monkeypatch.setattr(module, "mixed_precision", lambda device: torch.autocast("cpu", torch.bfloat16))
    (trained,) = train(world, params({name: EVERY[name]}, epochs=10), name, [0], [3])
    assert trained.curves["task_loss"].iloc[-1] < trained.curves["task_loss"].iloc[0]
    assert {value.dtype for name, value in trained.weights.items() if value.is_floating_point()} == {torch.float32}


@pytest.mark.takes(3)
def test_members_with_different_numbers_of_domains(world: World) -> None:
    """The granularity ablation: every K at once."""
    for name in ("dat_source", "dat_multi", "dat_aspect", "statistics"):
        settings = params({name: EVERY[name]}, epochs=2, learning_rate=1e-3)
        together = train(world, settings, name, [5, 5, 6], [2, 4, 3])
        for seed, count, found in zip([5, 5, 6], [2, 4, 3], together, strict=True):
            (alone,) = train(world, settings, name, [seed], [count])
            assert_the_same(found, alone, 1e-5)


@pytest.mark.parametrize("name", ["dat_source", "aesa", "statistics", "triplets"])
@pytest.mark.parametrize("checkpoint", ["last_half", "validation_loss", "validation_srcc"])
@pytest.mark.takes(2)
def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(
    world: World, name: str, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = params({name: EVERY[name]}, epochs=4, checkpoint=checkpoint)
    whole = train(world, settings, name, [0, 1], [3, 3])
    assert list(FOLDER.iterdir()) == []
    save, epochs = datmos.training.checkpoint.save_checkpoint, []

    def save_and_die(path: Path, epoch: int, tensors: Any) -> None:
        save(path, epoch, tensors)
        epochs.append(epoch)
        if epochs in ([1, 2], [1, 2, 3]):
            raise KeyboardInterrupt

    monkeypatch.setattr(datmos.training.checkpoint, "save_checkpoint", save_and_die)
    for epoch in (2, 3):
        with pytest.raises(KeyboardInterrupt, match=f"goes on after epoch {epoch - 1}"):
            train(world, settings, name, [0, 1], [3, 3])
    resumed = train(world, settings, name, [0, 1], [3, 3])
    assert epochs == [1, 2, 3, 4]
    for found, expected in zip(resumed, whole, strict=True):
        assert_the_same(found, expected, 0)
    assert list(FOLDER.iterdir()) == []


def test_members_whose_batches_are_large_are_trained_in_groups(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = params({"one": EVERY["dat_source"]}, epochs=2, learning_rate=1e-4)
    seeds, counts = [5, 6, 5, 6, 7], [2, 3, 4, 4, 3]
    together = train(world, settings, "one", seeds, counts)
    monkeypatch.setattr(datmos.training.train, "GROUP_BYTES", 2 * 16 * 4 * DIMENSION * FRAMES)
    save, saved = datmos.training.checkpoint.save_checkpoint, []

    def save_and_die(path: Path, epoch: int, tensors: Any) -> None:
        save(path, epoch, tensors)
        saved.append((path, epoch))
        if len(saved) == 3:  # the first epoch of the second group
            raise KeyboardInterrupt

    monkeypatch.setattr(datmos.training.checkpoint, "save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        train(world, settings, "one", seeds, counts)
    capsys.readouterr()
    grouped = train(world, settings, "one", seeds, counts)
    assert [epoch for _, epoch in saved] == [1, 2, 1, 2, 1, 2]
    assert "training one (5 to 5 of 5)" in capsys.readouterr().err
    assert list(FOLDER.iterdir()) == []
    for whole, own in zip(together, grouped, strict=True):  # whose classifiers are padded to the group's domains
        assert_the_same(whole, own, 1e-5)


def test_groups_bound_what_is_read_at_once() -> None:
    paper = HeadOptions(1920, 499, 3, ("A",), (1.0, 10.0), 0.3)
    assert group_size(paper, "frames", 64) == 5
    assert group_size(paper, "layers", 64) == 1
    assert group_size(paper, "layers", 4096) == 1
    assert group_size(paper, "statistics", 64) > 1000


def test_after_a_damaged_checkpoint_a_training_ends_with_the_same_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = params({"one": EVERY["triplets"]}, epochs=2)
    whole = train(world, settings, "one", [0, 1], [3, 3])
    save = datmos.training.checkpoint.save_checkpoint

    def save_and_die(path: Path, epoch: int, tensors: Any) -> None:
        save(path, epoch, tensors)
        raise KeyboardInterrupt

    monkeypatch.setattr(datmos.training.checkpoint, "save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        train(world, settings, "one", [0, 1], [3, 3])
    monkeypatch.setattr(datmos.training.checkpoint, "save_checkpoint", save)
    (file,) = FOLDER.iterdir()
    content = bytearray(file.read_bytes())
    content[-1000] ^= 0x40
    file.write_bytes(content)
    capsys.readouterr()
    again = train(world, settings, "one", [0, 1], [3, 3])
    assert f"{file}: this checkpoint is damaged" in capsys.readouterr().err
    for found, expected in zip(again, whole, strict=True):
        assert_the_same(found, expected, 0)


def test_another_recipe_does_not_take_up_the_checkpoint(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    save = datmos.training.checkpoint.save_checkpoint

    def save_and_die(path: Path, epoch: int, tensors: Any) -> None:
        save(path, epoch, tensors)
        raise KeyboardInterrupt

    settings = params({"one": {}, "other": {"lambda": 0.5}}, epochs=2)
    monkeypatch.setattr(datmos.training.checkpoint, "save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        train(world, settings, "one", [0], [3])
    monkeypatch.setattr(datmos.training.checkpoint, "save_checkpoint", save)
    (trained,) = train(world, settings, "other", [0], [3])
    assert list(trained.curves["epoch"]) == [1, 2]
    assert len(list(FOLDER.iterdir())) == 1  # of the first


@pytest.mark.parametrize(("epochs", "averaged"), [(6, 3), (1, 1)])
def test_the_mean_is_over_the_last_half_of_the_epochs(
    world: World, epochs: int, averaged: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    update = MeanOfLast.update

    def spy(self: MeanOfLast, epoch: int, values: Tensor, weights: Any) -> None:
        seen.append({name: value[0].clone() for name, value in weights.items()})
        update(self, epoch, values, weights)

    monkeypatch.setattr(MeanOfLast, "update", spy)
    settings = params({"plain": {}}, epochs=epochs, checkpoint="last_half")
    (trained,) = train(world, settings, "plain", [0], [3])
    assert trained.best_epoch == epochs
    for name in ("head.quality.0.weight", "classifier.0.layers.0.weight"):
        expected = torch.stack([weights[name] for weights in seen[-averaged:]]).mean(dim=0)
        torch.testing.assert_close(trained.weights[name], expected)


def test_reversal_by_lambda_is_lambda_squared_at_the_encoder(world: World) -> None:
    """Twice: with lambda 0.25 in both places the head learns as with 0.0625 in one; the classifier does not."""
    both = params({"dat": {"lambda": 0.25}}, epochs=1, batch_size=64, optimiser="adam", reversal="lambda")
    one = params({"dat": {"lambda": 0.0625}}, epochs=1, batch_size=64, optimiser="adam", reversal="one")
    (squared,), (plain,) = (train(world, settings, "dat", [0], [3]) for settings in (both, one))
    torch.testing.assert_close(
        squared.weights["head.convolutions.0.weight"], plain.weights["head.convolutions.0.weight"]
    )


def test_best_srcc_of_the_first_aspect(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """SRCC of A by hand: the highest is not where the loss is lowest, nor where B is ranked best."""
    manifest = world.manifest.assign(B=world.manifest["B"].sample(frac=1, random_state=1).to_numpy())
    made_up, seen = world._replace(manifest=manifest), []
    update = BestEpoch.update

    def spy(self: BestEpoch, epoch: int, values: Tensor, weights: Any) -> None:
        seen.append({name: value.clone() for name, value in weights.items() if name.startswith("head.")})
        update(self, epoch, values, weights)

    monkeypatch.setattr(BestEpoch, "update", spy)
    settings = params({"x": {}}, epochs=8, learning_rate=0.03, checkpoint="validation_srcc")
    (trained,) = train(made_up, settings, "x", [0], [3])
    clips = manifest[manifest["split"] == "valid"]
    study = study_of(settings, manifest, world.store)
    ranks = {"A": [], "B": []}
    for weights in seen:
        own = {name: value[0] for name, value in weights.items()}
        models = make_models(describe(study, "x", settings.strategies["x"]), {0: own})
        predicted = predict_clips(models, world.store, list(clips["clip_id"]), torch.device("cpu"))
        for aspect in ranks:
            ranks[aspect].append(spearmanr(predicted[aspect], clips[aspect]).statistic)
    best = {aspect: int(np.argmax(own)) + 1 for aspect, own in ranks.items()}
    assert trained.best_epoch == best["A"]
    assert best["A"] not in (best["B"], trained.curves["validation_loss"].idxmin() + 1)  # else nothing is shown


def test_rank_correlation_is_spearmans() -> None:
    generator = torch.Generator().manual_seed(0)
    actual = torch.rand(30, generator=generator).mul(8).round()  # ties, as ratings have them
    predicted = torch.rand(3, 30, generator=generator) + 0.2 * actual
    predicted[1] = predicted[1].round()
    expected = [spearmanr(own, actual).statistic for own in predicted.numpy()]
    torch.testing.assert_close(rank_correlation(predicted, actual), torch.tensor(expected, dtype=torch.float64))
    assert rank_correlation(torch.ones(1, 30), actual).isnan().all()  # a constant has no ranks
    assert rank_correlation(torch.ones(2, 1), torch.ones(1)).isnan().all()


def streams(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_every_clip_once_in_an_order_of_each_streams_own() -> None:
    batches = list(shuffled(10, 4, streams(0, 1)))
    assert [tuple(batch.shape) for batch in batches] == [(2, 4), (2, 4), (2, 2)]
    orders = torch.cat(batches, dim=1)
    for order in orders:
        assert sorted(order.tolist()) == list(range(10))
    assert not torch.equal(orders[0], orders[1])
    alone = torch.cat(list(shuffled(10, 4, streams(1))), dim=1)
    assert torch.equal(alone[0], orders[1])


def test_epochs_differ() -> None:
    stream = streams(0)
    first, second = (torch.cat(list(shuffled(10, 4, stream)), dim=1) for _ in range(2))
    assert not torch.equal(first, second)


def test_longest_gradient() -> None:
    a, b = torch.zeros(2, 3), torch.zeros(2, 2, 2)
    a.grad, b.grad = torch.ones(2, 3), torch.ones(2, 2, 2)
    b.grad[1] *= 0.1
    clip_gradients([a, b], 1.5)
    norm = 7**0.5  # of the first member; the second's is below the limit
    torch.testing.assert_close(a.grad, torch.tensor([[1.5 / norm] * 3, [1.5 / (3.04**0.5)] * 3]))
    assert b.grad[0, 0, 0].item() == pytest.approx(1.5 / norm)
