"""From params and the files of the pipeline to trained models: what each stage that trains calls."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from datmos.core.device import pick_device
from datmos.core.errors import DatmosError
from datmos.core.files import replacing, write_csv
from datmos.core.store import EmbeddingStore, batched
from datmos.heads.familiarity import fit_domain, save_domain
from datmos.heads.interface import HeadOptions
from datmos.heads.saved import save_models
from datmos.params.schema import Params, StrategyParams
from datmos.training.domain_labels import match_domains
from datmos.training.loop import Split, Trained, Training


class Member(NamedTuple):
    """One model of a training."""

    seed: int
    domains: pd.DataFrame  # clip_id of the train clips, and a column of labels for each adversary


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
        domains: table of the train clips: clip_id, and a column of labels for each adversary.
        models: folder to write, as `datmos.heads.saved.save_models` does, with the curves of every seed in
            curves.csv and where the train clips lie among all sound (`datmos.heads.familiarity`).
        curves: CSV to write: per epoch task loss and validation loss (of the strategy's task loss), adversarial
            loss (nats) and domain accuracy (0..1) on the train clips, means over seeds.

    Raises:
        DatmosError: see `train_members`.
    """
    members = [Member(seed, domains) for seed in params.seeds]
    trained = dict(zip(params.seeds, train_members(params, name, manifest, store, members), strict=True))
    every_seed = pd.concat({seed: result.curves for seed, result in trained.items()}, names=["seed", None])
    config = describe(params, name, store) | {
        "seeds": {seed: {"best_epoch": result.best_epoch} for seed, result in trained.items()}
    }
    rows = {split: store.rows(clips["clip_id"]) for split, clips in manifest.groupby("split")}
    domain = fit_domain(store.pooled[rows["train"]], store.pooled[rows["valid"]])
    with replacing(models) as folder:
        folder.mkdir()
        save_domain(folder, domain)
        save_models(folder, config, {seed: result.weights for seed, result in trained.items()})
        write_csv(folder / "curves.csv", every_seed.reset_index("seed"))
    write_csv(curves, every_seed.groupby("epoch", as_index=False).mean())


def describe(params: Params, name: str, store: EmbeddingStore) -> dict[str, Any]:
    """Return the config of the strategy's models: the recipe, and all that is needed to score audio with them."""
    strategy = params.strategies[name]
    return {
        "strategy": name,
        **strategy.model_dump(by_alias=True, mode="json"),
        "aspects": params.data.aspects,
        "kind": strategy.head,
        "head": head_options(params, strategy, store)._asdict(),
        "encoder": store.info,
        "encoder_params": params.encoder.model_dump(mode="json"),
        "audio": params.audio.model_dump(mode="json"),
    }


def head_options(params: Params, strategy: StrategyParams, store: EmbeddingStore) -> HeadOptions:
    """Return what the strategy's head is made for."""
    return HeadOptions(
        dimension=store.frames.shape[1],
        frames=store.frames.shape[2],
        layers=1 + len(store.extra),
        aspects=tuple(params.data.aspects),
        scale=params.data.scale,
        dropout=strategy.dropout,
        groups=tuple(tuple(group) for group in strategy.groups),
    )


def train_members(
    params: Params, name: str, manifest: pd.DataFrame, store: EmbeddingStore, members: Sequence[Member]
) -> list[Trained]:
    """Train the strategy ``name`` once for every member, all at the same time.

    A training that was killed goes on after its last finished epoch, and ends with the same bytes.

    Raises:
        DatmosError: see `select_split`, `match_domains`, `Training.run`.
    """
    training = select_split(manifest, "train", store, params.data.aspects)
    validation = select_split(manifest, "valid", store, params.data.aspects)
    strategy = params.strategies[name]
    domains = torch.stack([match_domains(manifest, member.domains, strategy) for member in members])
    statistics = channel_statistics(store, training.rows) if params.train.standardise else None
    session = Training(
        [member.seed for member in members],
        store,
        training,
        validation,
        domains,
        head_options(params, strategy, store),
        statistics,
        strategy,
        params.train,
        pick_device(),
    )
    return session.run(f"training {name}")


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
