"""Finding a model: a folder, a name of the pipeline, or the Hugging Face hub."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from datmos.errors import DatmosError, nearest
from datmos.scoring.model import HeadsOnEncoder, WindowModel
from datmos.scoring.places import MODELS, local_folder, local_models

# which file of a folder says what kind of model it holds
LOADERS: dict[str, Callable[[Path, torch.device], Any]] = {
    "config.json": HeadsOnEncoder,
    "choice.json": HeadsOnEncoder,
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
    folder = find_folder(source, revision)
    for file, loader in LOADERS.items():
        if (folder / file).is_file():
            model: WindowModel = loader(folder, device)
            return model
    raise DatmosError(f"{folder}: holds no model (none of {', '.join(LOADERS)} is there)")


def find_folder(source: str | Path, revision: str | None = None) -> Path:
    """Return the folder of a model, downloaded if need be; see `load_model`."""
    name, folder = str(source), local_folder(source)
    if folder is not None:
        return folder
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
