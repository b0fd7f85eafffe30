"""What every head offers to the training loop and to predictions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from datmos.core.statistics import time_statistics
from datmos.heads.stacked import Noise

Reads = Literal["frames", "layers", "statistics"]


class Gaussian(NamedTuple):
    """Predicted distributions of the scores of a batch: M members, A aspects.

    The covariance is kept as a factor, from which its determinant and inverse follow without loss.
    """

    mean: Tensor  # (M, B, A)
    factor: Tensor  # (M, B, A, A), upper triangular, covariance = factor @ factor.T

    @property
    def covariance(self) -> Tensor:
        """Covariance, shape (M, B, A, A)."""
        return self.factor @ self.factor.mT


class HeadOptions(NamedTuple):
    """What a head is made for."""

    dimension: int  # D of the embeddings
    frames: int  # T of the embeddings
    layers: int  # how many layers of the encoder the store holds
    aspects: tuple[str, ...]
    scale: tuple[float, float]  # lowest and highest rating; outputs of -1 and 1 are mapped there
    dropout: float  # probability
    groups: tuple[tuple[str, ...], ...] = ()  # aspects that share a trunk, for heads that do that; (): all
    widths: tuple[int, ...] = ()  # of hidden layers, the last that of h, for heads that let one choose; (): its own


class Encoded(NamedTuple):
    """What a head makes of embeddings on the way to a prediction."""

    h: Tensor  # (M, B, width)
    view: Tensor  # (M, B, view_width), what adversaries see of it


class Head(nn.Module, ABC):
    """A trainable model on embeddings: M members, made with one (see `datmos.heads.stacked`).

    A head says by `reads` what it takes of a clip: "frames" of one layer (D, T), "layers", all that the store holds
    (L, D, T), or "statistics" over time (2 D,). Batches come as (B, ...), shared by all members, or as (M, B, ...).

    Attributes:
        reads: what it takes.
        classifier_widths: of the hidden layers of a domain classifier that reads its h.
        width: of h.
        view_width: of what an adversary sees; h itself unless a head says otherwise.
        shift, gain: (M, D, 1), of statistics (M, 2 D); a head takes (x - shift) * gain, so that channels are alike
            (`standardise`).
        spread: (M, A, A); factor of the covariance of a head that was trained as a point predictor, else 0.
    """

    reads: Reads = "frames"
    classifier_widths: tuple[int, ...] = (64, 32)
    shift: Tensor
    gain: Tensor
    spread: Tensor

    def __init__(self, options: HeadOptions, width: int) -> None:
        super().__init__()
        self.options = options
        self.width = self.view_width = width
        low, high = options.scale
        self.half_range, self.middle = (high - low) / 2, (high + low) / 2
        channels = (2 * options.dimension,) if self.reads == "statistics" else (options.dimension, 1)
        self.register_buffer("shift", torch.zeros(1, *channels))
        self.register_buffer("gain", torch.ones(1, *channels))
        aspects = len(options.aspects)
        self.register_buffer("spread", torch.zeros(1, aspects, aspects))

    @abstractmethod
    def encode(self, embeddings: Tensor, noise: Noise | None = None) -> Encoded:
        """Map embeddings to h; ``noise`` is the source of dropout, None for evaluation."""

    @abstractmethod
    def predict(self, h: Tensor) -> Gaussian:
        """Map h (M, B, width) to the distribution of the scores."""

    def reading_weights(self) -> list[Tensor]:
        """Return the weights that meet the (standardised) channels first, (M, outputs, D or 2 D, ...) each.

        None for a head that erasure does not work with.
        """
        return []

    def erase(self, directions: Sequence[Tensor]) -> None:
        """Let every member read nothing along its ``directions`` (D or 2 D, R): they are taken out of its weights.

        Projecting the embeddings would be the same; this costs nothing when clips are scored.
        """
        for weight in self.reading_weights() if directions else ():
            for own, q in zip(weight.data, directions, strict=True):
                own -= torch.einsum("od...,dr,er->oe...", own, q, q)

    def forward(self, embeddings: Tensor) -> Gaussian:
        """Map embeddings to the distribution of the scores."""
        return self.predict(self.encode(embeddings).h)

    def standardise(self, mean: Tensor, std: Tensor) -> None:
        """Bring every channel of what it reads to mean 0 and SD 1 from now on; ``mean``, ``std``: (D,) or (2 D,).

        A channel that hardly varies (a thousandth of the median SD) is only centred. The numbers are saved with
        the weights.
        """
        gain = torch.where(std > 1e-3 * std.median(), 1 / std, 1.0)
        self.shift.copy_(mean.reshape(self.shift.shape[1:]).expand_as(self.shift))
        self.gain.copy_(gain.reshape(self.gain.shape[1:]).expand_as(self.gain))

    def to_gaussian(self, out: Tensor) -> Gaussian:
        """Read A means, A diagonal elements and the upper triangle of the factor, row by row, from (M, B, outputs).

        Mean m -> half * m + middle of the rating scale, factor -> half * factor. In evaluation mode, a ``spread``
        that is set is the factor of every clip.
        """
        a = len(self.options.aspects)
        out = out.float()  # full precision whatever autocast chose
        mean = self.half_range * out[..., :a] + self.middle
        if not self.training and self.spread.any():
            return Gaussian(mean, self.spread.unsqueeze(1).expand(*out.shape[:2], a, a))
        factor = torch.diag_embed(functional.softplus(out[..., a : 2 * a]))  # (M, B, A, A)
        if a > 1:  # with one aspect the indices are empty, which ONNX can't express
            rows, columns = torch.triu_indices(a, a, offset=1, device=out.device)
            factor[..., rows, columns] = out[..., 2 * a :]
        return Gaussian(mean, self.half_range * factor)


def as_read(layers: Tensor, reads: Reads) -> Tensor:
    """Make of all layers of clips (B, L, D, T) what a head reads."""
    if reads == "layers":
        return layers
    return time_statistics(layers[:, 0]) if reads == "statistics" else layers[:, 0]


def outputs_of(aspects: int) -> int:
    """How many numbers `Head.to_gaussian` reads: mean, diagonal and upper triangle."""
    return aspects + aspects * (aspects + 1) // 2


def upper_factor(covariance: Tensor) -> Tensor:
    """Return the upper triangular F with F F' = covariance, for covariances (..., A, A)."""
    return torch.linalg.cholesky(covariance.flip(-1, -2)).flip(-1, -2)


def error_spread(errors: Tensor) -> Tensor:
    """Return the `upper_factor` of the covariance of a point predictor's errors (M, N, A) around 0: (M, A, A).

    A little is added to the diagonal, so that it can be inverted.
    """
    covariance = errors.mT @ errors / errors.shape[1]
    variance = covariance.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=1e-6)
    covariance += 1e-3 * variance[:, None, None] * torch.eye(errors.shape[2])
    return upper_factor(covariance)
