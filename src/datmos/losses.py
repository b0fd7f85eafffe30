"""Task losses: each maps a predicted distribution and the true scores to one number a clip."""

import math

import torch
from torch import Tensor

from datmos.heads import Gaussian


def gaussian_nll(predicted: Gaussian, scores: Tensor) -> Tensor:
    """Exact negative log-likelihood of a multivariate Gaussian.

    ``(A log 2 pi + log det C + (y - m)' C^-1 (y - m)) / 2`` with C = F F': the log-determinant is twice the sum
    of the logs of F's diagonal, and the quadratic form is the squared length of the solution of F z = y - m.

    Args:
        predicted: distribution of B clips, A aspects.
        scores: true scores, shape (B, A).

    Returns:
        Nats, shape (B,).
    """
    mean, factor = predicted
    z = torch.linalg.solve_triangular(factor, (scores - mean).unsqueeze(-1), upper=True).squeeze(-1)  # (B, A)
    log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return (scores.shape[-1] * math.log(2 * math.pi) + log_det + z.square().sum(-1)) / 2
