"""What a strategy with ``erase`` lets its head not read (`datmos.core.erasure`)."""

import numpy as np
import torch
from torch import Tensor

from datmos.core.erasure import domain_directions
from datmos.core.store import EmbeddingStore
from datmos.heads.interface import Head
from datmos.training.domain_labels import DomainLabels
from datmos.training.settings import StrategyParams


def erased_directions(
    head: Head, store: EmbeddingStore, rows: np.ndarray, domains: DomainLabels, strategy: StrategyParams
) -> list[Tensor]:
    """Return for every member the directions that its head must not read, (channels, R); [] for nothing.

    Args:
        head: of all members, standardised.
        store: the embeddings.
        rows: of the train clips, which alone say where domains lie.
        domains: labels of the train clips for every member.
        strategy: the entry of params.yaml.
    """
    if strategy.erase == "none":
        return []
    shift, gain = (value[0].flatten().double().cpu().numpy() for value in (head.shift, head.gain))
    points = (store.statistics[rows][:, : len(shift)] - shift) * gain  # of frames: their time means
    branch = domains.branches.index(strategy.erase) if strategy.erase in domains.branches else 0
    found = {}
    for labels in domains.labels[..., branch]:
        key = labels.numpy().tobytes()
        if key not in found:
            directions = domain_directions(points, labels.numpy(), strategy.erase_rank)
            found[key] = torch.from_numpy(directions).float().to(head.shift.device)
    return [found[labels.numpy().tobytes()] for labels in domains.labels[..., branch]]
