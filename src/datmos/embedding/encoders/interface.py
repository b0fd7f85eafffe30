"""What `datmos.embedding.embed` needs of an encoder."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from datmos.core.errors import DatmosError


class Encoder(Protocol):
    """A frozen model whose transformer blocks are read.

    Layers are counted from 1: layer n is the output of the n-th block, what transformers calls
    ``hidden_states[n]``; the authors' "index 11" is layer 12. An encoder is made without its weights, so that a
    run that finds everything in the cache never loads them; `load` comes before the first call.
    """

    identity: dict[str, Any]  # name, revision, dtype: what fixes the values it gives
    layers: tuple[int | None, ...]  # which it returns, in this order; none above the highest is ever run. None: see
    # the encoder; most replace it by their last layer
    sample_rate: int  # of the waveforms it takes, Hz
    hop: int  # samples between two frames

    def load(self) -> None:
        """Read the weights and put the network on its device."""

    def prepare(self, waveform: Tensor) -> dict[str, Tensor]:
        """Turn one waveform, float32 (samples,), into the network's inputs, as it was trained. Runs on the CPU."""

    def __call__(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Map stacked inputs (B, ...) to embeddings (B, D, T), one for each of ``layers``."""


def resolve_layers(wanted: Sequence[int | None], blocks: int, model: str, first: int = 1) -> tuple[int, ...]:
    """Replace None by the last layer; layers are counted from ``first``.

    Raises:
        DatmosError: there is no such layer.
    """
    layers = tuple(blocks if layer is None else layer for layer in wanted)
    if max(layers) > blocks or min(layers) < first:
        raise DatmosError(
            f"{model} has {blocks} layers, counted from {first}; encoder.layer, encoder.extra_layers and "
            f"kmeans.layer ask for {', '.join(map(str, layers))}"
        )
    return layers


def describe_encoder(name: str, revision: str | None, dtype: torch.dtype) -> dict[str, Any]:
    """Make the ``identity`` of an encoder."""
    return {"name": name, "revision": revision, "dtype": str(dtype).removeprefix("torch.")}


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the number format to compute in: ``auto`` is half precision on CUDA, float32 elsewhere."""
    if name != "auto":
        dtype: torch.dtype = getattr(torch, name)
        return dtype
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
