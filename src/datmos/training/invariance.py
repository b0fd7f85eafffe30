"""Ways to ask a model for the same behaviour in every domain, other than an adversary.

Each makes one objective a member of the losses of its clips, given how many domains every member has. A new one
is one class and one line of `datmos.training.settings.INVARIANCES`.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def members_of_domains(domains: Tensor, count: int) -> Tensor:
    """Return float32 (M, count, B): 1 where a clip is of a domain; ``domains`` is (M, B)."""
    return functional.one_hot(domains, count).transpose(1, 2).float()


def domain_means(values: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of ``values`` (M, B) over every domain's clips, and whether it has any, (M, count) each."""
    sizes = inside.sum(dim=2)
    means = torch.einsum("mgb,mb->mg", inside, values) / sizes.clamp(min=1)
    return means, sizes > 0


class Mean(nn.Module):
    """Empirical risk: the mean loss."""

    def __init__(self, counts: Sequence[int], weight: float) -> None:
        super().__init__()

    def forward(self, losses: Tensor, h: Tensor, domains: Tensor) -> Tensor:
        """Map losses (M, B), h (M, B, width) and domains (M, B) to the objective (M,)."""
        return losses.mean(dim=1)


class Coral(nn.Module):
    """Deep CORAL (Sun & Saenko, arXiv 1607.01719, equation 1), between all domains of the batch.

    The mean loss + weight * the mean, over pairs of domains with two clips or more, of the mean squared difference
    of their means of h and of their covariances of h. The paper aligns covariances alone, with another constant;
    the term of the means, and averages over entries in place of sums, are of DomainBed (arXiv 2007.01434).
    """

    def __init__(self, counts: Sequence[int], weight: float) -> None:
        super().__init__()
        self.count, self.weight = max(counts), weight

    def forward(self, losses: Tensor, h: Tensor, domains: Tensor) -> Tensor:
        """Map losses (M, B), h (M, B, width) and domains (M, B) to the objective (M,)."""
        return losses.mean(dim=1) + self.weight * self.distance(h, domains)

    def distance(self, h: Tensor, domains: Tensor) -> Tensor:
        """Mean distance of the pairs, (M,); 0 without any."""
        inside = members_of_domains(domains, self.count)  # (M, G, B)
        sizes = inside.sum(dim=2)
        usable = (sizes >= 2).float()
        means = inside @ h / sizes.clamp(min=1).unsqueeze(-1)  # (M, G, W)
        centred = (h.unsqueeze(1) - means.unsqueeze(2)) * inside.unsqueeze(-1)  # (M, G, B, W)
        covariances = centred.mT @ centred / (sizes - 1).clamp(min=1)[..., None, None]  # (M, G, W, W)
        apart = _mean_squares_apart(means, usable) + _mean_squares_apart(
            covariances.flatten(2), usable
        )  # (M, G, G)
        pair = (usable.unsqueeze(1) * usable.unsqueeze(2)).triu(diagonal=1)
        return (apart * pair).sum(dim=(1, 2)) / pair.sum(dim=(1, 2)).clamp(min=1)


class VRex(nn.Module):
    """V-REx (Krueger et al., arXiv 2003.00688, equation 8): mean loss + weight * variance of the domains'."""

    def __init__(self, counts: Sequence[int], weight: float) -> None:
        super().__init__()
        self.count, self.weight = max(counts), weight

    def forward(self, losses: Tensor, h: Tensor, domains: Tensor) -> Tensor:
        """Map losses (M, B), h (M, B, width) and domains (M, B) to the objective (M,)."""
        means, present = domain_means(losses, members_of_domains(domains, self.count))
        count = present.sum(dim=1)
        middle = (means * present).sum(dim=1) / count
        variance = ((means - middle.unsqueeze(1)).square() * present).sum(dim=1) / count
        return losses.mean(dim=1) + self.weight * variance


class GroupDro(nn.Module):
    """GroupDRO (Sagawa et al., arXiv 1911.08731, algorithm 1): the domains that are predicted worst count most.

    Each batch multiplies the weight of every domain in it by exp(weight * its mean loss); the objective is the sum
    of the domains' mean losses by these weights. They are kept as logarithms: a domain whose weight is too small
    for a float comes back when its loss grows.
    """

    log_shares: Tensor  # (M, G), their exponentials sum to 1

    def __init__(self, counts: Sequence[int], weight: float) -> None:
        super().__init__()
        self.count, self.weight = max(counts), weight
        shares = torch.full((len(counts), self.count), -math.inf)  # of a domain that a member does not have
        for member, count in enumerate(counts):
            shares[member, :count] = -math.log(count)
        self.register_buffer("log_shares", shares)

    def forward(self, losses: Tensor, h: Tensor, domains: Tensor) -> Tensor:
        """Map losses (M, B), h (M, B, width) and domains (M, B) to the objective (M,); moves the weights."""
        means, present = domain_means(losses, members_of_domains(domains, self.count))
        raised = self.log_shares + self.weight * (means.detach() * present)
        self.log_shares.copy_(raised.log_softmax(dim=1))
        return (self.log_shares.exp() * means).sum(dim=1)


def _mean_squares_apart(x: Tensor, usable: Tensor) -> Tensor:
    """Mean squared difference of all pairs of rows that are ``usable`` (M, G): (M, G, F) -> (M, G, G)."""
    # squares and products cancel each other: without what all rows have in common, rounding would swallow the rest
    middle = torch.einsum("mg,mgf->mf", usable, x.detach()) / usable.sum(dim=1, keepdim=True).clamp(min=1)
    x = x - middle.unsqueeze(1)
    squares = x.square().sum(dim=-1)
    products = x @ x.mT
    apart = squares.unsqueeze(1) + squares.unsqueeze(2) - 2 * products
    return apart.clamp(min=0) / x.shape[-1]
