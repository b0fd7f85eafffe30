"""The task: to predict the ratings."""

from torch import Tensor

from datmos.core.registry import find
from datmos.heads.interface import Gaussian
from datmos.training.objective import Batch, Setup, Term
from datmos.training.settings import TASK_LOSSES


class Task(Term):
    """The mean loss of the clips."""

    columns = ("task_loss",)

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        strategy = setup.strategy
        self.of_clips, self.ratings = find(TASK_LOSSES, strategy.loss), setup.ratings

    def losses(self, predicted: Gaussian, scores: Tensor) -> Tensor:
        """Loss of every clip, (M, B)."""
        losses: Tensor = self.of_clips(predicted, scores, self.ratings)
        return losses

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss, and the same for the curves."""
        loss = self.losses(batch.predicted, batch.scores).mean(dim=1)
        return loss, loss.unsqueeze(1)
