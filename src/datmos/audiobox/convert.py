"""Meta's published weights in our layout: its own WavLM becomes transformers' WavLM."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from datmos.audiobox.model import Shape
from datmos.core.errors import DatmosError, listing
from datmos.core.untrusted import Finite, Text, Untrusted, checked

STRIDES = (5, 2, 2, 2, 2, 2, 2)  # of WavLM's convolutions; everything else can be read off the weights
MAX_DISTANCE = 800  # of its relative positions
# Meta's name of a part of WavLM -> transformers'
WAVLM_NAMES = (
    (r"feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
    (r"feature_extractor\.conv_layers\.(\d+)\.2\.", r"feature_extractor.conv_layers.\1.layer_norm."),
    (r"layer_norm\.", "feature_projection.layer_norm."),
    (r"post_extract_proj\.", "feature_projection.projection."),
    (r"encoder\.pos_conv\.0\.weight_g", "encoder.pos_conv_embed.conv.parametrizations.weight.original0"),
    (r"encoder\.pos_conv\.0\.weight_v", "encoder.pos_conv_embed.conv.parametrizations.weight.original1"),
    (r"encoder\.pos_conv\.0\.parametrizations", "encoder.pos_conv_embed.conv.parametrizations"),
    (r"encoder\.pos_conv\.0\.bias", "encoder.pos_conv_embed.conv.bias"),
    (r"(encoder\.layers\.\d+\.)self_attn\.grep_linear\.", r"\1attention.gru_rel_pos_linear."),
    (r"(encoder\.layers\.\d+\.)self_attn\.grep_a", r"\1attention.gru_rel_pos_const"),
    (r"(encoder\.layers\.\d+\.)self_attn\.relative_attention_bias\.", r"\1attention.rel_attn_embed."),
    (r"(encoder\.layers\.\d+\.)self_attn\.", r"\1attention."),
    (r"(encoder\.layers\.\d+\.)self_attn_layer_norm\.", r"\1layer_norm."),
    (r"(encoder\.layers\.\d+\.)fc1\.", r"\1feed_forward.intermediate_dense."),
    (r"(encoder\.layers\.\d+\.)fc2\.", r"\1feed_forward.output_dense."),
)


class Transform(Untrusted):
    """What an aspect's ratings are z-scored by."""

    mean: Finite
    std: Annotated[Finite, Field(gt=0)]


class PublishedConfig(Untrusted):
    """What the published config has to say; others of its architecture are not read."""

    proj_num_layer: Annotated[int, Field(ge=1, le=100)]
    proj_ln: bool
    proj_dropout: Annotated[Finite, Field(ge=0, lt=1)]
    normalize_embed: bool
    target_transform: Annotated[dict[Text, Transform], Field(max_length=100)]
    use_weighted_layer_sum: Literal[True] = True
    output_dim: Literal[1] = 1
    proj_act_fn: Literal["gelu"] = "gelu"


def convert(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> tuple[Shape, Any, dict[str, Tensor]]:
    """Convert what Meta published.

    Args:
        config: proj_num_layer, proj_ln, proj_dropout, normalize_embed, target_transform, ...: the arguments of its
            model class.
        weights: wavlm_model.*, proj_layer.<aspect>.*, layer_weights.<aspect>; a checkpoint's "model." before them
            is left out.

    Returns:
        The shape of the model, the config of its encoder (transformers), and the weights under our names.

    Raises:
        DatmosError: something other than the published architecture.
    """
    weights = {name.removeprefix("model."): value for name, value in weights.items()}
    known: PublishedConfig = checked(PublishedConfig, "Audiobox-Aesthetics weights", config)
    transform = known.target_transform
    aspects = tuple(name.removeprefix("layer_weights.") for name in weights if name.startswith("layer_weights."))
    if not 1 <= len(aspects) <= len(transform) or set(aspects) - set(transform):
        raise DatmosError(
            "Audiobox-Aesthetics weights: layer weights of the aspects and their target_transform are expected, "
            f"found those of {listing(aspects)} and {listing(transform)}"
        )
    shape = Shape(
        aspects,
        layers=known.proj_num_layer,
        layer_norm=known.proj_ln,
        dropout=known.proj_dropout,
        normalise=known.normalize_embed,
    )
    own = {f"encoder.{name}": value for name, value in _wavlm_weights(weights).items()}
    own["layer_weights"] = torch.stack([weights[f"layer_weights.{aspect}"] for aspect in aspects])
    for place, aspect in enumerate(aspects):
        prefix = f"proj_layer.{aspect}."
        heads = {n.removeprefix(prefix): value for n, value in weights.items() if n.startswith(prefix)}
        own |= {f"heads.{place}.{name}": value for name, value in heads.items()}
    own["target_mean"] = torch.tensor([transform[aspect].mean for aspect in aspects])
    own["target_std"] = torch.tensor([transform[aspect].std for aspect in aspects])
    own["spread"] = torch.zeros(len(aspects), len(aspects))
    return shape, wavlm_config(weights), {name: value.float() for name, value in own.items()}


def _wavlm_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {}
    for name, value in weights.items():
        if not name.startswith("wavlm_model.") or name.endswith(".mask_emb"):  # it hides frames in pretraining
            continue
        name = name.removeprefix("wavlm_model.")
        for pattern, new in WAVLM_NAMES:
            if re.match(pattern, name):
                name = re.sub(f"^{pattern}", new, name)
                break
        found[name] = value
    return found


def wavlm_config(weights: Mapping[str, Tensor]) -> Any:
    """Read the size of Meta's WavLM off its weights; returns a ``WavLMConfig``.

    Raises:
        DatmosError: not a WavLM of the published architecture.
    """
    from transformers import WavLMConfig

    prefix = "wavlm_model."
    own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    try:
        kernels = [own[f"feature_extractor.conv_layers.{i}.0.weight"] for i in range(len(STRIDES))]
        position = own.get("encoder.pos_conv.0.weight_v")
        if position is None:
            position = own["encoder.pos_conv.0.parametrizations.weight.original1"]
        buckets, heads = own["encoder.layers.0.self_attn.relative_attention_bias.weight"].shape
        inner = own["encoder.layers.0.fc1.weight"].shape[0]
        width = own["post_extract_proj.weight"].shape[0]
    except KeyError as missing:
        raise DatmosError(f"Audiobox-Aesthetics weights: {missing} of WavLM is missing") from None
    blocks = {name.split(".")[2] for name in own if name.startswith("encoder.layers.")}
    return WavLMConfig(
        hidden_size=width,
        num_hidden_layers=len(blocks),
        num_attention_heads=heads,
        intermediate_size=inner,
        conv_dim=[kernel.shape[0] for kernel in kernels],
        conv_kernel=[kernel.shape[2] for kernel in kernels],
        conv_stride=list(STRIDES),
        num_conv_pos_embeddings=position.shape[2],
        num_conv_pos_embedding_groups=width // position.shape[1],
        num_buckets=buckets,
        max_bucket_distance=MAX_DISTANCE,
        hidden_dropout=0.1,
        attention_dropout=0.1,
        feat_proj_dropout=0.1,
        activation_dropout=0.0,
    )
