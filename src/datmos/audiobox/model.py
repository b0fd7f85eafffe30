"""The Audiobox-Aesthetics architecture on any transformers encoder.

Tjandra et al., "Meta Audiobox Aesthetics: Unified Automatic Quality Assessment for Speech, Music, and Sound"
(arXiv 2502.05139): for each aspect a softmax-weighted sum of all hidden states, its mean over the frames that hold
audio, an L2 norm, and an MLP that predicts the z-scored rating.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Inputs = dict[str, Tensor]  # what the encoder's feature extractor makes of B waveforms, with "attention_mask"


class Shape(NamedTuple):
    """What a model is made for, next to its encoder."""

    aspects: tuple[str, ...]
    layers: int = 5  # linear layers of an aspect's MLP
    layer_norm: bool = True  # after all of them but the last
    dropout: float = 0.0  # likewise
    normalise: bool = True  # pooled vectors to length 1


class AudioboxModel(nn.Module):
    """An encoder, pooling, and an MLP for each of A aspects.

    Attributes:
        target_mean, target_std: (A,), of the ratings that the outputs are z-scored by.
        spread: (A, A), upper triangular factor of the covariance of errors, rating points; 0 if not known.
        width: of h, the pooled vectors of all aspects side by side.
    """

    target_mean: Tensor
    target_std: Tensor
    spread: Tensor

    def __init__(self, encoder: Any, shape: Shape) -> None:
        super().__init__()
        self.encoder, self.shape = encoder, shape
        aspects, channels = len(shape.aspects), int(encoder.config.hidden_size)
        states = int(encoder.config.num_hidden_layers) + 1  # the embedding layer is the first
        self.layer_weights = nn.Parameter(torch.full((aspects, states), 1 / states))
        self.heads = nn.ModuleList(_mlp(channels, shape) for _ in shape.aspects)
        self.register_buffer("target_mean", torch.zeros(aspects))
        self.register_buffer("target_std", torch.ones(aspects))
        self.register_buffer("spread", torch.zeros(aspects, aspects))
        self.width = aspects * channels

    def pool(self, inputs: Inputs) -> Tensor:
        """Map the inputs of B clips to pooled vectors, float32, (B, A, C)."""
        means = self._time_means(inputs)
        pooled = torch.einsum("blc,al->bac", means, self.layer_weights.softmax(dim=1))
        return functional.normalize(pooled, dim=-1) if self.shape.normalise else pooled

    def predict(self, pooled: Tensor) -> Tensor:
        """Map pooled vectors (B, A, C) to z-scored ratings, float32, (B, A)."""
        outputs = [head(own) for head, own in zip(self.heads, pooled.unbind(dim=1), strict=True)]
        return torch.cat(outputs, dim=1).float()

    def forward(self, inputs: Inputs) -> Tensor:
        """Map the inputs of B clips to predicted ratings, (B, A)."""
        return self.denormalise(self.predict(self.pool(inputs)))

    def normalise(self, scores: Tensor) -> Tensor:
        """Z-score ratings (..., A)."""
        return (scores - self.target_mean) / self.target_std

    def denormalise(self, z: Tensor) -> Tensor:
        """Undo `normalise`."""
        return z * self.target_std + self.target_mean

    def last_means(self, inputs: Inputs) -> Tensor:
        """Time mean of the encoder's last hidden state, what is clustered for DAT-Kmeans: float32, (B, C)."""
        return self._time_means(inputs)[:, -1]

    def _time_means(self, inputs: Inputs) -> Tensor:
        """Mean of every hidden state over the frames that hold audio, float32, (B, L, C).

        A mean over time and a sum over layers may change places: the mean first needs a fraction of the memory.
        """
        mask = inputs["attention_mask"]  # (B, positions)
        lengths = mask.sum(dim=1)
        name = self.encoder.main_input_name
        total = _frames_of(mask.shape[1], self.encoder.config) if name == "input_values" else None
        options = {}
        if total is not None:
            # what transformers makes of a mask in samples drops the last frames, which hold some audio too
            frames = count_frames(lengths, mask.shape[1], total)
            samples = samples_of(frames, self.encoder.config)
            options["attention_mask"] = (torch.arange(mask.shape[1], device=mask.device) < samples[:, None]).long()
        else:
            options["attention_mask"] = mask
        states = self.encoder(inputs[name], **options, output_hidden_states=True).hidden_states
        count = states[0].shape[1]
        frames = count_frames(lengths, mask.shape[1], count)
        kept = torch.arange(count, device=mask.device) < frames[:, None]  # (B, T)
        share = (kept / frames[:, None]).unsqueeze(1)  # (B, 1, T): each frame's weight in the mean
        with torch.autocast(mask.device.type, enabled=False):
            return torch.stack([(share @ state.float()).squeeze(1) for state in states], dim=1)


def count_frames(lengths: Tensor, positions: int, frames: int) -> Tensor:
    """Count the frames that hold audio, as Meta's WavLM does: one that is padding in part counts.

    Args:
        lengths: positions (samples, or frames of a spectrogram) that hold audio, int64, (B,).
        positions: with the padding.
        frames: of the encoder, with the padding.
    """
    return torch.ceil(lengths / (positions // frames)).long().clamp(1, frames)


def samples_of(frames: Tensor, config: Any) -> Tensor:
    """Return how many samples it takes at least until an encoder's convolutions return ``frames`` frames, (B,)."""
    samples = frames
    for kernel, stride in reversed(list(zip(config.conv_kernel, config.conv_stride, strict=True))):
        samples = (samples - 1) * stride + kernel
    return samples


def _frames_of(samples: int, config: Any) -> int:
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        samples = (samples - kernel) // stride + 1
    return samples


def _mlp(channels: int, shape: Shape) -> nn.Sequential:
    """Linear layers of equal width with layer norm, GELU and dropout between them, and one output."""
    parts: list[nn.Module] = []
    for _ in range(shape.layers - 1):
        parts += [nn.Linear(channels, channels)]
        parts += [nn.LayerNorm(channels)] if shape.layer_norm else []
        parts += [nn.GELU()]
        parts += [nn.Dropout(shape.dropout)] if shape.dropout > 0 else []
    return nn.Sequential(*parts, nn.Linear(channels, 1))
