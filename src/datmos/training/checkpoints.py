"""What a killed training needs to go on: written after every epoch, removed at the end.

A checkpoint lies outside of DVC's outputs, which DVC removes before it starts a stage again. Its name is a digest
of all that the training depends on, the code included, so that another training never takes it for its own.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from datmos.core.files import replacing

FOLDER = Path(".cache/training")


class Checkpoint(NamedTuple):
    """State of a training after an epoch."""

    epoch: int
    tensors: dict[str, Tensor]


def checkpoint_path(*parts: Any) -> Path:
    """Name the checkpoint of a training by what it depends on: values that JSON can hold, tensors, or bytes."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    digest.update(torch.__version__.encode())
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(part.contiguous().cpu().numpy().tobytes())
        elif isinstance(part, bytes):
            digest.update(part)
        else:
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
    return FOLDER / f"{digest.hexdigest()[:32]}.safetensors"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of the one before; a kill leaves one of the two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        tensors = {name: value.detach().cpu().contiguous() for name, value in checkpoint.tensors.items()}
        save_file(tensors, temporary, metadata={"epoch": str(checkpoint.epoch)})


def load_checkpoint(path: Path) -> Checkpoint | None:
    """Read a checkpoint, or return None if there is none."""
    if not path.is_file():
        return None
    with safe_open(path, framework="pt") as file:
        epoch = int(file.metadata()["epoch"])
    return Checkpoint(epoch, load_file(path))


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Pick the tensors whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def group_state(flat: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Turn an optimiser's state named ``<parameter>.<name>`` back into ``{parameter: {name: value}}``."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        parameter, name = key.split(".")
        state.setdefault(int(parameter), {})[name] = value
    return state


def flat_state(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's state by names ``<parameter>.<name>``."""
    return {
        f"{parameter}.{name}": value
        for parameter, values in optimiser.state_dict()["state"].items()
        for name, value in values.items()
    }
