"""The training loop on a made-up task: channel 0 carries the score, channel 1 the domain."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from datmos.core.erasure import domain_directions
from datmos.core.errors import DatmosError
from datmos.heads.interface import as_read
from datmos.heads.model_files import load_models
from datmos.heads.predict import features_of_clips, predict_clips
from datmos.heads.registry import ERASABLE
from datmos.params.schema import Params
from datmos.training.domain_labels import match_domains
from datmos.training.loop import Split
from datmos.training.losses import RatingScale, gaussian_nll
from datmos.training.settings import StrategyParams
from datmos.training.train import Member, channel_statistics, select_split, train_members, train_strategy
from helpers.made_up_task import DIMENSION, PLAIN, params, study_of

CPU = torch.device("cpu")
RATINGS = RatingScale(torch.zeros(2), torch.ones(2), 1.0, 10.0)


def run(world: Any, out: Path, settings: Params, name: str, domains: pd.DataFrame | None = None) -> pd.DataFrame:
    """Train one strategy; returns the curves, means over seeds."""
    manifest, store, true_domains = world
    domains = true_domains if domains is None else domains
    study, strategy = study_of(settings, manifest, store), settings.strategies[name]
    train_strategy(study, name, strategy, domains, {}, out / "models" / name, out / f"{name}.csv")
    return pd.read_csv(out / f"{name}.csv").groupby("epoch", as_index=False).mean()


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Of the first seed's head."""
    return {name: value[0] for name, value in load_models(folder).head.state_dict().items()}


@pytest.mark.takes(2)
def test_it_learns_and_predicts(world: Any, tmp_path: Path) -> None:
    curves = run(world, tmp_path, params({"plain": {}}, epochs=20), "plain")
    assert list(curves["epoch"]) == list(range(1, 21))
    assert curves["task_loss"].iloc[-1] < curves["task_loss"].iloc[0] - 0.5
    manifest, store, _ = world
    unseen = manifest[manifest["split"] == "eval"]
    models = load_models(tmp_path / "models" / "plain")
    predictions = predict_clips(models, store, list(unseen["clip_id"]), CPU)
    assert list(predictions.columns) == ["clip_id", "seed", "A", "B", "A_std", "B_std", "cov_A_B"]
    assert len(predictions) == 2 * len(unseen)
    for _, one_seed in predictions.groupby("seed"):
        assert np.corrcoef(one_seed["A"], unseen["A"])[0, 1] > 0.9
        assert np.corrcoef(one_seed["B"], unseen["B"])[0, 1] > 0.9
    assert (predictions[["A_std", "B_std"]] > 0).all().all()
    assert (predictions["cov_A_B"].abs() <= predictions["A_std"] * predictions["B_std"]).all()


def test_the_same_seeds_give_the_same_bytes(world: Any, tmp_path: Path) -> None:
    settings = params({"dat": {"lambda": 0.5}}, epochs=2)
    for name in ("first", "again"):
        run(world, tmp_path / name, settings, "dat")
    for file in (tmp_path / "first" / "models" / "dat").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / "models" / "dat" / file.name).read_bytes(), file.name


def test_at_lambda_zero_the_domains_change_nothing_but_the_classifier(world: Any, tmp_path: Path) -> None:
    settings = params({"plain": {}, "dat": {"lambda": 0.5}}, epochs=2)
    other = world[2].assign(domain=np.arange(64, dtype=np.int32) % 5)
    run(world, tmp_path / "a", settings, "plain")
    run(world, tmp_path / "b", settings, "plain", other)
    run(world, tmp_path / "c", settings, "dat")
    one, two, adversarial = (
        weights(tmp_path / x / "models" / n) for x, n in (("a", "plain"), ("b", "plain"), ("c", "dat"))
    )
    for name, value in one.items():
        assert torch.equal(value, two[name]), name
    assert not torch.equal(one["convolutions.0.weight"], adversarial["convolutions.0.weight"])


def test_strategies_start_from_the_same_weights_and_see_the_same_batches(world: Any, tmp_path: Path) -> None:
    """A lambda of almost nothing ends where lambda 0 ends: all random streams are shared."""
    settings = params({"plain": {}, "faint": {"lambda": 1e-9}}, epochs=2)
    for name in ("plain", "faint"):
        run(world, tmp_path, settings, name)
    one, two = (weights(tmp_path / "models" / name) for name in ("plain", "faint"))
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], rtol=1e-3, atol=1e-3)


@pytest.mark.takes(3)
def test_the_adversary_hides_the_domain(world: Any, tmp_path: Path) -> None:
    settings = params({"plain": {}, "dat": {"lambda": 1.0}}, epochs=20)
    plain, dat = (run(world, tmp_path, settings, name) for name in ("plain", "dat"))
    assert plain["domain_accuracy"].iloc[-1] > 0.8  # it only watches, and sees
    assert dat["domain_accuracy"].iloc[-1] < plain["domain_accuracy"].iloc[-1] - 0.2
    assert dat["adversarial_loss"].iloc[-1] > plain["adversarial_loss"].iloc[-1]


def test_l2_shrinks_the_weights(world: Any, tmp_path: Path) -> None:
    settings = params({"plain": {}, "l2": {"l2": 0.1}})
    sizes = {}
    for name in ("plain", "l2"):
        run(world, tmp_path, settings, name)
        sizes[name] = weights(tmp_path / "models" / name)["quality.0.weight"].square().sum()
    assert sizes["l2"] < 0.9 * sizes["plain"]


def test_the_epoch_with_the_lowest_validation_loss_is_kept(world: Any, tmp_path: Path) -> None:
    run(world, tmp_path, params({"plain": {}}, learning_rate=0.03, epochs=12), "plain")
    manifest, store, _ = world
    models = load_models(tmp_path / "models" / "plain")
    curves = pd.read_csv(tmp_path / "plain.csv")
    split = select_split(study_of(params({"plain": {}}), manifest, store), "valid")
    assert any(entry["best_epoch"] < 12 for entry in models.config["seeds"].values())  # else nothing is shown
    with torch.no_grad():
        predicted = models.head(torch.from_numpy(store.read(split.rows)).float())
    found = gaussian_nll(predicted, split.scores.expand(2, -1, -1), RATINGS).mean(dim=1)
    for member, seed in enumerate(models.seeds):
        losses = curves.loc[curves["seed"] == seed, "validation_loss"].reset_index(drop=True)
        assert models.config["seeds"][str(seed)]["best_epoch"] == losses.idxmin() + 1
        assert found[member].item() == pytest.approx(losses.min(), rel=1e-4)


def test_features(world: Any, tmp_path: Path) -> None:
    run(world, tmp_path, params({"plain": {}}, epochs=1), "plain")
    _, store, _ = world
    models = load_models(tmp_path / "models" / "plain")
    h = features_of_clips(models, store, ["005", "001"], CPU)
    with torch.no_grad():
        expected = models.head.encode(torch.from_numpy(store.read(np.array([5, 1]))).float()).h
    assert list(h) == [0, 1]
    np.testing.assert_allclose(h[1], expected[1].numpy(), rtol=1e-5, atol=1e-6)


def test_a_loss_that_is_not_finite(world: Any, tmp_path: Path) -> None:
    manifest, store, domains = world
    broken = manifest.assign(A=np.float32("nan"))
    with pytest.raises(
        DatmosError, match=r"training diverged \(seed 0, epoch 1\): task_loss nan.*train\.learning_rate"
    ):
        run((broken, store, domains), tmp_path, params({"plain": {}}, epochs=1), "plain")
    assert not (tmp_path / "models").exists() or not any((tmp_path / "models").iterdir())


def test_an_empty_split(world: Any) -> None:
    manifest, store, _ = world
    with pytest.raises(DatmosError, match="valid split is empty"):
        select_split(study_of(params({"x": {}}), manifest[manifest["split"] != "valid"], store), "valid")


def test_domains_an_adversary_cannot_use(world: Any) -> None:
    manifest, _, domains = world
    dat = StrategyParams.model_validate({"domains": "kmeans", "lambda": 0.1, "dropout": 0.3, "l2": 0.0})
    source = dat.model_copy(update={"domains": "source"})
    watching = source.model_copy(update={"lambda_": (0.0,)})
    one_member = domains.assign(domain=[3] + [0, 1, 2] * 21)
    with pytest.raises(DatmosError, match=r"'source': domain 3 has one train clip.*3: 1"):
        match_domains(manifest, one_member, source)
    with pytest.raises(DatmosError, match="all 64 train clips are one domain"):
        match_domains(manifest, domains.assign(domain=0), dat)
    with pytest.raises(DatmosError, match="1 train clips have no domain in the file of domains 'kmeans'"):
        match_domains(manifest, domains.iloc[1:], dat)
    for allowed in (watching, dat):  # a cluster may be an outlier alone
        assert match_domains(manifest, one_member, allowed).labels[:, 0].tolist() == list(one_member["domain"])


def test_every_adversary_has_its_domains(world: Any) -> None:
    manifest, _, domains = world
    table = domains.rename(columns={"domain": "source"}).assign(kmeans=np.arange(64, dtype=np.int32) // 8)
    strategy = StrategyParams.model_validate(PLAIN | {"domains": "source_kmeans", "lambda": [0.5, 0.1]})
    labels, branches = match_domains(manifest, table, strategy)
    assert branches == ("source", "kmeans")
    assert labels.tolist() == table[["source", "kmeans"]].to_numpy().tolist()
    with pytest.raises(DatmosError, match="domains 'kmeans': all 64 train clips are one domain"):
        match_domains(manifest, table.assign(kmeans=0), strategy)


def test_splits_hold_rows_and_scores(world: Any) -> None:
    manifest, store, _ = world
    split = select_split(study_of(params({"x": {}}), manifest, store)._replace(aspects=["B", "A"]), "valid")
    assert isinstance(split, Split)
    assert list(split.rows) == list(range(64, 80))
    assert split.scores[0].tolist() == [manifest["B"].iloc[64], manifest["A"].iloc[64]]


def test_standardised_channels_have_mean_0_and_sd_1_and_the_numbers_stay_with_the_model(
    world: Any, tmp_path: Path
) -> None:
    manifest, store, _ = world
    train_rows = store.rows(manifest.loc[manifest["split"] == "train", "clip_id"])
    mean, std = channel_statistics(store, train_rows, "frames")
    frames = np.asarray(store.frames, np.float64)[train_rows]
    np.testing.assert_allclose(mean, frames.mean(axis=(0, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(std, frames.std(axis=(0, 2)), rtol=1e-5)
    for standardise in (True, False):
        run(world, tmp_path, params({"plain": {}}, epochs=1, standardise=standardise), "plain")
        head = load_models(tmp_path / "models" / "plain").head
        expected = (mean, 1 / std) if standardise else (torch.zeros(DIMENSION), torch.ones(DIMENSION))
        for shift, gain in zip(head.shift, head.gain, strict=True):
            torch.testing.assert_close(shift[:, 0], expected[0])
            torch.testing.assert_close(gain[:, 0], expected[1])


@pytest.mark.parametrize("head", ERASABLE)
def test_what_is_erased_is_not_read(world: Any, tmp_path: Path, head: str) -> None:
    """Clips that differ by domain alone are one clip to the head; folded weights are projected embeddings."""
    manifest, store, domains = world
    plain = {"head": head, "loss": "faithful", "dropout": 0.0}
    settings = params({"plain": plain, "erased": plain | {"erase": "source"}}, epochs=4, standardise=True)
    rows = store.rows(manifest.loc[manifest["split"] == "train", "clip_id"])
    for name in settings.strategies:
        run(world, tmp_path, settings, name)
        model = load_models(tmp_path / "models" / name).head
        read = as_read(torch.from_numpy(store.read(rows)).float().unsqueeze(1), model.reads)
        standard = ((read - model.shift[0]) * model.gain[0]).double()
        points = store.statistics[rows][:, : model.shift[0].numel()]
        points = (points - model.shift[0].flatten().numpy()) * model.gain[0].flatten().numpy()
        q = torch.from_numpy(domain_directions(points, domains["domain"].to_numpy()))
        assert q.shape[1] == 2
        projected = standard - torch.einsum("nd...,dr,er->ne...", standard, q, q)
        moved = (projected / model.gain[0] + model.shift[0]).float()
        same = torch.allclose(model(moved).mean, model(read).mean, atol=1e-5)
        assert same == (name == "erased")


def test_every_member_is_without_its_own_domains(world: Any) -> None:
    manifest, store, domains = world
    settings = params({"erased": {"head": "statistics", "erase": "source", "erase_rank": 1}}, epochs=1)
    other = domains.assign(domain=np.arange(64, dtype=np.int32) // 8)
    study = study_of(settings, manifest, store)
    members = [Member(0, domains), Member(0, other)]
    for found, member in zip(
        train_members(study, "x", settings.strategies["erased"], members), members, strict=True
    ):
        weight = found.weights["head.trunks.0.0.weight"]
        points = store.statistics[store.rows(member.domains["clip_id"])]
        for own in members:
            q = domain_directions(points, own.domains["domain"].to_numpy(), 1)
            assert (np.abs(weight.numpy() @ q).max() < 1e-6) == (own is member)
