"""The clips of a batch: as they are, or mixed with partners of like scores (C-Mixup)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from datmos.core.seeding import stream
from datmos.heads.reader import FrameReader
from datmos.training.losses import RatingScale
from datmos.training.settings import StrategyParams
from datmos.training.stateful import Streams

BANDWIDTH = 0.5  # of C-Mixup's kernel, in standard deviations of the scores


class Batches:
    """Embeddings and scores of the train clips.

    Args:
        reader: of the embeddings.
        scores: (N, A), on the CPU.
    """

    def __init__(self, reader: FrameReader, scores: Tensor) -> None:
        self.reader, self.scores = reader, scores

    def read(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings, as `FrameReader.read` does, and scores (M, B, A) of the clips at ``places`` (M, B)."""
        return self.reader.read(places), self.scores[places]

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return nothing: nothing changes."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up nothing."""


class MixedBatches(Batches):
    """The same, every clip mixed with a partner of like scores (`draw_partners`).

    Args:
        reader, scores: see `Batches`.
        ratings: what the scores are z-scored by.
        alpha: of the Beta distribution that shares come from.
        streams: where partners and shares come from, (M,).
    """

    def __init__(
        self,
        reader: FrameReader,
        scores: Tensor,
        ratings: RatingScale,
        alpha: float,
        streams: Sequence[torch.Generator],
    ) -> None:
        super().__init__(reader, scores)
        self._normal_scores = ratings.to(scores.device).normalise(scores)
        self._alpha, self._streams = alpha, streams
        self._state = Streams({"mixup": streams})

    def read(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return mixed embeddings and scores."""
        drawn = [
            draw_partners(self._normal_scores, own, BANDWIDTH, self._alpha, source)
            for own, source in zip(places, self._streams, strict=True)
        ]
        partners, share = (torch.stack(parts) for parts in zip(*drawn, strict=True))  # (M, B) each
        scores = torch.lerp(self.scores[partners], self.scores[places], share.unsqueeze(-1))
        frames = self.reader.read(places)
        share = (share if len(places) > 1 else share[0]).to(frames.device)
        share = share.view(*share.shape, *[1] * (frames.dim() - share.dim()))
        return torch.lerp(self.reader.read(partners), frames, share), scores

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return where the streams are."""
        return self._state.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on there."""
        self._state.load_state_dict(state)


def make_batches(
    strategy: StrategyParams, reader: FrameReader, scores: Tensor, ratings: RatingScale, seeds: Sequence[int]
) -> Batches:
    """Return the batches that a strategy trains on; ``seeds`` of the members name their streams."""
    if strategy.mixup == 0:
        return Batches(reader, scores)
    return MixedBatches(reader, scores, ratings, strategy.mixup, [stream("mixup", seed) for seed in seeds])


def draw_partners(
    scores: Tensor, places: Tensor, bandwidth: float, alpha: float, stream: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw a partner for every clip of a batch, and how much of the clip itself the mixture holds.

    C-Mixup (Yao et al., "C-Mixup: Improving Generalization in Regression", arXiv 2210.05775, equation 6): partner j
    of clip i with probability proportional to ``exp(-|yi - yj|^2 / (2 bandwidth^2))``; the share from
    Beta(alpha, alpha).

    Args:
        scores: z-scored, of all clips, (N, A).
        places: of the batch's clips among them, int64, (B,).
        bandwidth: in standard deviations.
        alpha: above 0.
        stream: where both come from.

    Returns:
        Places of the partners, int64, (B,); shares in [0, 1], float32, (B,).
    """
    squares = torch.cdist(scores[places].double(), scores.double()).square()  # (B, N)
    partners = torch.multinomial((-squares / (2 * bandwidth**2)).softmax(dim=1), 1, generator=stream).squeeze(1)
    # torch's Beta takes no generator
    numbers = np.random.default_rng(int(torch.randint(2**62, (), generator=stream)))
    return partners, torch.from_numpy(numbers.beta(alpha, alpha, len(places))).float()
