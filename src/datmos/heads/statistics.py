"""The default head: a perceptron on mean and standard deviation over time, for clips of any length."""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from datmos.heads.interface import Encoded, Gaussian, Head, HeadOptions, outputs_of
from datmos.heads.stacked import Linear, Noise, dropout

WIDTHS = (128, 64)
START = -1.2  # of the covariance's diagonal: an SD of an eighth of the rating scale


class Statistics(Head):
    """Statistics pooling (Snyder et al., "X-vectors", ICASSP 2018), then a perceptron and a joint Gaussian.

    [mean; SD] of each channel, standardised -> 128 -> ReLU -> dropout -> 64 -> ReLU -> dropout = h -> mean and
    covariance factor. The mean alone is SSL-MOS (Cooper et al., arXiv 2110.02635).

    With groups of aspects (DAT-Aspect), every group has hidden layers of its own, from which the means of its
    aspects come. Adversaries read the h of the first group alone, and leave the others as they are. h is that of
    all groups side by side, and the covariance comes from all of it.
    """

    reads = "statistics"
    classifier_widths = (64,)

    def __init__(self, options: HeadOptions) -> None:
        widths, groups = options.widths or WIDTHS, options.groups or (options.aspects,)
        super().__init__(options, width=widths[-1] * len(groups))
        self.view_width = widths[-1]
        sizes = (2 * options.dimension, *widths)
        self.trunks = nn.ModuleList(
            nn.ModuleList(Linear(inputs, outputs) for inputs, outputs in pairwise(sizes)) for _ in groups
        )
        self.means = nn.ModuleList(Linear(self.view_width, len(group)) for group in groups)
        aspects = len(options.aspects)
        self.spreads = Linear(self.width, outputs_of(aspects) - aspects)
        # so that training has a short way to the errors: from 0 it would not arrive, and give intervals too wide
        assert self.spreads.bias is not None
        nn.init.constant_(self.spreads.bias[..., :aspects], START)
        grouped = [aspect for group in groups for aspect in group]
        self.order = [grouped.index(aspect) for aspect in options.aspects]

    def reading_weights(self) -> list[Tensor]:
        """Return the first layer of every trunk."""
        return [cast(Linear, cast(nn.ModuleList, trunk)[0]).weight for trunk in self.trunks]

    def encode(self, embeddings: Tensor, noise: Noise | None = None) -> Encoded:
        """Map statistics (B, 2 D) or (M, B, 2 D) to h (M, B, width), and to the h that adversaries read."""
        standard = (embeddings - self.shift.unsqueeze(1)) * self.gain.unsqueeze(1)  # (M, B, 2 D)
        views = []
        for trunk in self.trunks:
            x = standard
            for layer in cast(nn.ModuleList, trunk):
                x = dropout(layer(x).relu(), self.options.dropout, noise, dim=0)
            views.append(x)
        return Encoded(torch.cat(views, dim=-1), views[0])

    def predict(self, h: Tensor) -> Gaussian:
        """Map h (M, B, width) to the distribution of the scores; h learns nothing from the covariance."""
        parts = zip(self.means, h.split(self.view_width, dim=-1), strict=True)
        means = torch.cat([mean(own) for mean, own in parts], dim=-1)[..., self.order]
        return self.to_gaussian(torch.cat([means, self.spreads(h.detach())], dim=-1))
