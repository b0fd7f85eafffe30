"""What a killed training needs to go on: written after every epoch, removed at the end.

A checkpoint lies outside of DVC's outputs, which DVC removes before it starts a stage again. Its name is a digest
of all that the training depends on, its code included, so that another training never takes it for its own.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

import datmos
from datmos.core.digested import DamagedFileError, read_digested, save_digested
from datmos.core.errors import DatmosError

FOLDER = Path(".cache/training")


class Stateful(Protocol):
    """A part of a training that changes: modules are such parts, and what else has these two methods."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """Return all that changes, by name."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> object:
        """Take up what `state_dict` returned."""


@runtime_checkable
class Growing(Stateful, Protocol):
    """A part whose state does not have the same tensors, or not of the same shape, from the first epoch on."""

    def expected_state(self, found: Mapping[str, Tensor], epoch: int) -> Mapping[str, Tensor]:
        """Return tensors with the names, types and shapes of the state after ``epoch``, if ``found`` can be it."""


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


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Pick the tensors whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


class Resumable:
    """The state of a training: its parts by name, and where they are kept.

    Args:
        path: of the checkpoint, see `checkpoint_path`.
        parts: of the training.
    """

    def __init__(self, path: Path, parts: Mapping[str, Any]) -> None:
        self.path, self.parts, self.epoch = path, parts, 0

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Let Ctrl-C in the block say where the next run will go on."""
        try:
            yield
        except KeyboardInterrupt:
            begins = f"goes on after epoch {self.epoch}" if self.epoch else "starts from the beginning"
            raise KeyboardInterrupt(f"The next run of this training {begins}.") from None

    def resume(self, told: bool = True) -> int:
        """Take up the checkpoint, if there is one; returns the epoch it was made after, or 0.

        A damaged checkpoint is not taken up; standard error says so in one line if ``told``.

        Raises:
            DatmosError: there is something that can't be read.
        """
        try:
            found = load_checkpoint(self.path)
            if found is not None:
                self._check(*found)
        except DamagedFileError as error:
            if told:
                print(
                    f"\n{self.path}: this checkpoint is damaged ({error}). Training starts from the beginning.",
                    file=sys.stderr,
                )
            return 0
        if found is None:
            return 0
        self.epoch, tensors = found
        for prefix, part in self.parts.items():
            part.load_state_dict(under(tensors, f"{prefix}."))
        return self.epoch

    def save(self, epoch: int) -> None:
        """Write the state after an epoch.

        Raises:
            DatmosError: it can't be written.
        """
        save_checkpoint(self.path, epoch, self._tensors())
        self.epoch = epoch

    def remove(self) -> None:
        """Remove the checkpoint: the training is over. If that fails, standard error says so, and all goes on."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            print(
                f"\n{self.path}: the checkpoint is no longer needed and can't be removed ({error.strerror}). "
                "Delete it.",
                file=sys.stderr,
            )

    def _tensors(self) -> dict[str, Tensor]:
        return {
            f"{prefix}.{name}": value
            for prefix, part in self.parts.items()
            for name, value in part.state_dict().items()
        }

    def _check(self, epoch: int, tensors: Mapping[str, Tensor]) -> None:
        """Compare the tensors of a checkpoint with those of this training, before any is taken up."""
        expected = self._tensors()
        for prefix, part in self.parts.items():
            if isinstance(part, Growing):
                own = part.expected_state(under(tensors, f"{prefix}."), epoch)
                expected |= {f"{prefix}.{name}": value for name, value in own.items()}
        for name in sorted(expected.keys() | tensors.keys()):
            if _form(expected.get(name)) != _form(tensors.get(name)):
                raise DamagedFileError(
                    f"{name} is {_form(tensors.get(name))}, expected is {_form(expected.get(name))}"
                )


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
    """Write a checkpoint in place of the one before; a kill leaves one of the two.

    Raises:
        DatmosError: it can't be written.
    """
    try:
        save_digested(path, tensors, {"epoch": str(epoch)})
    except OSError as error:
        raise DatmosError(
            f"{path}: the checkpoint of epoch {epoch} can't be written ({error.strerror or error}). Make sure that "
            "there is space on the disk and that you may write there, then run the same command again: it goes on "
            "after the last epoch that was saved."
        ) from None


def load_checkpoint(path: Path) -> tuple[int, dict[str, Tensor]] | None:
    """Read a checkpoint, epoch and tensors; None if there is none.

    Raises:
        DamagedFileError: its content is not what was written.
        DatmosError: it is not a file, or can't be read.
    """
    if not os.path.lexists(path):
        return None
    if not path.is_file():
        raise DatmosError(f"{path}: a checkpoint is expected here, and this is not a file. Remove it.")
    try:
        tensors, metadata = read_digested(path)
    except OSError as error:
        raise DatmosError(
            f"{path}: this checkpoint can't be read ({error.strerror or error}). Make it readable; or remove it, "
            "and training starts from the beginning."
        ) from None
    return int(metadata["epoch"]), tensors


def _form(tensor: Tensor | None) -> str:
    return "not there" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
