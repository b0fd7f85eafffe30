"""The task: to predict the ratings, and to do so alike in every domain if an invariance is asked for."""

from torch import Tensor

from datmos.core.registry import find
from datmos.heads.interface import Gaussian
from datmos.training.objective import Batch, Setup, Term
from datmos.training.settings import INVARIANCES, TASK_LOSSES


class Task(Term):
    """What `datmos.training.invariance` makes of the losses of the clips; by default their mean."""

    columns = ("task_loss",)

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        strategy = setup.strategy
        self.of_clips, self.ratings = find(TASK_LOSSES, strategy.loss), setup.ratings
        counts = (setup.domains[..., 0].amax(dim=1) + 1).tolist()
        self.invariance = find(INVARIANCES, strategy.invariance)(counts, strategy.invariance_weight)

    def losses(self, predicted: Gaussian, scores: Tensor) -> Tensor:
        """Loss of every clip, (M, B)."""
        losses: Tensor = self.of_clips(predicted, scores, self.ratings)
        return losses

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The objective, and the mean loss."""
        losses = self.losses(batch.predicted, batch.scores)
        return self.invariance(losses, batch.h, batch.domains[..., 0]), losses.mean(dim=1, keepdim=True)
