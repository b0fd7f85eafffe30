"""From clips with ratings and embeddings to the trained models of a strategy: what each stage that trains calls."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from datmos.core.device import pick_device
from datmos.core.errors import DatmosError
from datmos.core.files import replacing_folder, write_csv
from datmos.core.registry import find
from datmos.core.store import EmbeddingStore, batched
from datmos.heads.familiarity import fit_familiarity, save_familiarity
from datmos.heads.interface import HeadOptions, Reads
from datmos.heads.model_files import save_models
from datmos.heads.registry import HEADS
from datmos.training.domain_labels import match_domains, of_members
from datmos.training.loop import Split, Trained, Training
from datmos.training.settings import StrategyParams, TrainParams

GROUP_BYTES = 5 * 2**28  # of all batches that members read at the same time: five of the paper's seeds


class Study(NamedTuple):
    """What all strategies of a run learn from, and how."""

    manifest: pd.DataFrame  # all clips
    store: EmbeddingStore  # of them
    aspects: list[str]
    scale: tuple[float, float]  # lowest and highest rating
    train: TrainParams
    seeds: list[int]


class Member(NamedTuple):
    """One model of a training."""

    seed: int
    domains: pd.DataFrame  # clip_id of the train clips, and a column of labels for each adversary


def train_strategy(
    study: Study,
    name: str,
    strategy: StrategyParams,
    domains: pd.DataFrame,
    details: Mapping[str, Any],
    models: Path,
    curves: Path,
) -> None:
    """Train a strategy with every seed of the study.

    Args:
        study: what to learn from.
        name: of the strategy.
        strategy: its entry in params.yaml.
        domains: table of the train clips: clip_id, and a column of labels for each adversary.
        details: what the models' config.json has to say besides: all that is needed to score audio with them, and
            the kind of data that they learned from.
        models: folder to write, as `datmos.heads.model_files.save_models` does, and where the train clips lie among
            all sound (`datmos.heads.familiarity`).
        curves: CSV to write, by seed: per epoch task loss and validation loss (of the strategy's task loss),
            adversarial loss (nats) and domain accuracy (0..1) on the train clips.

    Raises:
        DatmosError: see `train_members`.
    """
    members = [Member(seed, domains) for seed in study.seeds]
    trained = dict(zip(study.seeds, train_members(study, name, strategy, members), strict=True))
    every_seed = pd.concat({seed: result.curves for seed, result in trained.items()}, names=["seed", None])
    config = describe(study, name, strategy) | {
        **details,
        "seeds": {seed: {"best_epoch": result.best_epoch} for seed, result in trained.items()},
    }
    store, manifest = study.store, study.manifest
    rows = {split: store.rows(clips["clip_id"]) for split, clips in manifest.groupby("split")}
    familiarity = fit_familiarity(store.pooled[rows["train"]], store.pooled[rows["valid"]])
    with replacing_folder(models) as folder:
        save_familiarity(folder, familiarity)
        save_models(folder, config, {seed: result.weights for seed, result in trained.items()})
    write_csv(curves, every_seed.reset_index("seed"))


def describe(study: Study, name: str, strategy: StrategyParams) -> dict[str, Any]:
    """Return the config of a strategy's models: its entry in params.yaml, and what its heads are made for."""
    return {
        "strategy": name,
        **strategy.model_dump(by_alias=True, mode="json"),
        "aspects": study.aspects,
        "kind": strategy.head,
        "head": head_options(study, strategy)._asdict(),
        "encoder": {name: value for name, value in study.store.info.items() if name != "frames_kept"},
    }


def head_options(study: Study, strategy: StrategyParams) -> HeadOptions:
    """Return what the strategy's head is made for."""
    return HeadOptions(
        dimension=study.store.info["dimension"],
        frames=study.store.info["frames"],
        layers=1 + len(study.store.extra),
        aspects=tuple(study.aspects),
        scale=study.scale,
        dropout=strategy.dropout,
        groups=strategy.groups_of(study.aspects),
        widths=strategy.widths,
    )


def train_members(study: Study, name: str, strategy: StrategyParams, members: Sequence[Member]) -> list[Trained]:
    """Train a strategy once for every member: all at the same time, or in groups where their batches are large.

    A training that was killed goes on after its last finished epoch, and ends with the same bytes.

    Raises:
        DatmosError: see `select_split`, `match_domains`, `Training.run`.
    """
    training, validation = select_split(study, "train"), select_split(study, "valid")
    labels = [match_domains(study.manifest, member.domains, strategy) for member in members]
    train, reads = strategy.train_with(study.train), find(HEADS, strategy.head).reads
    options = head_options(study, strategy)
    statistics = channel_statistics(study.store, training.rows, reads) if train.standardise else None
    size = group_size(options, reads, train.batch_size)
    trained: list[Trained] = []
    states = []  # each group's last epoch: what is killed in a later group does not train an earlier one again
    for start in range(0, len(members), size):
        group = slice(start, start + size)
        session = Training(
            [member.seed for member in members[group]],
            study.store,
            training,
            validation,
            of_members(labels[group]),
            options,
            statistics,
            strategy,
            train,
            pick_device(),
        )
        of_all = f" ({start + 1} to {min(start + size, len(members))} of {len(members)})"
        trained += session.run(f"training {name}{of_all if size < len(members) else ''}")
        states.append(session.state)
        del session  # on a GPU, its embeddings make room for those of the next group
    for state in states:
        state.remove()
    return trained


def group_size(options: HeadOptions, reads: Reads, batch_size: int) -> int:
    """Return how many members are trained at the same time: each reads a batch of its own, in float32."""
    frames = options.dimension * options.frames
    values = {"statistics": 2 * options.dimension, "frames": frames, "layers": options.layers * frames}
    return max(1, GROUP_BYTES // (4 * values[reads] * batch_size))


def select_split(study: Study, split: str) -> Split:
    """Collect the clips of a split.

    Raises:
        DatmosError: the split is empty.
    """
    clips = study.manifest[study.manifest["split"] == split]
    if clips.empty:
        raise DatmosError(f"the {split} split is empty: the manifest has no usable clip in it")
    scores = torch.from_numpy(clips[study.aspects].to_numpy(dtype=np.float32, copy=True))
    return Split(study.store.rows(clips["clip_id"]), scores)


def channel_statistics(store: EmbeddingStore, rows: np.ndarray, reads: Reads) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every channel of what a head reads, float32, of the clips at ``rows``.

    Over clips for statistics, (2 D,) each; over all frames of all clips for frames, (D,) each.
    """
    total, squares, count = np.zeros(()), np.zeros(()), 0
    for batch in batched(rows, 16):
        if reads == "statistics":
            values = store.statistics[batch, :, np.newaxis].astype(np.float64)  # (B, 2 D, 1)
        else:
            values = store.read(batch).astype(np.float64)  # (B, D, T)
        total = total + values.sum(axis=(0, 2))
        squares = squares + np.square(values).sum(axis=(0, 2))
        count += values.shape[0] * values.shape[2]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()
