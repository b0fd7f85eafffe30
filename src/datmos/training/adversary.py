"""The adversaries of a strategy: each a domain classifier behind a gradient reversal, weighted by its lambda.

Each classifier learns to read its domains from h, the encoder of the head to hide them (paper, arXiv 2603.16201).
With lambda 0 the classifier learns too, but nothing flows back from it: its accuracy tells what h gives away.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from datmos.core.device import mixed_precision
from datmos.core.seeding import torch_seed
from datmos.heads.stacked import stack
from datmos.training.classifier import DomainClassifier
from datmos.training.objective import Batch, Setup, Term


def warm_up(progress: float) -> float:
    """Return the factor of lambda at ``progress`` (0..1) of the training: 2 / (1 + exp(-10 p)) - 1.

    Ganin et al. (arXiv 1505.07818), section 5.2: the encoder first learns the task. As there, it weakens what the
    encoder sees; the classifier itself learns from the start.
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1


def loss_weights(lambda_: float, rule: str) -> tuple[float, float]:
    """Weight of the classifier's loss, and scale of the gradient reversal behind it.

    ``rule`` is ``train.reversal``: "one", or "lambda" for -lambda^2 at the encoder. With lambda 0 the classifier
    learns, and only watches.
    """
    if lambda_ == 0:
        return 1.0, 0.0
    return lambda_, lambda_ if rule == "lambda" else 1.0


class Adversary(nn.Module):
    """One domain classifier behind a gradient reversal, of M members.

    Args:
        classifier: of all members.
        lambda_: how much it counts.
        rule: ``train.reversal``.
        smoothing: of the labels, in [0, 1).

    Attributes:
        weight: of its cross-entropy in the loss.
    """

    def __init__(self, classifier: DomainClassifier, lambda_: float, rule: str, smoothing: float = 0.0) -> None:
        super().__init__()
        self.classifier, self.smoothing = classifier, smoothing
        self.weight, self.reversal = loss_weights(lambda_, rule)

    def forward(
        self, view: Tensor, domains: Tensor, bins: Tensor | None = None, strength: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Read domains from h.

        Args:
            view: what it sees of h, (M, B, W).
            domains: of the clips, int64, (M, B).
            bins: of the clips' scores, (M, B), for a classifier that is told them.
            strength: a further factor of the reversed gradient.

        Returns:
            Cross-entropy of every clip, nats, and 1.0 where the domain was read right; (M, B) each.
        """
        with mixed_precision(view.device):
            logits = self.classifier(view, self.reversal * strength, bins)
        entropy = self.classifier.loss(logits, domains, self.smoothing)
        return entropy, (logits.argmax(dim=-1) == domains).float()


class Adversaries(Term):
    """All adversaries of a strategy: the sum of ``weight * mean cross-entropy``."""

    bins: Tensor  # of the train clips' scores, (N,)

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        strategy, labels = setup.strategy, setup.domains
        self.warms_up = strategy.warm_up
        self.columns = adversary_columns(setup.branches)
        self.adversaries = [
            Adversary(
                _stacked_classifier(setup, branch, labels[..., branch]),
                lambda_,
                setup.train.reversal,
                strategy.label_smoothing,
            )
            for branch, lambda_ in enumerate(strategy.lambda_)
        ]
        self.classifier = nn.ModuleList(adversary.classifier for adversary in self.adversaries)
        self.register_buffer("bins", bin_scores(setup.ratings.normalise(setup.scores), strategy.score_bins))

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Weighted cross-entropy; cross-entropy and accuracy of each adversary."""
        total, seen = torch.zeros(()), []
        strength = warm_up(batch.progress) if self.warms_up else 1.0
        for branch, adversary in enumerate(self.adversaries):
            view = batch.views[branch % len(batch.views)]
            entropy, hits = adversary(view, batch.domains[..., branch], self.bins[batch.clips], strength)
            total = total + adversary.weight * entropy.mean(dim=1)
            seen += [entropy.mean(dim=1), hits.mean(dim=1)]
        return total, torch.stack(seen, dim=1)

    def models(self) -> dict[str, nn.Module]:
        """The classifiers, saved beside the head."""
        return {"classifier": self.classifier}


def adversary_columns(branches: Sequence[str]) -> tuple[str, ...]:
    """Name what the curves say of each adversary; ``branches``: one name each, or ("",) for one alone."""
    return tuple(
        f"{quantity}{branch and '_'}{branch}"
        for branch in branches
        for quantity in ("adversarial_loss", "domain_accuracy")
    )


def bin_scores(normal_scores: Tensor, bins: int) -> Tensor:
    """Cut clips into ``bins`` of equal size by the mean of their z-scored aspects (N, A); int64, (N,)."""
    rank = normal_scores.mean(dim=1).argsort(stable=True).argsort(stable=True)
    return rank * bins // len(rank)


def _stacked_classifier(setup: Setup, branch: int, labels: Tensor) -> DomainClassifier:
    """Make one branch's classifier for all members, labels (M, N); those with fewer domains are padded."""
    counts = (labels.amax(dim=1) + 1).tolist()
    made = []
    for seed, count in zip(setup.seeds, counts, strict=True):
        with torch_seed("adversary", seed, branch):
            made.append(
                DomainClassifier(setup.head.view_width, count, setup.strategy.score_bins, padded=max(counts))
            )
    return stack(made)
