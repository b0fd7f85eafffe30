"""The kinds of encoder. A new one is a class (see `interface.Encoder` beside this file) and one line here."""

from typing import Any

import torch

from datmos.embedding.encoders.distillmos import DistillmosEncoder
from datmos.embedding.encoders.huggingface import TransformersEncoder
from datmos.embedding.encoders.interface import Encoder
from datmos.embedding.encoders.torchaudio_pipelines import TorchaudioEncoder
from datmos.params.schema import EncoderParams

ENCODERS: dict[str, Any] = {
    "distillmos": DistillmosEncoder,
    "transformers": TransformersEncoder,
    "torchaudio": TorchaudioEncoder,
}


def find_encoder(params: EncoderParams, pooled_layer: int | None, device: torch.device) -> Encoder:
    """Find the encoder that ``params`` names, without its weights.

    Its ``layers`` are the head's, the extra ones, and last the one that is only pooled.

    Args:
        params: which encoder and layers.
        pooled_layer: layer whose time mean is clustered; None: the head's.
        device: where it will compute.

    Raises:
        DatmosError: the model can't be found, or has no such layer.
    """
    layers = [params.layer, *params.extra_layers, params.layer if pooled_layer is None else pooled_layer]
    encoder: Encoder = ENCODERS[params.kind](params, layers, device)
    return encoder
