"""The triplet loss with a buffer, of AESA-Net."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from datmos.training.objective import Batch, Setup, Term
from datmos.training.settings import StrategyParams

SIZE, MARGIN = 256, 0.2


class TripletBuffer(nn.Module):
    """Pull clips of like scores together in h and push those of unlike scores apart, after AESA-Net.

    Wisnu et al., "Improving Perceptual Audio Aesthetic Assessment via Triplet Loss and Self-Supervised Embeddings"
    (arXiv 2509.03292), has a triplet loss with buffer-based sampling. No code of it is public; assumed here: the
    buffer holds the last 256 clips of earlier batches; a clip's positive is the one of the buffer with the nearest
    scores, its negative the one nearest in h among the half with the farthest scores; h has length 1; margin 0.2.

    Args:
        members: M.
        width: of h.
        aspects: A.
    """

    h: Tensor  # (M, SIZE, width)
    scores: Tensor  # (M, SIZE, A)
    clips: Tensor  # which clip it is, int64, (M, SIZE)
    pushed: Tensor  # clips so far, ()

    def __init__(self, members: int, width: int, aspects: int) -> None:
        super().__init__()
        self.register_buffer("h", torch.zeros(members, SIZE, width))
        self.register_buffer("scores", torch.zeros(members, SIZE, aspects))
        self.register_buffer("clips", torch.zeros(members, SIZE, dtype=torch.int64))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.int64))

    def loss(self, h: Tensor, scores: Tensor, clips: Tensor) -> Tensor:
        """Mean over clips of ``relu(|a - p| - |a - n| + margin)``; no clip is its own pair, of an earlier epoch.

        Args:
            h: (M, B, width).
            scores: z-scored, (M, B, A).
            clips: numbers that tell clips apart, int64, (M, B).

        Returns:
            Shape (M,); 0 while fewer than two clips are in the buffer.
        """
        filled = min(int(self.pushed), SIZE)
        if filled < 2:
            return h.sum(dim=(1, 2)) * 0
        anchors, others = functional.normalize(h, dim=-1), self.h[:, :filled]
        in_h = torch.cdist(anchors, others)  # (M, B, filled)
        same = clips.unsqueeze(-1) == self.clips[:, None, :filled]
        in_scores = torch.cdist(scores, self.scores[:, :filled]).masked_fill(same, torch.inf)
        positive = in_h.gather(-1, in_scores.argmin(dim=-1, keepdim=True)).squeeze(-1)
        unlike = in_scores > in_scores.median(dim=-1, keepdim=True).values
        negative = in_h.masked_fill(same | ~unlike, torch.inf).amin(dim=-1)
        # all scores alike: nothing is unlike, and there is no triplet
        return (positive - negative.nan_to_num(posinf=1e6) + MARGIN).relu().mean(dim=-1)

    @torch.no_grad()
    def push(self, h: Tensor, scores: Tensor, clips: Tensor) -> None:
        """Put a batch, as `loss` takes it, into the buffer in place of the oldest clips."""
        # of a batch larger than the buffer only the end: which of two writes to one place lasts is undefined
        places = (self.pushed + torch.arange(h.shape[1], device=h.device))[-SIZE:] % SIZE
        self.h[:, places] = functional.normalize(h[:, -SIZE:], dim=-1)
        self.scores[:, places] = scores[:, -SIZE:]
        self.clips[:, places] = clips[:, -SIZE:]
        self.pushed += h.shape[1]


class Triplets(Term):
    """The triplet loss of `TripletBuffer`, weighted by ``strategy.triplet``."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.weight, self.ratings = setup.strategy.triplet, setup.ratings
        self.buffer = TripletBuffer(len(setup.seeds), setup.head.width, setup.scores.shape[1])

    @classmethod
    def is_wanted(cls, strategy: StrategyParams) -> bool:
        """With a weight above 0."""
        return strategy.triplet > 0

    def loss(self, batch: Batch) -> tuple[Tensor, None]:
        """The weighted loss."""
        return self.weight * self.buffer.loss(batch.h, self.ratings.normalise(batch.scores), batch.clips), None

    def after_step(self, batch: Batch) -> None:
        """Put the batch into the buffer."""
        self.buffer.push(batch.h, self.ratings.normalise(batch.scores), batch.clips)
