"""Domains of the train clips, where K-means clusters what this backbone's own encoder makes of them."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from datmos.audiobox.model_files import load_weights, make_model
from datmos.audiobox.training_set import AudioStudy, read_clips, read_start
from datmos.audiobox.waveforms import collate
from datmos.audiobox.weights import Start
from datmos.core.seeding import torch_seed
from datmos.domains.rules import label_points
from datmos.domains.settings import RULES, DomainParams


def label_train_clips(
    study: AudioStudy, domains: DomainParams, name: str, clips: pd.DataFrame, device: torch.device
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Label the train clips for one strategy; K-means clusters what this backbone's own encoder makes of them.

    The points are time means of the last hidden state, before any fine-tuning.

    Returns:
        As `datmos.domains.rules.label_domains`.
    """
    rule = study.finetune.strategies[name].domains
    points = np.empty((len(clips), 0))
    if RULES[rule].numbered_by is not None:  # by chance as many as K-means has
        points = embed_clips(study, clips, read_start(study), device)
    return label_points([rule], clips, points, domains)[rule]


@torch.inference_mode()
def embed_clips(study: AudioStudy, clips: pd.DataFrame, start: Start, device: torch.device) -> np.ndarray:
    """Return time means of the encoder's last hidden state, float32, (N, C)."""
    with torch_seed("unused heads"):
        model = load_weights(make_model(start.recipe), start.weights).to(device).eval()
    extractor = start.recipe.extractor
    reader = read_clips(study, clips, extractor.sampling_rate)
    length = round(study.audio.clip_seconds * extractor.sampling_rate)
    stream = tqdm(reader.stream([n] for n in range(len(clips))), desc="embedding", total=len(clips), unit="clip")
    means = [model.last_means(collate(waveforms, length, extractor, device)).cpu() for waveforms in stream]
    return torch.cat(means).numpy()
