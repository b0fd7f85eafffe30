"""MultiGauss: from frozen embeddings to a joint Gaussian over all aspects."""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from datmos.errors import DatmosError

CHANNELS, KERNEL, POOL = 32, 5, 5


class Gaussian(NamedTuple):
    """A predicted distribution of the scores of a batch, A aspects.

    The covariance is kept as a factor, from which its determinant and inverse follow without loss.
    """

    mean: Tensor  # (B, A)
    factor: Tensor  # (B, A, A), upper triangular, covariance = factor @ factor.T

    @property
    def covariance(self) -> Tensor:
        """Covariance, shape (B, A, A)."""
        return self.factor @ self.factor.mT


class MultiGauss(nn.Module):
    """MultiGauss head (Cumlin et al., arXiv 2506.04890), the predictor of the paper (arXiv 2603.16201).

    2 x [Conv1d -> LayerNorm over (C, T) -> ReLU -> Dropout -> MaxPool] -> h -> 64 -> 32 -> mean and covariance
    factor of a Gaussian, mapped affinely to the rating scale: mean m -> half * m + middle, factor -> half * factor.

    The embeddings may be standardised first (`standardise`); the published head takes them as they are.

    Args:
        dimension: D of the embeddings.
        frames: T of the embeddings; the head is made for this length.
        aspects: A, how many scores are predicted.
        scale: lowest and highest rating; the outputs -1 and 1 are mapped there.
        dropout: probability in both convolution blocks.

    Raises:
        DatmosError: the clips have too few frames for two blocks.
    """

    shift: Tensor  # (D, 1)
    gain: Tensor  # (D, 1)

    def __init__(
        self, dimension: int, frames: int, aspects: int, scale: tuple[float, float], dropout: float
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        channels, length = dimension, frames
        for _ in range(2):
            length -= KERNEL - 1
            if length < POOL:
                raise DatmosError(
                    f"audio.clip_seconds: {frames} frames are too few for this head, it needs 49; use longer clips"
                )
            blocks += [
                nn.Conv1d(channels, CHANNELS, KERNEL),
                nn.LayerNorm((CHANNELS, length)),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.MaxPool1d(POOL),
            ]
            channels, length = CHANNELS, length // POOL
        self.encoder = nn.Sequential(*blocks, nn.Flatten())
        self.width = CHANNELS * length  # of h
        self.aspects = aspects
        outputs = aspects + aspects * (aspects + 1) // 2  # mean, diagonal, upper triangle
        self.quality = nn.Sequential(
            nn.Linear(self.width, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, outputs)
        )
        self.register_buffer("shift", torch.zeros(dimension, 1))
        self.register_buffer("gain", torch.ones(dimension, 1))
        self.half_range = (scale[1] - scale[0]) / 2
        self.middle = (scale[1] + scale[0]) / 2

    def standardise(self, mean: Tensor, std: Tensor) -> None:
        """Bring every channel of the embeddings to mean 0 and SD 1 from now on; ``mean``, ``std``: (D,).

        A channel that hardly varies (a thousandth of the median SD) is only centred. The numbers are saved with
        the weights.
        """
        self.shift.copy_(mean.unsqueeze(1))
        self.gain.copy_(torch.where(std > 1e-3 * std.median(), 1 / std, 1.0).unsqueeze(1))

    def features(self, embeddings: Tensor) -> Tensor:
        """Map embeddings (B, D, T) to h, shape (B, width)."""
        # standardised inside the first convolution, not before it: embeddings are then read once, not three times
        first, rest = cast(nn.Conv1d, self.encoder[0]), self.encoder[1:]
        weight = first.weight * self.gain  # (C, D, K)
        bias = cast(Tensor, first.bias) - (weight * self.shift).sum(dim=(1, 2))
        x = functional.conv1d(embeddings, weight, bias)
        h: Tensor = rest(x)
        return h

    def predict(self, h: Tensor) -> Gaussian:
        """Map h (B, width) to the distribution of the scores."""
        a = self.aspects
        out = self.quality(h).float()  # (B, 2A + A(A-1)/2); full precision whatever autocast chose
        rows, columns = torch.triu_indices(a, a, offset=1, device=out.device)
        factor = torch.diag_embed(functional.softplus(out[:, a : 2 * a]))  # (B, A, A)
        factor[:, rows, columns] = out[:, 2 * a :]
        return Gaussian(self.half_range * out[:, :a] + self.middle, self.half_range * factor)

    def forward(self, embeddings: Tensor) -> Gaussian:
        """Map embeddings (B, D, T) to the distribution of the scores."""
        return self.predict(self.features(embeddings))
