"""The adversaries of a strategy: each a domain classifier behind a gradient reversal, weighted by its lambda.

Each classifier learns to read its domains from h, the encoder of the head to hide them (paper, arXiv 2603.16201).
With lambda 0 the classifier learns too, but nothing flows back from it: its accuracy tells what h gives away.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from datmos.core.device import mixed_precision
from datmos.core.seeding import torch_seed
from datmos.heads.stacked import stack
from datmos.training.classifier import DomainClassifier
from datmos.training.objective import Batch, Setup, Term


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

    Attributes:
        weight: of its cross-entropy in the loss.
    """

    def __init__(self, classifier: DomainClassifier, lambda_: float, rule: str) -> None:
        super().__init__()
        self.classifier = classifier
        self.weight, self.reversal = loss_weights(lambda_, rule)

    def forward(self, view: Tensor, domains: Tensor) -> tuple[Tensor, Tensor]:
        """Read domains from h.

        Args:
            view: what it sees of h, (M, B, W).
            domains: of the clips, int64, (M, B).

        Returns:
            Cross-entropy of every clip, nats, and 1.0 where the domain was read right; (M, B) each.
        """
        with mixed_precision(view.device):
            logits = self.classifier(view, self.reversal)
        entropy = self.classifier.loss(logits, domains)
        return entropy, (logits.argmax(dim=-1) == domains).float()


class Adversaries(Term):
    """All adversaries of a strategy: the sum of ``weight * mean cross-entropy``."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        strategy, labels = setup.strategy, setup.domains
        self.columns = adversary_columns(setup.branches)
        self.adversaries = [
            Adversary(
                _stacked_classifier(setup, branch, labels[..., branch]),
                lambda_,
                setup.train.reversal,
            )
            for branch, lambda_ in enumerate(strategy.lambda_)
        ]
        self.classifier = nn.ModuleList(adversary.classifier for adversary in self.adversaries)

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Weighted cross-entropy; cross-entropy and accuracy of each adversary."""
        total, seen = torch.zeros(()), []
        for branch, adversary in enumerate(self.adversaries):
            entropy, hits = adversary(batch.view, batch.domains[..., branch])
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


def _stacked_classifier(setup: Setup, branch: int, labels: Tensor) -> DomainClassifier:
    """Make one branch's classifier for all members, labels (M, N); those with fewer domains are padded."""
    counts = (labels.amax(dim=1) + 1).tolist()
    widths = (setup.head.view_width, *setup.head.classifier_widths)
    made = []
    for seed, count in zip(setup.seeds, counts, strict=True):
        with torch_seed("adversary", seed, branch):
            made.append(DomainClassifier(widths, count, padded=max(counts)))
    return stack(made)
