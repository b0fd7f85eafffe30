"""A made-up task for training: channel 0 carries the score, channel 1 the domain."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

from datmos.core.store import EmbeddingStore, write_store
from datmos.params.schema import Params
from datmos.training.train import Study
from helpers.embedding import clip_arrays
from helpers.places import REPOSITORY

CLIPS, DIMENSION, FRAMES = 96, 4, 60
DEFAULT = REPOSITORY / "params.yaml"
PLAIN = {
    "domains": "source", "lambda": 0.0, "dropout": 0.3, "l2": 0.0, "head": "multigauss", "loss": "gaussian_nll",
}  # fmt: skip


class World(NamedTuple):
    manifest: pd.DataFrame
    store: EmbeddingStore
    domains: pd.DataFrame


def params(strategies: dict[str, dict[str, Any]], **train: Any) -> Params:
    raw = yaml.safe_load(DEFAULT.read_text())
    raw["data"]["aspects"] = ["A", "B"]
    raw["seeds"] = [0, 1]
    raw["train"] |= {
        "optimiser": "adam",
        "checkpoint": "validation_loss",
        "epochs": 8,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "standardise": False,
    } | train
    raw["strategies"] = {name: PLAIN | given for name, given in strategies.items()}
    first = next(iter(strategies))
    raw["evaluate"]["baseline"], raw["umap"]["strategies"] = first, [first]
    raw["granularity"]["strategies"] = []
    return Params.model_validate(raw)


def make_world(folder: Path) -> World:
    """Manifest, embeddings of two layers, and the true domains of the train clips."""
    generator = np.random.default_rng(0)
    domain = np.arange(CLIPS) % 3
    score = generator.uniform(-1, 1, CLIPS)
    frames = generator.normal(0, 0.5, (CLIPS, DIMENSION, FRAMES))
    frames[:, 0] += 2 * score[:, None]
    frames[:, 1] += 2 * (domain[:, None] - 1)
    clip_ids = [f"{i:03d}" for i in range(CLIPS)]
    clips = (clip_arrays(clip, -clip) for clip in frames.astype(np.float16))
    write_store(folder, pd.Series(clip_ids), clips, {"name": "made up", "layers": [1, 2]})
    split = np.where(np.arange(CLIPS) < 64, "train", np.where(np.arange(CLIPS) < 80, "valid", "eval"))
    noise = generator.normal(0, 0.5, (2, CLIPS))
    scores = {
        "A": (5.5 + 3 * score + noise[0]).astype(np.float32),
        "B": (5.5 - 3 * score + noise[1]).astype(np.float32),
    }
    manifest = pd.DataFrame({"clip_id": clip_ids, "split": split, "source": "x", "category": "music", **scores})
    domains = pd.DataFrame({"clip_id": clip_ids[:64], "domain": domain[:64].astype(np.int32)})
    return World(manifest, EmbeddingStore(folder), domains)


def study_of(params: Params, manifest: pd.DataFrame, store: EmbeddingStore) -> Study:
    """As the stages make it."""
    return Study(manifest, store, params.data.aspects, params.data.scale, params.train, params.seeds)


def details_of(params: Params) -> dict[str, object]:
    """What the stage train adds to the config of models."""
    return {
        "encoder_params": params.encoder.model_dump(mode="json"),
        "audio": params.audio.model_dump(mode="json"),
        "trained_on": params.data.kind,
    }
