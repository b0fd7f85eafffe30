"""Statistics pooling: what is left of a clip's frames when time is averaged out."""

import torch
from torch import Tensor


def time_statistics(frames: Tensor) -> Tensor:
    """Mean and standard deviation of every channel over time: (..., D, T) to (..., 2 D), means first.

    Snyder et al., "X-vectors: Robust DNN Embeddings for Speaker Recognition" (ICASSP 2018).
    """
    variance, mean = torch.var_mean(frames, dim=-1, correction=0)
    return torch.cat([mean, variance.sqrt()], dim=-1)
