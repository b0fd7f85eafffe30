"""A head in the style of AESA-Net: all layers of the encoder, an LSTM with attention, a branch for each aspect."""

import torch
from torch import Tensor, nn

from datmos.heads.drasp import average_segments
from datmos.heads.interface import Encoded, Gaussian, Head, HeadOptions
from datmos.heads.stacked import Linear, Noise, attention, dropout, perceptron

POOLED, ADAPTED, CELLS = 5, 128, 64  # frames averaged into one; width of the adapter; cells a direction


class AesaNetStyle(Head):
    """After AESA-Net (Wisnu et al., arXiv 2509.03292): softmax-weighted layers, adapter, LSTM, attention, branches.

    No code of it is public. Assumed: frames are averaged by five before the LSTM (it then takes a fifth of the
    time); adapter: linear, ReLU, dropout, 128 wide; one bidirectional LSTM of 64 cells a direction; attention over
    time as softmax of ``v' tanh(W x + b)``; its sum is h, shared by a perceptron 64 wide for the mean of each
    aspect. The covariance that other heads predict comes from one more perceptron. The encoder here is whichever
    params.yaml names (theirs is BEATs); channels are standardised by the statistics of its first stored layer.
    """

    reads = "layers"

    def __init__(self, options: HeadOptions) -> None:
        super().__init__(options, 2 * CELLS)
        aspects = len(options.aspects)
        self.layer_logits = nn.Parameter(torch.zeros(1, options.layers))  # (M, L)
        self.adapter = Linear(options.dimension, ADAPTED)
        lstm = nn.LSTM(ADAPTED, CELLS, bidirectional=True)  # for its first weights
        self.lstm = nn.ParameterList([parameter.detach().unsqueeze(0) for parameter in lstm.parameters()])
        self.attention = attention(self.width, CELLS)
        self.branches = nn.ModuleList(perceptron(self.width, 64, 1) for _ in range(aspects))
        self.covariances = perceptron(self.width, 64, aspects * (aspects + 1) // 2)

    def encode(self, embeddings: Tensor, noise: Noise | None = None) -> Encoded:
        """Map embeddings of all layers, (B, L, D, T) or (M, B, L, D, T), to h (M, B, width)."""
        frames = average_segments(embeddings, POOLED)
        weights = self.layer_logits.softmax(dim=1)  # (M, L)
        shared = "bldt" if frames.dim() == 4 else "mbldt"
        frames = torch.einsum(f"ml,{shared}->mbdt", weights, frames)
        frames = ((frames - self.shift.unsqueeze(1)) * self.gain.unsqueeze(1)).mT  # (M, B, T, D)
        adapted = self.adapter(frames).relu()
        states = self._recur(dropout(adapted, self.options.dropout, noise, dim=0))  # (M, B, T, width)
        scores = self.attention(states)
        h = (scores.softmax(dim=2) * states).sum(dim=2)
        return Encoded(h, h)

    def predict(self, h: Tensor) -> Gaussian:
        """Map h (M, B, width) to the distribution of the scores."""
        return self.to_gaussian(torch.cat([*(branch(h) for branch in self.branches), self.covariances(h)], dim=-1))

    def _recur(self, x: Tensor) -> Tensor:
        """Run each member's LSTM over (M, B, T, inputs): (M, B, T, width)."""
        outputs = []
        with torch.autocast(x.device.type, enabled=False):  # what it sums up over time would lose too much
            for member, own in enumerate(x.float()):
                start = own.new_zeros(2, len(own), CELLS)
                weights = [parameter[member] for parameter in self.lstm]
                output, _, _ = torch.lstm(own, (start, start), weights, True, 1, 0.0, self.training, True, True)
                outputs.append(output)
        return torch.stack(outputs)
