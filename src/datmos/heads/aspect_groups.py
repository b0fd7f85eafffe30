"""The head of DAT-Aspect: each group of aspects is freed from domains of its own."""

import torch
from torch import Tensor, nn

from datmos.heads.interface import Encoded, Gaussian, HeadOptions
from datmos.heads.multigauss import ConvolutionalHead
from datmos.heads.stacked import Linear, Noise, perceptron

BOTTLENECK = 64


class AspectGroups(ConvolutionalHead):
    """MultiGauss with a bottleneck for every group of aspects, and an adversary at each of them.

    The paper (arXiv 2603.16201) finds that the domains that help depend on the aspect, and leaves one model for all
    to future work; this is our answer. The convolutions feed one bottleneck a group; the mean and the variance of
    an aspect come from the bottleneck of its own group, only the correlations between aspects from all of them. An
    adversary acts on its group's bottleneck and no further: what one group must not know stays in the convolutions
    for the other. h is all bottlenecks side by side.
    """

    def __init__(self, options: HeadOptions) -> None:
        super().__init__(options)
        inputs, groups = self.width, options.groups
        self.width, self.view_width = BOTTLENECK * len(groups), BOTTLENECK
        self.bottlenecks = nn.ModuleList(Linear(inputs, BOTTLENECK) for _ in groups)
        self.quality = nn.ModuleList(perceptron(BOTTLENECK, 32, 2 * len(group)) for group in groups)
        aspects = len(options.aspects)
        self.correlations = perceptron(self.width, 32, aspects * (aspects - 1) // 2)
        routed = [aspect for group in groups for aspect in group]
        self.order = [routed.index(aspect) for aspect in options.aspects]

    def encode(self, embeddings: Tensor, noise: Noise | None = None) -> Encoded:
        """Map embeddings to h (M, B, width), and to each bottleneck for its adversary."""
        trunk = self.convolve(embeddings, noise)
        h = torch.cat([bottleneck(trunk).relu() for bottleneck in self.bottlenecks], dim=-1)
        views = tuple(bottleneck(trunk.detach()).relu() for bottleneck in self.bottlenecks)
        return Encoded(h, views)

    def predict(self, h: Tensor) -> Gaussian:
        """Map h (M, B, width) to the distribution of the scores."""
        own = [part(z) for part, z in zip(self.quality, h.split(BOTTLENECK, dim=-1), strict=True)]
        halves = [out.chunk(2, dim=-1) for out in own]
        means = torch.cat([mean for mean, _ in halves], dim=-1)[..., self.order]
        diagonals = torch.cat([diagonal for _, diagonal in halves], dim=-1)[..., self.order]
        return self.to_gaussian(torch.cat([means, diagonals, self.correlations(h)], dim=-1))
