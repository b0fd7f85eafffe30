"""From trained heads to predictions of clips."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from datmos.core.device import mixed_precision
from datmos.core.predictions import prediction_table
from datmos.core.store import EmbeddingStore
from datmos.heads.interface import Encoded
from datmos.heads.model_files import Models
from datmos.heads.reader import EmbeddingReader

BATCH_SIZE = 64  # bounds memory; no score depends on it


@torch.inference_mode()
def predict_clips(models: Models, store: EmbeddingStore, clip_ids: list[str], device: torch.device) -> pd.DataFrame:
    """Predict clips with every seed's head.

    Returns:
        Columns clip_id, seed, <aspect>, <aspect>_std, cov_<a>_<b> (see `prediction_table`), sorted by seed,
        then in the order of ``clip_ids``; float32.
    """
    aspects: list[str] = models.config["aspects"]
    predicted = [models.head.predict(encoded.h) for encoded in _encode(models, store, clip_ids, device)]
    means = torch.cat([part.mean.cpu() for part in predicted], dim=1).numpy()  # (M, N, A)
    covariances = torch.cat([part.covariance.cpu() for part in predicted], dim=1).numpy()  # (M, N, A, A)
    return prediction_table(
        clip_ids, aspects, dict(zip(models.seeds, zip(means, covariances, strict=True), strict=True))
    )


@torch.inference_mode()
def features_of_clips(
    models: Models, store: EmbeddingStore, clip_ids: list[str], device: torch.device
) -> dict[int, np.ndarray]:
    """Return h of clips under the head of every seed, float32, shape (number of clips, width)."""
    h = torch.cat([encoded.h.cpu() for encoded in _encode(models, store, clip_ids, device)], dim=1)
    return dict(zip(models.seeds, h.float().numpy(), strict=True))


def _encode(models: Models, store: EmbeddingStore, clip_ids: list[str], device: torch.device) -> Iterator[Encoded]:
    head = models.head.to(device)
    reader = EmbeddingReader(store, store.rows(clip_ids), device, head.reads)
    for places in torch.arange(len(clip_ids)).split(BATCH_SIZE):
        with mixed_precision(device):
            yield head.encode(reader.read(places[None]))
