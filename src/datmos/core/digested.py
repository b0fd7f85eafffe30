"""Files of tensors that carry a digest of their content in their metadata: damage is noticed when they are read."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from datmos.core.files import temporary_folder
from datmos.core.tensors import save_tensors

DIGEST = "digest"  # its name in the metadata
DIGEST_BYTES = 32


class DamagedFileError(Exception):
    """A file's content is not what was written into it; the message is a reason, without the file's name."""


def save_digested(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata in place of what is there; a kill leaves one of the two.

    Raises:
        OSError: the file can't be written.
    """
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # a folder, because safetensors writes under a name of its own, and leaves that file behind when it is killed
    with temporary_folder(path) as folder:
        try:
            save_tensors(folder / path.name, content, {**metadata, DIGEST: _digest(content, metadata)})
        except SafetensorError as error:  # what it makes of an OSError
            raise OSError(str(error)) from None
        (folder / path.name).replace(path)


def read_digested(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what `save_digested` wrote: tensors and metadata.

    Raises:
        DamagedFileError: the file is cut, or any of its content was changed.
        OSError: the file can't be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is not a dict
    except SafetensorError as error:
        raise DamagedFileError(str(error)) from None
    if metadata.pop(DIGEST, None) != _digest(tensors, metadata):
        raise DamagedFileError("its content does not match its digest")
    return tensors, metadata


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Return a digest of names, types, shapes, values and metadata, hexadecimal."""
    digest = hashlib.blake2b(json.dumps(dict(metadata), sort_keys=True).encode(), digest_size=DIGEST_BYTES)
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
