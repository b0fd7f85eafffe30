"""Finding a model: a folder, a name of the pipeline, or the Hugging Face hub."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from datmos.core.errors import DatmosError, nearest
from datmos.core.files import read_json
from datmos.core.places import MODELS, local_model, local_models
from datmos.scoring.audiobox import load_finetuned, load_meta
from datmos.scoring.model import HeadsOnEncoder, WindowModel

# what only the config.json of this kind of model has; a new kind is a line here
LOADERS: dict[str, Callable[[Path, torch.device], Any]] = {
    "encoder_params": HeadsOnEncoder,
    "extractor": load_finetuned,
    "proj_num_layer": load_meta,
}


def load_model(source: str | Path, device: torch.device, revision: str | None = None) -> WindowModel:
    """Load a model for scoring.

    Args:
        source: a folder; or the name of a strategy or combination, with data/models in the current folder; or a
            model of the Hugging Face hub, "owner/name".
        device: where it is to compute.
        revision: of a hub model.

    Raises:
        DatmosError: there is no such model, or it lacks something.
    """
    path = find_folder(source, revision)
    if local_model(source) is None:
        _refuse_code(path, str(source))
    loader = _find_loader(path)
    model: WindowModel = loader(path, device)
    return model


def _find_loader(path: Path) -> Callable[[Path, torch.device], Any]:
    if path.is_file():
        return load_meta
    if (path / "choice.json").is_file():
        return HeadsOnEncoder
    if not (path / "config.json").is_file():
        raise DatmosError(f"{path}: holds no model: there is no config.json")
    config = read_json(path / "config.json")
    for key, loader in LOADERS.items():
        if key in config:
            return loader
    if "strategy" in config:  # of the pipeline, but old: it says what it lacks
        return HeadsOnEncoder
    raise DatmosError(f"{path}: its config.json is of none of the models that datmos knows")


def _refuse_code(path: Path, name: str) -> None:
    """Refuse a downloaded model that would have code run which its encoder brings; no exported one does."""
    for config in path.rglob("config.json"):
        if read_json(config).get("encoder_params", {}).get("trust_remote_code"):
            raise DatmosError(
                f"'{name}' asks to run code that its encoder brings. Read that code; if you trust it, "
                f"`hf download {name} --local-dir FOLDER` and load FOLDER."
            )


def find_folder(source: str | Path, revision: str | None = None) -> Path:
    """Return the folder of a model (or the file, of a checkpoint.pt), downloaded if need be; see `load_model`."""
    name, found = str(source), local_model(source)
    if found is not None:
        return found
    if name.count("/") == 1 and not name.startswith((".", "/", "data/")):
        return _download(name, revision)
    known = local_models()
    raise DatmosError(
        f"no model '{name}'{nearest(name, known)} Expected a folder, the name of a model below {MODELS}"
        + (f" ({', '.join(known)})" if known else " (there is none: `dvc repro` trains them)")
        + ", or a model of the Hugging Face hub as owner/name."
    )


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=["*.json", "*.safetensors"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DatmosError(
            f"'{name}' is no folder here, and can't be had from the Hugging Face hub ({reason}). Check the name "
            "and the connection, or give a folder."
        ) from None
