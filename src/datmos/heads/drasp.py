"""DRASP: pooling at two resolutions, for clips of any length."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from datmos.heads.interface import Encoded, Gaussian, Head, HeadOptions, outputs_of
from datmos.heads.stacked import Linear, Noise, attention, dropout, perceptron

SEGMENT, HIDDEN, WIDTH = 25, 64, 64  # frames a segment; units of the attention; of h
SMALLEST_VARIANCE = 1e-6  # the root of 0 has no gradient


class Drasp(Head):
    """Dual-resolution attentive statistics pooling (Yang et al., "DRASP", arXiv 2508.21407).

    ``alpha [mean; std] + beta [mean; std of segments, weighted by attention]`` over time, alpha 1 and beta 0 at
    first, both learnt; attention: softmax over segments of ``v' tanh(W x + b)``; then a linear layer, and h is its
    output at length 1 (L2 norm).
    Assumed: segments of 25 frames (half a second of most encoders), the last one of what is left; 64 units in the
    attention and in h; the layers behind h, and the loss, as in MultiGauss.
    """

    def __init__(self, options: HeadOptions) -> None:
        super().__init__(options, WIDTH)
        self.alpha, self.beta = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))  # (M,)
        self.attention = attention(options.dimension, HIDDEN)
        self.project = Linear(2 * options.dimension, WIDTH)
        self.quality = perceptron(WIDTH, 64, 32, outputs_of(len(options.aspects)))

    def encode(self, embeddings: Tensor, noise: Noise | None = None) -> Encoded:
        """Map embeddings of any length to h (M, B, width), which adversaries read."""
        pooled = dropout(self.pool(embeddings), self.options.dropout, noise, dim=0)
        h = functional.normalize(self.project(pooled), dim=-1)
        return Encoded(h, h)

    def predict(self, h: Tensor) -> Gaussian:
        """Map h (M, B, width) to the distribution of the scores."""
        return self.to_gaussian(self.quality(h))

    def pool(self, embeddings: Tensor) -> Tensor:
        """Pool over time at both resolutions: (M, B, 2 D)."""
        # averages over time first, since all members share them; standardised after
        variance, mean = torch.var_mean(embeddings, dim=-1, correction=0)
        mean = self._standardised(mean.unsqueeze(-1)).squeeze(-1)  # (M, B, D)
        std = (variance * self.gain.mT.square() + SMALLEST_VARIANCE).sqrt()
        segments = self._standardised(average_segments(embeddings, SEGMENT)).mT  # (M, B, S, D)
        weights = self.attention(segments).softmax(dim=2)
        local_mean = (weights * segments).sum(dim=2)  # (M, B, D)
        local_variance = (weights * (segments - local_mean.unsqueeze(2)).square()).sum(dim=2)
        local_std = (local_variance + SMALLEST_VARIANCE).sqrt()
        alpha, beta = self.alpha[:, None, None], self.beta[:, None, None]
        return alpha * torch.cat([mean, std], dim=-1) + beta * torch.cat([local_mean, local_std], dim=-1)

    def _standardised(self, x: Tensor) -> Tensor:
        """(B, D, T) or (M, B, D, T) -> (M, B, D, T)."""
        return (x - self.shift.unsqueeze(1)) * self.gain.unsqueeze(1)


def average_segments(x: Tensor, size: int) -> Tensor:
    """Average over pieces of ``size`` frames, the last one of what is left: (..., T) -> (..., ceil(T / size))."""
    whole = x.shape[-1] // size * size
    parts = [x[..., :whole].unflatten(-1, (-1, size)).mean(-1)] if whole else []
    if whole < x.shape[-1]:
        parts.append(x[..., whole:].mean(-1, keepdim=True))
    return torch.cat(parts, dim=-1)
