"""Finding a model: a folder, a name of the pipeline, or the Hugging Face hub."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from datmos.core.errors import DatmosError, first_line, nearest
from datmos.core.hub import HubError, hub_folder
from datmos.core.paths import MODEL_FOLDERS, MODELS, local_model, local_models
from datmos.core.untrusted import read_object
from datmos.scoring.audiobox import load_finetuned, load_meta
from datmos.scoring.model import HeadsOnEncoder, WindowModel
from datmos.scoring.trust import Trust

# what only the config.json of this kind of model has; a new kind is a line here
Loader = Callable[[Path, torch.device, Trust], Any]
LOADERS: dict[str, Loader] = {
    "encoder_params": HeadsOnEncoder,
    "extractor": load_finetuned,
    "proj_num_layer": load_meta,
}


def load_model(
    source: str | Path, device: torch.device, revision: str | None = None, trust: bool = False
) -> WindowModel:
    """Load a model for scoring. It is data from anybody: whatever is wrong with it ends in one message.

    Args:
        source: a folder; or the name of a strategy, with data/models in the current folder; or a
            model of the Hugging Face hub, "owner/name".
        device: where it is to compute.
        revision: of a hub model.
        trust: the model's encoder may run code that it brings, and may lie in a folder of this machine that the
            model names. Else it may be in the model's own folder or on the hub. What the pipeline wrote here may
            name folders.

    Raises:
        DatmosError: there is no such model, it lacks something, holds something else, or needs trust.
    """
    path = find_folder(source, revision)
    own = path.resolve().parent in {place.resolve() for place in MODEL_FOLDERS}
    with _one_message(path):
        if local_model(source) is not None and not own:  # a snapshot of the hub is made of links into its cache
            _refuse_links(path)
        model: WindowModel = _find_loader(path)(path, device, Trust(code=trust, paths=trust or own))
    return model


@contextmanager
def _one_message(path: Path) -> Iterator[None]:
    try:
        yield
    except DatmosError as error:
        if str(path) in str(error):
            raise
        raise DatmosError(f"{path}: {error}") from None
    except Exception as error:  # of any library that reads the model
        raise DatmosError(
            f"{path}: can't be loaded as a model ({type(error).__name__}: {first_line(error)})"
        ) from error


def _refuse_links(path: Path) -> None:
    """Refuse a folder whose files lie outside of it, but for a snapshot of the hub's cache."""
    inside = [path.resolve()]
    if path.resolve().parent.name == "snapshots":
        inside.append(path.resolve().parent.parent / "blobs")
    for folder, folders, files in os.walk(path):  # which follows no link
        for link in (Path(folder) / name for name in folders + files):
            if link.is_symlink() and not any(link.resolve().is_relative_to(place) for place in inside):
                raise DatmosError(f"{link}: is a link out of the model's folder; put the file itself there")


def _find_loader(path: Path) -> Loader:
    if path.is_file():
        return load_meta
    if not (path / "config.json").exists():
        raise DatmosError(f"{path}: holds no model: there is no config.json")
    config = read_object(path / "config.json")
    for key, loader in LOADERS.items():
        if key in config:
            return loader
    if "strategy" in config:  # of the pipeline, but old: it says what it lacks
        return HeadsOnEncoder
    raise DatmosError(f"{path}: its config.json is of none of the models that datmos knows")


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
    try:
        return hub_folder(name, ["*.json", "*.safetensors"], revision)
    except HubError as error:
        raise DatmosError(
            f"'{name}' is no folder here, and can't be had from the Hugging Face hub: {error} You can also give a "
            "folder."
        ) from None
