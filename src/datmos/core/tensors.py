"""Files of tensors (safetensors): written with the permissions of any other file, and read with care."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors; whoever may read other new files of this user (umask) may read this one."""
    path.touch()
    mode = path.stat().st_mode
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(content, path, metadata=dict(metadata) if metadata else None)
    path.chmod(mode)  # safetensors creates files that nobody else may read
