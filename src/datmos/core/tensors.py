"""Files of tensors (safetensors): written with the permissions of any other file, and read with care."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from datmos.core.errors import DatmosError, listing
from datmos.core.untrusted import check_file


class TensorKind(NamedTuple):
    """What a tensor is without its values."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """Return for example ``float32 (64, 32)``."""
        return f"{str(self.dtype).removeprefix('torch.')} {self.shape}"


UNUSED = "masked_spec_embed"  # a weight of encoders for pretraining alone, which a checkpoint may lack
DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors; whoever may read other new files of this user (umask) may read this one."""
    path.touch()
    mode = path.stat().st_mode
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(content, path, metadata=dict(metadata) if metadata else None)
    path.chmod(mode)  # safetensors creates files that nobody else may read


def kinds_of(tensors: Mapping[str, Tensor]) -> dict[str, TensorKind]:
    """Return what tensors are; those of a module on the device "meta" have no values."""
    return {name: TensorKind(tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}


def read_kinds(path: Path, ignored: str | None = None) -> dict[str, TensorKind]:
    """Read what a file's tensors are, and nothing more; safetensors compares them with the size of the file.

    Args:
        path: of the file.
        ignored: tensors whose names begin so are left out.

    Raises:
        DatmosError: it is no file of tensors, or some are not floating-point numbers.
    """
    check_file(path)
    found = {}
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  it is not a dict
                if ignored and name.startswith(ignored):
                    continue
                part = file.get_slice(name)
                dtype = part.get_dtype()
                if dtype not in DTYPES:
                    raise DatmosError(f"{path}: {name}: {dtype} numbers; expected one of {', '.join(DTYPES)}")
                found[name] = TensorKind(DTYPES[dtype], tuple(part.get_shape()))
    except (SafetensorError, OSError) as error:
        raise DatmosError(f"{path}: can't be read as safetensors ({error})") from None
    return found


def read_tensors(
    path: Path, expected: Mapping[str, TensorKind] | None = None, ignored: str | None = None
) -> dict[str, Tensor]:
    """Read tensors after a look at what they are; their values are finite.

    Args:
        path: of the file.
        expected: what has to be in it, no more and no less; None: whatever is in it.
        ignored: tensors whose names begin so may be there too, and are not read.

    Raises:
        DatmosError: see `read_kinds`; or a tensor is missing, unknown, something else, or not finite.
    """
    kinds = read_kinds(path, ignored)
    if expected is not None:
        _compare(path, kinds, expected)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in kinds}
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise DatmosError(f"{path}: {name} holds values that are not finite")
    return tensors


def _compare(path: Path, kinds: Mapping[str, TensorKind], expected: Mapping[str, TensorKind]) -> None:
    if missing := sorted(set(expected) - set(kinds)):
        raise DatmosError(f"{path}: lacks {listing(missing, shown=3)}")
    if unknown := sorted(set(kinds) - set(expected)):
        raise DatmosError(f"{path}: has {listing(unknown, shown=3)}, which is not expected")
    for name, kind in expected.items():
        if kinds[name] != kind:
            raise DatmosError(f"{path}: {name} is {kinds[name]}; {kind} is expected")


def check_complete(name: str, loaded: Mapping[str, Any], part: str = "") -> None:
    """Refuse a checkpoint that lacks weights of what is used: transformers makes them up at random.

    Args:
        name: of the checkpoint.
        loaded: what transformers says of the weights that it has read, or not (``output_loading_info``).
        part: how the names of weights that are used begin.

    Raises:
        DatmosError: some lack.
    """
    lacking = sorted(key for key in loaded["missing_keys"] if key.startswith(part) and not key.endswith(UNUSED))
    if not lacking:
        return
    renamed = next((key for key in sorted(loaded["unexpected_keys"]) if key.endswith(lacking[0])), None)
    found = f" It has '{renamed}' instead." if renamed else ""
    raise DatmosError(
        f"'{name}' lacks {len(lacking)} weights that are used: {listing(lacking, shown=3)}. Random ones would take "
        f"their place.{found} Use a checkpoint that has the whole encoder, under the names that transformers gives."
    )
