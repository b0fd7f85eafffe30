"""From trained heads to predictions of clips."""

from itertools import combinations

import numpy as np
import pandas as pd
import torch

from datmos.models import Models, batched
from datmos.store import EmbeddingStore
from datmos.train import mixed_precision, read_batch

BATCH_SIZE = 64  # bounds memory; no score depends on it


@torch.inference_mode()
def predict_clips(models: Models, store: EmbeddingStore, clip_ids: list[str], device: torch.device) -> pd.DataFrame:
    """Predict clips with every seed's head.

    Returns:
        Columns clip_id, seed, <aspect>, <aspect>_std, cov_<a>_<b> (DESIGN.md, Contracts), sorted by seed, then in
        the order of ``clip_ids``; float32, in rating points (covariances: squared).
    """
    aspects: list[str] = models.config["aspects"]
    rows = store.rows(clip_ids)
    tables = []
    for seed, head in models.heads.items():
        head.to(device)
        means, covariances = [], []
        for batch in batched(rows, BATCH_SIZE):
            with mixed_precision(device):
                predicted = head(read_batch(store, batch, device))
            means.append(predicted.mean.cpu())
            covariances.append(predicted.covariance.cpu())
        mean, covariance = torch.cat(means).numpy(), torch.cat(covariances).numpy()  # (N, A), (N, A, A)
        columns = {"clip_id": clip_ids, "seed": np.int32(seed)}
        columns |= {aspect: mean[:, a] for a, aspect in enumerate(aspects)}
        columns |= {f"{aspect}_std": np.sqrt(covariance[:, a, a]) for a, aspect in enumerate(aspects)}
        columns |= {
            f"cov_{aspects[a]}_{aspects[b]}": covariance[:, a, b] for a, b in combinations(range(len(aspects)), 2)
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


@torch.inference_mode()
def features_of_clips(
    models: Models, seed: int, store: EmbeddingStore, clip_ids: list[str], device: torch.device
) -> np.ndarray:
    """Return h of clips under one seed's head, float32, shape (number of clips, width)."""
    head = models.heads[seed].to(device)
    batches = batched(store.rows(clip_ids), BATCH_SIZE)
    return torch.cat([head.features(read_batch(store, rows, device)).cpu() for rows in batches]).numpy()
