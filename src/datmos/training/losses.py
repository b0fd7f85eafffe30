"""Task losses: each maps predicted distributions and the true scores to one number a clip.

A member's loss is the mean over its clips. A new loss is one function and one line of
`datmos.training.settings.TASK_LOSSES`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from datmos.heads.interface import Gaussian

LEAST_LOG_DET = 1e-6  # of the authors' code
RANKING_MARGIN, QUALITY_WEIGHT = 0.2, 6.0  # of QAMRO


class RatingScale(NamedTuple):
    """What is known of the scores: mean and standard deviation of the train clips, and the rating scale."""

    mean: Tensor  # (A,)
    std: Tensor  # (A,)
    low: float
    high: float

    def normalise(self, scores: Tensor) -> Tensor:
        """Z-score ratings (..., A)."""
        return (scores - self.mean) / self.std

    def to(self, device: torch.device) -> "RatingScale":
        """Return the same on a device."""
        return self._replace(mean=self.mean.to(device), std=self.std.to(device))


def scale_of(scores: Tensor, scale: tuple[float, float]) -> RatingScale:
    """Describe the scores (N, A) of the train clips on a rating scale, lowest and highest."""
    return RatingScale(scores.mean(0), scores.std(0, correction=0).clamp(min=1e-6), *scale)


def point_loss(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Mark a loss that trains the mean alone: the covariance is then that of errors on validation clips."""
    loss.is_point = True  # type: ignore[attr-defined]
    return loss


def faithful(predicted: Gaussian, scores: Tensor, ratings: RatingScale) -> Tensor:
    """Squared error of the z-scored mean, and `gaussian_nll` around a mean that it does not move.

    Stirn et al., "Faithful Heteroscedastic Regression with Neural Networks" (arXiv 2212.09184): by the likelihood
    alone, clips that the variance has given up teach the mean nothing, and with a joint covariance the mean follows
    the noise in which aspects differ. Here the mean is as good as one trained by squared error. A head has to keep
    the gradient of the covariance away from h itself (`datmos.heads.statistics` does).

    Returns:
        Shape (M, B): half the sum of the squared errors, plus nats.
    """
    error = (predicted.mean - scores) / ratings.std
    likelihood = gaussian_nll(predicted._replace(mean=predicted.mean.detach()), scores, ratings)
    return error.square().sum(dim=-1) / 2 + likelihood


def gaussian_nll(predicted: Gaussian, scores: Tensor, ratings: RatingScale) -> Tensor:
    """Exact negative log-likelihood of a multivariate Gaussian.

    ``(A log 2 pi + log det C + (y - m)' C^-1 (y - m)) / 2`` with C = F F': the log-determinant is twice the sum
    of the logs of F's diagonal, and the quadratic form is the squared length of the solution of F z = y - m.

    Args:
        predicted: distributions of B clips, A aspects.
        scores: true scores, shape (M, B, A).
        ratings: not used.

    Returns:
        Nats, shape (M, B).
    """
    log_det, distance = _log_det_and_distance(predicted, scores)
    return (scores.shape[-1] * math.log(2 * math.pi) + log_det + distance) / 2


def gaussian_nll_floored(predicted: Gaussian, scores: Tensor, ratings: RatingScale) -> Tensor:
    """`gaussian_nll` as the authors' code has it: log-determinant of at least 1e-6, and without the constant.

    ``(max(log det C, 1e-6) + (y - m)' C^-1 (y - m)) / 2``: there is no reward for certainty beyond a covariance of
    determinant 1. The floor acts on the log-determinant of each clip.

    Returns:
        Nats, less A log(2 pi) / 2, shape (M, B).
    """
    log_det, distance = _log_det_and_distance(predicted, scores)
    return (log_det.clamp(min=LEAST_LOG_DET) + distance) / 2


@point_loss
def squared_error(predicted: Gaussian, scores: Tensor, ratings: RatingScale) -> Tensor:
    """Squared error of the mean, averaged over aspects: squared rating points, (M, B)."""
    return (predicted.mean - scores).square().mean(dim=-1)


@point_loss
def qamro(predicted: Gaussian, scores: Tensor, ratings: RatingScale) -> Tensor:
    """Quality-aware adaptive margin ranking (Wang et al., "QAMRO", arXiv 2508.08957), on z-scored labels.

    Per aspect: squared error + absolute error + the mean over pairs of clips of
    ``w relu(-sign(yi - yj) (pi - pj) + 0.2 |yi - yj|)`` with ``w = 1 + 6 q``; then the mean over aspects. Assumed:
    q is the mean of both labels' places on the rating scale, 0 at its lowest and 1 at its highest rating; pairs are
    those of the batch.

    Returns:
        Shape (M, B); a clip's pairs count as its own, so that the mean over clips is the loss.
    """
    y, p = (ratings.normalise(x) for x in (scores, predicted.mean))  # (M, B, A)
    place = ((scores - ratings.low) / (ratings.high - ratings.low)).clamp(0, 1)
    difference = y.unsqueeze(2) - y.unsqueeze(1)  # (M, B, B, A)
    weight = 1 + QUALITY_WEIGHT * (place.unsqueeze(2) + place.unsqueeze(1)) / 2
    missed = RANKING_MARGIN * difference.abs() - difference.sign() * (p.unsqueeze(2) - p.unsqueeze(1))
    pairs = max(y.shape[1] - 1, 1)
    ranking = (weight * missed.relu()).sum(dim=2) / pairs  # a clip beside itself: margin 0, nothing missed
    return ((p - y).square() + (p - y).abs() + ranking).mean(dim=-1)


def _log_det_and_distance(predicted: Gaussian, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Log-determinant of the covariance and squared Mahalanobis distance, (M, B) each."""
    mean, factor = predicted
    z = torch.linalg.solve_triangular(factor, (scores - mean).unsqueeze(-1), upper=True).squeeze(-1)  # (M, B, A)
    return 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1), z.square().sum(-1)
