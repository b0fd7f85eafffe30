"""What a killed training needs to go on: written after every epoch, removed at the end.

A checkpoint lies outside of DVC's outputs, which DVC removes before it starts a stage again. Its name is a digest
of all that the training depends on, its code included, so that another training never takes it for its own.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

import datmos
from datmos.core.files import replacing

FOLDER = Path(".cache/training")


class Stateful(Protocol):
    """A part of a training that changes: modules are such parts, and what else has these two methods."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return all that changes, by name."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> object:
        """Take up what `state_dict` returned."""


class Resumable:
    """The state of a training: its parts by name, and where they are kept.

    Args:
        path: of the checkpoint, see `checkpoint_path`.
        parts: of the training.
    """

    def __init__(self, path: Path, parts: Mapping[str, Any]) -> None:
        self.path, self.parts = path, parts

    def resume(self) -> int:
        """Take up the checkpoint, if there is one; returns the epoch it was made after, or 0."""
        found = load_checkpoint(self.path)
        if found is None:
            return 0
        epoch, tensors = found
        for prefix, part in self.parts.items():
            part.load_state_dict(under(tensors, f"{prefix}."))
        return epoch

    def save(self, epoch: int) -> None:
        """Write the state after an epoch."""
        tensors = {
            f"{prefix}.{name}": value
            for prefix, part in self.parts.items()
            for name, value in part.state_dict().items()
        }
        save_checkpoint(self.path, epoch, tensors)

    def remove(self) -> None:
        """Remove the checkpoint: the training is over, and its result is safe."""
        self.path.unlink()


class OptimiserState:
    """An optimiser as a `Stateful`: its moments by names ``<parameter>.<name>``."""

    def __init__(self, optimiser: torch.optim.Optimizer) -> None:
        self._optimiser = optimiser

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments."""
        return {
            f"{parameter}.{name}": value
            for parameter, values in self._optimiser.state_dict()["state"].items()
            for name, value in values.items()
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take them up."""
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            parameter, name = key.split(".")
            moments.setdefault(int(parameter), {})[name] = value
        self._optimiser.load_state_dict(self._optimiser.state_dict() | {"state": moments})


class Streams:
    """Random streams as a `Stateful`.

    Args:
        generators: by name; all of them are moved on by drawing from them.
    """

    def __init__(self, generators: Mapping[str, Sequence[torch.Generator]]) -> None:
        self._generators = {f"{name}.{n}": one for name, own in generators.items() for n, one in enumerate(own)}

    def state_dict(self) -> dict[str, Tensor]:
        """Return where each stream is."""
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on there."""
        for name, generator in self._generators.items():
            generator.set_state(state[name])


def checkpoint_path(packages: Sequence[str], *parts: Any) -> Path:
    """Name the checkpoint of a training by what it depends on.

    Args:
        packages: of datmos that hold its code.
        parts: values that JSON can hold, tensors, or bytes.
    """
    digest = hashlib.sha256(torch.__version__.encode())
    root = Path(datmos.__file__).parent
    for package in packages:
        for source in sorted((root / package).rglob("*.py")):
            digest.update(source.read_bytes())
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(part.contiguous().cpu().numpy().tobytes())
        elif isinstance(part, bytes):
            digest.update(part)
        else:
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
    return FOLDER / f"{digest.hexdigest()[:32]}.safetensors"


def save_checkpoint(path: Path, epoch: int, tensors: Mapping[str, Tensor]) -> None:
    """Write a checkpoint in place of the one before; a kill leaves one of the two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        content = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        save_file(content, temporary, metadata={"epoch": str(epoch)})


def load_checkpoint(path: Path) -> tuple[int, dict[str, Tensor]] | None:
    """Read a checkpoint, epoch and tensors; None if there is none."""
    if not path.is_file():
        return None
    with safe_open(path, framework="pt") as file:
        epoch = int(file.metadata()["epoch"])
    return epoch, load_file(path)


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Pick the tensors whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
