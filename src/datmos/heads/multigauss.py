"""MultiGauss: from frozen embeddings to a joint Gaussian over all aspects."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from datmos.core.errors import DatmosError
from datmos.heads.interface import Encoded, Gaussian, Head, HeadOptions, outputs_of
from datmos.heads.stacked import Conv1d, LayerNorm, Noise, convolve_embeddings, dropout, perceptron

CHANNELS, KERNEL, POOL = 32, 5, 5


class MultiGauss(Head):
    """MultiGauss head (Cumlin et al., arXiv 2506.04890), the predictor of the paper (arXiv 2603.16201).

    Two convolution blocks -> h -> 64 -> 32 -> mean and covariance factor of a Gaussian.

    Args:
        options: of any head; ``frames`` is the length of clip that it is made for.

    Raises:
        DatmosError: the clips have too few frames for two blocks.
    """

    def __init__(self, options: HeadOptions) -> None:
        first = options.frames - KERNEL + 1  # frames after each convolution
        second = first // POOL - KERNEL + 1
        if second < POOL:
            raise DatmosError(
                f"audio.clip_seconds: {options.frames} frames are too few for this head, it needs 49; "
                "use longer clips"
            )
        super().__init__(options, width=CHANNELS * (second // POOL))
        self.convolutions = nn.ModuleList(
            [Conv1d(options.dimension, CHANNELS, KERNEL), Conv1d(CHANNELS, CHANNELS, KERNEL)]
        )
        self.norms = nn.ModuleList([LayerNorm(CHANNELS, first), LayerNorm(CHANNELS, second)])
        self.quality = perceptron(self.width, 64, 32, outputs_of(len(options.aspects)))

    def reading_weights(self) -> list[Tensor]:
        """Return the first convolution."""
        return [cast(Conv1d, self.convolutions[0]).weight]

    def encode(self, embeddings: Tensor, noise: Noise | None = None) -> Encoded:
        """Map embeddings to h (M, B, width), which adversaries read.

        2 x [Conv1d -> LayerNorm over (C, T) -> ReLU -> Dropout -> MaxPool], flattened.
        """
        # standardised inside the first convolution, not before it: embeddings are then read once, not three times
        first = cast(Conv1d, self.convolutions[0])
        weight = first.weight * self.gain.unsqueeze(1)  # (M, C, D, K)
        bias = first.bias - (weight * self.shift.unsqueeze(1)).sum(dim=(2, 3))
        x = convolve_embeddings(embeddings, weight, bias)  # (B, M, C, T)
        x = self._finish_block(x, 0, noise)
        x = self._finish_block(self.convolutions[1](x), 1, noise)
        h = x.flatten(2).transpose(0, 1)
        return Encoded(h, h)

    def predict(self, h: Tensor) -> Gaussian:
        """Map h (M, B, width) to the distribution of the scores."""
        return self.to_gaussian(self.quality(h))

    def _finish_block(self, x: Tensor, block: int, noise: Noise | None) -> Tensor:
        x = dropout(self.norms[block](x).relu(), self.options.dropout, noise, dim=1)
        return functional.max_pool1d(x.flatten(1, 2), POOL).unflatten(1, tuple(x.shape[1:3]))
