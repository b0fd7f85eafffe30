"""A model of this backbone on disk: safetensors and JSON; and made again from them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import load_file, save_file
from torch import Tensor

from datmos.audiobox.model import AudioboxModel, Shape
from datmos.core.errors import DatmosError
from datmos.core.files import read_json, write_json

UNSAVED = ("_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype")  # where it came from


class Recipe(NamedTuple):
    """All of a model but its weights."""

    shape: Shape
    config: Any  # of the encoder, transformers
    extractor: Any  # transformers' feature extractor, which makes the encoder's inputs


def make_model(recipe: Recipe) -> AudioboxModel:
    """Make a model with random weights, drawn from torch's global generator.

    Layers are never dropped, since every hidden state is summed, and nothing is masked, as in Meta's training.
    """
    from transformers import AutoModel

    encoder = AutoModel.from_config(plain_config(recipe.config))
    return AudioboxModel(encoder.encoder if recipe.config.is_encoder_decoder else encoder, recipe.shape)


def plain_config(config: Any) -> Any:
    """Switch off whatever hides frames or drops layers while training; changes ``config`` and returns it."""
    for name, value in {"layerdrop": 0.0, "encoder_layerdrop": 0.0, "mask_time_prob": 0.0, "mask_feature_prob": 0.0,
                        "apply_spec_augment": False}.items():  # fmt: skip
        if hasattr(config, name):
            setattr(config, name, value)
    return config


def load_weights(model: AudioboxModel, weights: Mapping[str, Tensor]) -> AudioboxModel:
    """Put weights into a model; all of its own but the heads must be there.

    Raises:
        DatmosError: the weights are not this model's.
    """
    try:
        missing, unknown = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise DatmosError(f"weights that do not fit the model: {str(error).splitlines()[-1].strip()}") from None
    lacking = [name for name in missing if name.startswith("encoder.")]
    unknown = [name for name in unknown if "masked_spec_embed" not in name]
    if lacking or unknown:
        raise DatmosError(f"weights that do not fit the model: missing {lacking[:3]}, unknown {unknown[:3]}")
    return model


def save_models(
    folder: Path, recipe: Recipe, details: Mapping[str, Any], weights: Mapping[int, Mapping[str, Tensor]]
) -> None:
    """Write ``config.json`` and one ``seed_<n>.safetensors`` for every seed into an existing folder."""
    config = json.loads(recipe.config.to_json_string(use_diff=False))
    write_json(
        folder / "config.json",
        {
            **details,
            "seeds": list(weights),
            "model": recipe.shape._asdict(),
            "encoder": {name: value for name, value in config.items() if name not in UNSAVED},
            "extractor": json.loads(recipe.extractor.to_json_string()),
        },
    )
    for seed, tensors in weights.items():
        save_file({n: value.contiguous() for n, value in tensors.items()}, folder / f"seed_{seed}.safetensors")


def load_recipe(folder: Path) -> tuple[Recipe, dict[str, Any]]:
    """Read the config that `save_models` wrote: the recipe, and everything in the file."""
    import transformers

    content = read_json(folder / "config.json")
    shape = Shape(**content["model"] | {"aspects": tuple(content["model"]["aspects"])})
    encoder = dict(content["encoder"])
    config = transformers.AutoConfig.for_model(encoder.pop("model_type"), **encoder)
    extractor_kind = getattr(transformers, content["extractor"]["feature_extractor_type"])
    return Recipe(shape, config, extractor_kind.from_dict(content["extractor"])), content


def load_model(folder: Path, recipe: Recipe, seed: int) -> AudioboxModel:
    """Read one seed's model of a folder that `save_models` wrote, in evaluation mode."""
    return load_weights(make_model(recipe), load_file(folder / f"seed_{seed}.safetensors")).eval()
