"""Finding the encoder that params.yaml names."""

import torch

from datmos.core.registry import find
from datmos.embedding.encoders.interface import Encoder
from datmos.embedding.settings import ENCODERS, EncoderParams


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
    encoder: Encoder = find(ENCODERS, params.kind)(params, layers, device)
    return encoder
