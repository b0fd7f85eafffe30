"""A made-up task for fine-tuning: the score is the loudness of noise, the domain a pitch; and a tiny WavLM."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import soundfile
import torch
import transformers

from datmos.audiobox.finetune import Clips, Finetuning
from datmos.audiobox.settings import FinetuneParams
from datmos.audiobox.waveforms import Hearing, Waveforms
from datmos.audiobox.weights import Start, load_start
from datmos.core.processes import ALONE, Processes
from datmos.core.settings import AdversaryParams
from datmos.training.domain_labels import DomainLabels
from helpers.tiny_encoders import checkpoint

RATE, WINDOW = 16_000, 0.5
STILL = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "feat_proj_dropout": 0.0, "activation_dropout": 0.0}


class Made(NamedTuple):
    folder: Path
    start: Start
    training: Clips
    validation: Clips
    domains: DomainLabels  # (N, 1)
    manifest: pd.DataFrame


def make_clips(folder: Path, aspects: tuple[str, ...] = ("PQ", "PC"), still: bool = True) -> Made:
    """Write 12 train and 6 valid clips of 0.2 to 0.5 s; ``still``: the encoder has no dropout."""
    model = checkpoint(folder / "wavlm", "wavlm", normalise=False)
    if still:
        config = transformers.AutoConfig.from_pretrained(model)
        for name, value in STILL.items():
            setattr(config, name, value)
        config.save_pretrained(model)
    generator = np.random.default_rng(0)
    rows = []
    for place in range(18):
        loudness, domain = generator.uniform(0.02, 0.3), place % 2
        samples = generator.normal(0, loudness, round(RATE * generator.uniform(0.2, 0.5)))
        tone = 0.1 * np.sin(2 * np.pi * (300 if domain else 1500) * np.arange(len(samples)) / RATE)
        soundfile.write(folder / f"{place}.wav", samples + tone, RATE, subtype="FLOAT")
        rows.append(
            {"clip_id": f"{place}.wav", "path": f"{place}.wav", "sha256": str(place), "source": "ab"[domain]}
            | {"split": "train" if place < 12 else "valid", "PQ": 10 - 30 * loudness, "PC": 2 + 10 * loudness}
        )
    manifest = pd.DataFrame(rows)
    start = load_start(str(model), None, aspects, 2)
    sets = []
    for split in ("train", "valid"):
        own = manifest[manifest["split"] == split]
        paths = [folder / name for name in own["path"]]
        scores = torch.tensor(own[list(aspects)].to_numpy(), dtype=torch.float32)
        sets.append(Clips(Waveforms(paths, Hearing(WINDOW), RATE, keep=2**20), scores))
    domains = DomainLabels(torch.arange(12).remainder(2).unsqueeze(1), ("",))
    return Made(folder, start, *sets, domains, manifest)


def settings(**given: Any) -> FinetuneParams:
    usual = {"strategies": {}, "baselines": [], "published": {}, "encoder": "x", "revision": None, "mlp_layers": 2}
    usual |= {"epochs": 2, "batch_size": 5, "learning_rate": 1e-3, "gradient_checkpointing": False}
    return FinetuneParams(**usual | {"at_once": None, "launcher": "python"} | given)


def session(made: Made, lambda_: float = 0.5, processes: Processes = ALONE, **given: Any) -> Finetuning:
    strategy = AdversaryParams(**{"domains": "source", "lambda": lambda_})
    return Finetuning(
        0, made.start, made.training, made.validation, made.domains, strategy, settings(**given), "one", processes
    )
