"""A model of this backbone on disk: safetensors and JSON; and made again from them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from datmos.audiobox.encoder_configs import check_configs
from datmos.audiobox.model import AudioboxModel, Shape
from datmos.core.errors import DatmosError, first_line
from datmos.core.files import write_json
from datmos.core.paths import weights_file
from datmos.core.tensors import TensorKind, kinds_of, read_tensors, save_tensors
from datmos.core.untrusted import Finite, Text, Untrusted, checked, read_object

UNSAVED = ("_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype")  # where it came from


class Recipe(NamedTuple):
    """All of a model but its weights."""

    shape: Shape
    config: Any  # of the encoder, transformers
    extractor: Any  # transformers' feature extractor, which makes the encoder's inputs


class ShapeConfig(Untrusted, extra="forbid"):
    """`Shape` as JSON."""

    aspects: Annotated[list[Text], Field(min_length=1, max_length=100)]
    layers: Annotated[int, Field(ge=1, le=100)]
    layer_norm: bool
    dropout: Annotated[Finite, Field(ge=0, lt=1)]
    normalise: bool


class SavedConfig(Untrusted):
    """What a model is made from, as config.json has it."""

    model: ShapeConfig
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**63)]], Field(min_length=1, max_length=1000)]
    encoder: dict[str, Any]
    extractor: dict[str, Any]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.model.aspects)) < len(self.model.aspects):
            raise ValueError(f"model.aspects: every name once is expected, got {self.model.aspects}")
        check_configs(self.encoder, self.extractor)
        return self


def make_model(recipe: Recipe) -> AudioboxModel:
    """Make a model with random weights, drawn from torch's global generator.

    Layers are never dropped, since every hidden state is summed, and nothing is masked, as in Meta's training.
    """
    from transformers import AutoModel

    encoder = AutoModel.from_config(plain_config(recipe.config), trust_remote_code=False)
    return AudioboxModel(encoder.encoder if recipe.config.is_encoder_decoder else encoder, recipe.shape)


def plain_config(config: Any) -> Any:
    """Switch off whatever hides frames or drops layers while training; changes ``config`` and returns it."""
    for name, value in {"layerdrop": 0.0, "encoder_layerdrop": 0.0, "mask_time_prob": 0.0, "mask_feature_prob": 0.0,
                        "apply_spec_augment": False}.items():  # fmt: skip
        if hasattr(config, name):
            setattr(config, name, value)
    return config


def load_weights(model: AudioboxModel, weights: Mapping[str, Tensor], whole: bool = False) -> AudioboxModel:
    """Put weights into a model; all of its own but the heads must be there, and if ``whole``, the heads too.

    Raises:
        DatmosError: the weights are not this model's.
    """
    try:
        missing, unknown = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise DatmosError(f"weights that do not fit the model: {str(error).splitlines()[-1].strip()}") from None
    lacking = [name for name in missing if whole or name.startswith("encoder.")]
    unknown = [name for name in unknown if "masked_spec_embed" not in name]
    if lacking or unknown:
        raise DatmosError(f"weights that do not fit the model: missing {lacking[:3]}, unknown {unknown[:3]}")
    return model


def check_fit(recipe: Recipe, weights: Mapping[str, Tensor]) -> None:
    """See that weights are a whole model's, before it is made: its config alone may ask for any size.

    Raises:
        DatmosError: they are not, or no model can be made of the recipe.
    """
    found = {name: kind.shape for name, kind in kinds_of(weights).items()}
    for name, kind in _expected(recipe).items():
        if found.get(name) != kind.shape:
            raise DatmosError(
                f"weights that do not fit the model: {name} {kind.shape} is expected, found {found.get(name)}"
            )


def _expected(recipe: Recipe) -> dict[str, TensorKind]:
    try:
        with torch.device("meta"):  # sizes that nobody has checked cost nothing there
            return kinds_of(make_model(recipe).state_dict())
    except Exception as error:  # sizes that do not go together
        raise DatmosError(f"no model can be made by its config.json ({first_line(error)})") from None


def save_models(
    folder: Path, recipe: Recipe, details: Mapping[str, Any], weights: Mapping[int, Mapping[str, Tensor]]
) -> None:
    """Write ``config.json`` and a file of weights for every seed into an existing folder."""
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
        save_tensors(weights_file(folder, seed), tensors)


def load_recipe(folder: Path) -> tuple[Recipe, dict[str, Any]]:
    """Read the config that `save_models` wrote: the recipe, and everything in the file.

    Raises:
        DatmosError: the file is missing, or is not what `save_models` writes.
    """
    import transformers

    path = folder / "config.json"
    content = read_object(path)
    known: SavedConfig = checked(SavedConfig, path, content)
    shape = Shape(**known.model.model_dump() | {"aspects": tuple(known.model.aspects)})
    encoder = dict(known.encoder)
    try:
        config = transformers.AutoConfig.for_model(encoder.pop("model_type"), **encoder)
        kind = getattr(transformers, known.extractor["feature_extractor_type"])
        extractor = kind.from_dict(known.extractor)
    except Exception as error:  # what transformers thinks of values that it does not expect
        raise DatmosError(f"{path}: transformers can't make its encoder of it ({first_line(error)})") from None
    return Recipe(shape, config, extractor), content


def load_model(folder: Path, recipe: Recipe, seed: int) -> AudioboxModel:
    """Read one seed's model of a folder that `save_models` wrote, in evaluation mode.

    Raises:
        DatmosError: the file is missing, or is not what `save_models` writes.
    """
    path = weights_file(folder, seed)
    weights = read_tensors(path, _expected(recipe))
    if not bool((weights["target_std"] > 0).all()):
        raise DatmosError(f"{path}: target_std above 0 is expected")
    return load_weights(make_model(recipe), weights, whole=True).eval()
