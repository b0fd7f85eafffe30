"""C-Mixup: partners of like scores for every clip."""

import numpy as np
import torch
from torch import Tensor


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
