"""The domain classifier: reads from h where a clip comes from, behind a gradient reversal layer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from datmos.heads.stacked import Linear, perceptron
from datmos.training.gradient_reversal import reverse_gradient

NEVER = -1e9  # logit of a domain that a member does not have; finite, so that 0 times it is 0


class DomainClassifier(nn.Module):
    """Predicts the domain from h (paper: h -> 64 -> 32 -> D logits); M members, made with one.

    Args:
        widths: of h and of the hidden layers.
        domains: how many there are.
        padded: logits to return, `NEVER` for those beyond ``domains``: for members with fewer domains than others.
    """

    present: Tensor  # (M, padded) bool

    def __init__(self, widths: Sequence[int], domains: int, padded: int | None = None) -> None:
        super().__init__()
        padded = padded or domains
        self.layers = perceptron(*widths, domains)
        last = self.layers[-1]
        assert isinstance(last, Linear)
        assert last.bias is not None
        last.weight = nn.Parameter(functional.pad(last.weight.detach(), (0, 0, 0, padded - domains)))
        last.bias = nn.Parameter(functional.pad(last.bias.detach(), (0, padded - domains)))
        self.register_buffer("present", (torch.arange(padded) < domains).unsqueeze(0))

    def forward(self, h: Tensor, reversal: float) -> Tensor:
        """Map h (M, B, width) to logits (M, B, padded).

        The gradient at h is scaled by ``-reversal``.
        """
        logits: Tensor = self.layers(reverse_gradient(h, reversal)).float()
        return logits.masked_fill(~self.present.unsqueeze(1), NEVER)

    def loss(self, logits: Tensor, domains: Tensor) -> Tensor:
        """Cross-entropy of every clip, nats, shape (M, B).

        Args:
            logits: what `forward` returned.
            domains: of the clips, int64, (M, B).
        """
        return functional.cross_entropy(logits.transpose(1, 2), domains, reduction="none")
