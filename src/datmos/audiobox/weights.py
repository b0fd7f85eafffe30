"""Where weights come from: Meta's published ones, in each of their formats, or an encoder of transformers."""

import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from datmos.audiobox.convert import convert
from datmos.audiobox.encoder_configs import check_family
from datmos.audiobox.model import Shape
from datmos.audiobox.model_files import Recipe, check_fit, plain_config
from datmos.core.errors import DatmosError, first_line
from datmos.core.hub import HubError, hub_commit, hub_file, why_not_loaded
from datmos.core.tensors import check_complete, read_tensors
from datmos.core.untrusted import read_object

WINDOW = 10.0  # seconds that the published model hears at a time


class Start(NamedTuple):
    """What a fine-tuning starts from."""

    recipe: Recipe
    weights: dict[str, Tensor]  # of the model, or of its encoder alone


def load_start(name: str, revision: str | None, aspects: Sequence[str], mlp_layers: int) -> Start:
    """Read what a fine-tuning starts from.

    Args:
        name: Audiobox-Aesthetics weights as in `load_published`; or an encoder of transformers, hub id or folder.
        revision: of a hub id.
        aspects: of the model to train. The heads of published weights are kept if they predict all of them; else,
            and with an encoder alone, new ones are made.
        mlp_layers: of new heads on an encoder alone.

    Raises:
        DatmosError: there is no such model, it is neither, or it lacks weights.
    """
    if _is_published(name, revision):
        recipe, weights = load_published(name, revision)
        if set(aspects) <= set(recipe.shape.aspects):
            return pick_aspects(recipe, weights, aspects)
        shape = recipe.shape._replace(aspects=tuple(aspects))
        return Start(recipe._replace(shape=shape), _of_encoder(weights))
    from transformers import AutoConfig, AutoFeatureExtractor, AutoModel
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()  # else it reports that the mask of pretraining is not read
    try:
        source = {} if Path(name).is_dir() else {"revision": hub_commit(name, _pinned(name, revision))}
        config = AutoConfig.from_pretrained(name, **source)
        extractor = AutoFeatureExtractor.from_pretrained(name, **source)
        check_family(config.model_type, type(extractor).__name__)
        encoder, loaded = AutoModel.from_pretrained(
            name, config=plain_config(config), dtype=torch.float32, output_loading_info=True, **source
        )
    except (OSError, ValueError, ImportError, HubError) as error:
        raise DatmosError(why_not_loaded(name, revision, error, "name it instead")) from None
    finally:
        logging.set_verbosity(level)
    check_complete(name, loaded, "encoder." if config.is_encoder_decoder else "")
    encoder = encoder.encoder if config.is_encoder_decoder else encoder
    state = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
    return Start(Recipe(Shape(tuple(aspects), mlp_layers), config, extractor), state)


def load_published(name: str, revision: str | None) -> tuple[Recipe, dict[str, Tensor]]:
    """Read Audiobox-Aesthetics weights as Meta publishes them, converted to our layout.

    Args:
        name: hub id (facebook/audiobox-aesthetics), a folder with its config.json and model.safetensors, or Meta's
            checkpoint.pt, of which only tensors and plain values are read.
        revision: of a hub id.

    Raises:
        DatmosError: there is no such model, or it is something else.
    """
    from transformers import Wav2Vec2FeatureExtractor

    config, weights = _read_checkpoint(Path(name)) if _is_file(name) else _read_hub_format(name, revision)
    shape, encoder_config, own = convert(config, weights)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    recipe = Recipe(shape, encoder_config, extractor)
    check_fit(recipe, own)
    return recipe, own


def pick_aspects(recipe: Recipe, weights: Mapping[str, Tensor], aspects: Sequence[str]) -> Start:
    """Keep the heads of ``aspects``, in this order.

    Raises:
        DatmosError: the model does not predict one of them.
    """
    if unknown := [aspect for aspect in aspects if aspect not in recipe.shape.aspects]:
        raise DatmosError(
            f"the published model predicts {', '.join(recipe.shape.aspects)}; data.aspects has "
            f"{', '.join(unknown)}. Leave the model out, or name the columns of your ratings as it does"
        )
    places = [recipe.shape.aspects.index(aspect) for aspect in aspects]
    picked = _of_encoder(weights)
    for name in ("layer_weights", "target_mean", "target_std"):
        picked[name] = weights[name][places]
    picked["spread"] = torch.zeros(len(places), len(places))
    for new, old in enumerate(places):
        prefix = f"heads.{old}."
        for name, value in weights.items():
            if name.startswith(prefix):
                picked[f"heads.{new}.{name.removeprefix(prefix)}"] = value
    return Start(recipe._replace(shape=recipe.shape._replace(aspects=tuple(aspects))), picked)


def _of_encoder(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in weights.items() if name.startswith("encoder.")}


def _is_file(name: str) -> bool:
    return Path(name).suffix == ".pt"


def _is_published(name: str, revision: str | None) -> bool:
    if _is_file(name):
        return True
    config = _hub_file(name, revision, "config.json")
    return "proj_num_layer" in read_object(config)


def _read_checkpoint(path: Path) -> tuple[Mapping[str, Any], Mapping[str, Tensor]]:
    if not path.is_file():
        raise DatmosError(f"{path}: no such file (looked in {Path.cwd()}); Meta's checkpoint.pt is expected")
    try:
        _check_zip(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        config = dict(content["model_cfg"]) | {"target_transform": content["target_transform"]}
        weights = dict(content["state_dict"])
        if not all(isinstance(name, str) and _is_plain(value) for name, value in weights.items()):
            raise TypeError("state_dict holds something other than finite numbers")
        return config, weights
    except Exception as error:  # whatever a file of any content makes torch raise
        reason = (
            "it holds more than tensors and plain values"
            if isinstance(error, pickle.UnpicklingError)
            else first_line(error)
        )
        raise DatmosError(
            f"{path}: not a checkpoint of Audiobox-Aesthetics that can be read without running code ({reason}); "
            "model_cfg, target_transform and state_dict are expected. The hub's folder (config.json and "
            "model.safetensors) holds the same: `hf download facebook/audiobox-aesthetics --local-dir FOLDER`"
        ) from None


def _check_zip(path: Path) -> None:
    """Refuse an archive whose content takes more room than its file."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                raise ValueError("it is compressed, which PyTorch never does")


def _is_plain(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()  # not one value for many
        and value.layout == torch.strided
        and value.is_floating_point()
        and bool(torch.isfinite(value).all())
    )


def _read_hub_format(name: str, revision: str | None) -> tuple[Mapping[str, Any], Mapping[str, Tensor]]:
    config = read_object(_hub_file(name, revision, "config.json"))
    if "proj_num_layer" not in config:
        raise DatmosError(f"{name}: its config.json is not that of Audiobox-Aesthetics: proj_num_layer is missing")
    return config, read_tensors(_hub_file(name, revision, "model.safetensors"))


def _hub_file(name: str, revision: str | None, file: str) -> Path:
    if Path(name).is_dir():
        path = Path(name) / file
        if not path.is_file():
            raise DatmosError(f"{path}: no such file; a folder with config.json and model.safetensors is expected")
        return path
    try:
        return hub_file(name, file, _pinned(name, revision))
    except HubError as error:
        raise DatmosError(why_not_loaded(name, revision, error, "name it instead")) from None


def _pinned(name: str, revision: str | None) -> str:
    if revision is None:
        raise DatmosError(
            f"'{name}' is not a folder here, so it is taken as a hub model, and a hub model needs its revision "
            "pinned. Set finetune.revision (finetune.published.<name>.revision) to a commit hash or tag."
        )
    return revision
