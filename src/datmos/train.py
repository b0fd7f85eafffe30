"""The one training loop: every strategy of params.yaml goes through it, and differs only in its entry there."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from datmos.adversary import DomainClassifier
from datmos.device import pick_device
from datmos.errors import DatmosError
from datmos.files import replacing, write_csv
from datmos.heads import MultiGauss
from datmos.losses import gaussian_nll
from datmos.models import batched, on_cpu, save_models
from datmos.params import Params, StrategyParams, TrainParams
from datmos.seeding import derive_seed, torch_seed
from datmos.store import EmbeddingStore


class Split(NamedTuple):
    """Clips to train or validate on."""

    rows: np.ndarray  # (N,) rows of the embedding store
    scores: Tensor  # (N, A)


class Trained(NamedTuple):
    """One seed's result."""

    weights: dict[str, Tensor]  # head.* and classifier.*, of the epoch with the lowest validation loss
    curves: pd.DataFrame  # one row an epoch
    best_epoch: int


def train_strategy(
    params: Params,
    name: str,
    manifest: pd.DataFrame,
    store: EmbeddingStore,
    domains: pd.DataFrame,
    models: Path,
    curves: Path,
) -> None:
    """Train the strategy ``name`` with every seed of the params.

    Args:
        params: all params.
        name: a key of ``params.strategies``.
        manifest: all clips.
        store: their embeddings.
        domains: table (clip_id, domain) of the train clips.
        models: folder to write, as `datmos.models.save_models` does, with the curves of every seed in curves.csv.
        curves: CSV to write: per epoch task loss and validation loss (nats a clip), adversarial loss (nats) and
            domain accuracy (0..1) on the train clips, means over seeds.

    Raises:
        DatmosError: see `select_split`, `match_domains`, `train_seed`.
    """
    strategy, train = params.strategies[name], params.train
    training = select_split(manifest, "train", store, params.data.aspects)
    validation = select_split(manifest, "valid", store, params.data.aspects)
    labels = match_domains(manifest, domains, strategy)
    head_options = {
        "dimension": store.frames.shape[1],
        "frames": store.frames.shape[2],
        "aspects": len(params.data.aspects),
        "scale": params.data.scale,
        "dropout": strategy.dropout,
    }
    statistics = channel_statistics(store, training.rows) if train.standardise else None
    batches = len(params.seeds) * train.epochs * -(-len(training.rows) // train.batch_size)
    with tqdm(total=batches, desc=f"training {name}", unit="batch") as progress:
        trained = {
            seed: train_seed(
                seed,
                store,
                training,
                validation,
                labels,
                head_options,
                statistics,
                strategy,
                train,
                pick_device(),
                progress,
            )
            for seed in params.seeds
        }
    every_seed = pd.concat({seed: result.curves for seed, result in trained.items()}, names=["seed", None])
    config = {
        "strategy": name,
        **strategy.model_dump(by_alias=True),
        "aspects": params.data.aspects,
        "head": head_options,
        "encoder": store.info,
        "seeds": {seed: {"best_epoch": result.best_epoch} for seed, result in trained.items()},
    }
    with replacing(models) as folder:
        folder.mkdir()
        save_models(folder, config, {seed: result.weights for seed, result in trained.items()})
        write_csv(folder / "curves.csv", every_seed.reset_index("seed"))
    write_csv(curves, every_seed.groupby("epoch", as_index=False).mean())


def select_split(manifest: pd.DataFrame, split: str, store: EmbeddingStore, aspects: list[str]) -> Split:
    """Collect the clips of a split.

    Raises:
        DatmosError: the split is empty.
    """
    clips = manifest[manifest["split"] == split]
    if clips.empty:
        raise DatmosError(f"the {split} split is empty: the manifest has no usable clip in it")
    scores = torch.from_numpy(clips[aspects].to_numpy(dtype=np.float32, copy=True))
    return Split(store.rows(clips["clip_id"]), scores)


def channel_statistics(store: EmbeddingStore, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every channel over the frames of the clips at ``rows``: float32, (D,) each."""
    total, squares, count = 0.0, 0.0, 0
    for batch in batched(rows, 16):
        frames = store.read(batch).astype(np.float64)  # (B, D, T)
        total = total + frames.sum(axis=(0, 2))
        squares = squares + np.square(frames).sum(axis=(0, 2))
        count += frames.shape[0] * frames.shape[2]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def match_domains(manifest: pd.DataFrame, domains: pd.DataFrame, strategy: StrategyParams) -> Tensor:
    """Return the domain of every train clip, int64, shape (N,), in the manifest's order.

    Raises:
        DatmosError: a clip without a domain; or, if the strategy is adversarial, fewer than two domains or a
            domain with one member.
    """
    clip_ids = manifest.loc[manifest["split"] == "train", "clip_id"]
    labels = domains.set_index("clip_id")["domain"].reindex(clip_ids)
    if labels.isna().any():
        raise DatmosError(
            f"{labels.isna().sum()} train clips have no domain in data/domains/{strategy.domains}.parquet; "
            f"run `dvc repro domains@{strategy.domains}`"
        )
    sizes = labels.astype(int).value_counts().sort_index()
    if strategy.lambda_ > 0 and len(sizes) < 2:
        raise DatmosError(
            f"domains '{strategy.domains}': all {len(labels)} train clips are one domain, so there is nothing for "
            "an adversary to tell apart. Use other domains, or lambda 0."
        )
    if strategy.lambda_ > 0 and sizes.min() < 2:
        raise DatmosError(
            f"domains '{strategy.domains}': domain {sizes.idxmin()} has one train clip; every domain needs two or "
            f"more (sizes: {sizes.to_dict()}). Use fewer domains, or add clips."
        )
    return torch.from_numpy(labels.to_numpy(dtype=np.int64, copy=True))


def train_seed(
    seed: int,
    store: EmbeddingStore,
    training: Split,
    validation: Split,
    domains: Tensor,
    head_options: dict[str, Any],
    statistics: tuple[Tensor, Tensor] | None,
    strategy: StrategyParams,
    train: TrainParams,
    device: torch.device,
    progress: tqdm,
) -> Trained:
    """Train one head.

    The loss is ``task + lambda * cross-entropy`` with gradient reversal of scale 1: the domain classifier learns to
    read the domain from h, the encoder of the head to hide it (paper arXiv 2603.16201). With lambda 0 the
    classifier learns too, but nothing flows back from it: its accuracy tells what h gives away.

    First weights, batch order and dropout come from streams named by the seed alone, so that strategies trained
    with the same seed are paired. ``strategy.l2`` is added to the gradient (Adam's weight decay, as the authors'
    L2 runs have it; AdamW's would be multiplied by the learning rate and do nothing). With l2 0 this is AdamW with
    weight decay 0.

    Args:
        seed: names the random streams.
        store: the embeddings.
        training: N clips.
        validation: clips that choose the epoch.
        domains: label of every training clip, shape (N,).
        head_options: arguments of `MultiGauss`.
        statistics: what `channel_statistics` returned, or None to train on the embeddings as they are.
        strategy: the recipe.
        train: settings that all strategies share.
        device: where to compute.
        progress: bar that is moved on by one a batch.

    Raises:
        DatmosError: a loss is not finite.
    """
    with torch_seed("init", seed):
        head = MultiGauss(**head_options).to(device)
    if statistics is not None:
        head.standardise(*statistics)
    with torch_seed("adversary", seed):
        classifier = DomainClassifier(head.width, int(domains.max()) + 1).to(device)
    optimiser = torch.optim.Adam(
        [*head.parameters(), *classifier.parameters()], train.learning_rate, weight_decay=strategy.l2, fused=True
    )
    weight, reversal = (strategy.lambda_, 1.0) if strategy.lambda_ > 0 else (1.0, 0.0)
    order = np.random.default_rng(derive_seed("order", seed))
    best_loss, best_epoch, best_weights, curves = math.inf, 0, {}, []
    with torch_seed("dropout", seed):
        for epoch in range(1, train.epochs + 1):
            head.train()
            sums = torch.zeros(3)  # task loss, adversarial loss, right domains
            for batch in batched(order.permutation(len(training.rows)), train.batch_size):
                labels = domains[batch].to(device)
                with mixed_precision(device):
                    h = head.features(read_batch(store, training.rows[batch], device))
                    logits = classifier(h, reversal).float()
                    predicted = head.predict(h)
                task_loss = gaussian_nll(predicted, training.scores[batch].to(device)).mean()
                adversarial_loss = functional.cross_entropy(logits, labels)
                optimiser.zero_grad()
                (task_loss + weight * adversarial_loss).backward()
                optimiser.step()
                right = (logits.argmax(dim=1) == labels).float().mean()
                sums += torch.stack([task_loss, adversarial_loss, right]).detach().cpu() * len(batch)
                progress.update()
            task, adversarial, accuracy = (sums / len(training.rows)).tolist()
            validation_loss = validate(head, store, validation, train.batch_size, device)
            _check_finite(seed, epoch, task=task, adversarial=adversarial, validation=validation_loss)
            curves.append((epoch, task, adversarial, accuracy, validation_loss))
            if validation_loss < best_loss:
                best_loss, best_epoch = validation_loss, epoch
                best_weights = on_cpu(head, "head") | on_cpu(classifier, "classifier")
    columns = ["epoch", "task_loss", "adversarial_loss", "domain_accuracy", "validation_loss"]
    return Trained(best_weights, pd.DataFrame(curves, columns=columns), best_epoch)


@torch.inference_mode()
def validate(head: MultiGauss, store: EmbeddingStore, split: Split, batch_size: int, device: torch.device) -> float:
    """Mean task loss over a split, without dropout."""
    head.eval()
    total = 0.0
    for batch in batched(np.arange(len(split.rows)), batch_size):
        with mixed_precision(device):
            predicted = head(read_batch(store, split.rows[batch], device))
        total += gaussian_nll(predicted, split.scores[batch].to(device)).sum().item()
    return total / len(split.rows)


def read_batch(store: EmbeddingStore, rows: np.ndarray, device: torch.device) -> Tensor:
    """Read embeddings to the device, float32, shape (B, D, T)."""
    return torch.from_numpy(store.read(rows)).to(device).float()


def mixed_precision(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 where the hardware gains by it (CUDA); elsewhere in full precision."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def _check_finite(seed: int, epoch: int, **losses: float) -> None:
    if not all(math.isfinite(loss) for loss in losses.values()):
        found = ", ".join(f"{name} loss {loss:g}" for name, loss in losses.items())
        raise DatmosError(
            f"training diverged: {found} (seed {seed}, epoch {epoch}). Lower train.learning_rate or the "
            "strategy's lambda, and look at the scores and embeddings for outliers."
        )
