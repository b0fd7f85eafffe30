"""The seeds as one predictor: a mixture."""

from typing import Any


def mix(means: Any, covariances: Any) -> tuple[Any, Any]:
    """Mean and covariance of a mixture of M Gaussians with equal shares, by the law of total covariance.

    The covariance is the mean of the covariances, plus the covariance of the means.

    Args:
        means: (M, ..., A), of numpy or torch.
        covariances: (M, ..., A, A), likewise.

    Returns:
        (..., A) and (..., A, A).
    """
    mean = means.mean(0)
    apart = means - mean
    return mean, covariances.mean(0) + (apart[..., :, None] * apart[..., None, :]).mean(0)
