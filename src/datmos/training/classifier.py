"""The domain classifier: reads from h where a clip comes from, behind a gradient reversal layer."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from datmos.heads.stacked import Linear, perceptron
from datmos.training.gradient_reversal import reverse_gradient

NEVER = -1e9  # logit of a domain that a member does not have; finite, so that 0 times it is 0


class DomainClassifier(nn.Module):
    """Predicts the domain from h (paper: 64 -> 32 -> D logits); M members, made with one.

    With score bins it is also told which bin a clip's score is in, so that it can only punish what h says of the
    domain *beyond* what the score says of it. Where source and score depend on each other, a classifier without
    bins punishes h for knowing the score. Li et al., "Deep Domain Generalization via Conditional Invariant
    Adversarial Networks" (ECCV 2018), for classes; here bins of the score are the classes.

    Args:
        width: of h.
        domains: how many there are.
        bins: of the score; 1 for none.
        padded: logits to return, `NEVER` for those beyond ``domains``: for members with fewer domains than others.
    """

    present: Tensor  # (M, padded) bool

    def __init__(self, width: int, domains: int, bins: int = 1, padded: int | None = None) -> None:
        super().__init__()
        padded = padded or domains
        self.bins = bins
        self.layers = perceptron(width + (bins if bins > 1 else 0), 64, 32, domains)
        last = self.layers[-1]
        assert isinstance(last, Linear)
        assert last.bias is not None
        last.weight = nn.Parameter(functional.pad(last.weight.detach(), (0, 0, 0, padded - domains)))
        last.bias = nn.Parameter(functional.pad(last.bias.detach(), (0, padded - domains)))
        self.register_buffer("present", (torch.arange(padded) < domains).unsqueeze(0))

    def forward(self, h: Tensor, reversal: float, score_bins: Tensor | None = None) -> Tensor:
        """Map h (M, B, width) and, if there are bins, those of the clips (M, B) to logits (M, B, padded).

        The gradient at h is scaled by ``-reversal``.
        """
        x = reverse_gradient(h, reversal)
        if self.bins > 1:
            assert score_bins is not None
            x = torch.cat([x, functional.one_hot(score_bins, self.bins).to(x.dtype)], dim=-1)
        logits: Tensor = self.layers(x).float()
        return logits.masked_fill(~self.present.unsqueeze(1), NEVER)

    def loss(self, logits: Tensor, domains: Tensor, smoothing: float) -> Tensor:
        """Cross-entropy of every clip, nats, shape (M, B).

        Environment label smoothing (Zhang et al., "Free Lunch for Domain Adversarial Training", arXiv 2302.00194,
        equation 1): the target is 1 - smoothing for the clip's own domain and smoothing / (D - 1) for each other.

        Args:
            logits: what `forward` returned.
            domains: of the clips, int64, (M, B).
            smoothing: in [0, 1).
        """
        log_probability = functional.log_softmax(logits, dim=-1)
        own = log_probability.gather(-1, domains.unsqueeze(-1)).squeeze(-1)
        if smoothing == 0:
            return -own
        others = (self.present.sum(dim=1)[:, None] - 1).clamp(min=1)  # (M, 1)
        every = (log_probability * self.present.unsqueeze(1)).sum(dim=-1)
        return -((1 - smoothing) * own + smoothing * (every - own) / others)
