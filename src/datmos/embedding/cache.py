"""Embeddings of single clips on disk: what makes `embed` resumable, and lets runs and machines share work."""

import hashlib
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

DIGEST_BYTES = 32


class ClipCache:
    """One file a clip, named by what its content depends on; safe to share between processes and machines.

    A file appears whole (it is written under another name, then renamed) and carries a digest of its content, so
    that one that was damaged later is noticed.
    """

    def __init__(self, folder: Path, recipe: dict[str, Any]) -> None:
        """Open a cache.

        Args:
            folder: where the files are; made when the first one is written.
            recipe: JSON-like, everything but the clip that the arrays depend on.
        """
        self._folder = folder
        self._recipe = json.dumps(recipe, sort_keys=True)

    def path(self, clip_digest: str) -> Path:
        """Return the file of the clip with this content."""
        name = hashlib.sha256(f"{self._recipe}\n{clip_digest}".encode()).hexdigest()
        return self._folder / name[:2] / f"{name[2:]}.safetensors"

    def has(self, clip_digest: str) -> bool:
        """Tell whether there is a file for the clip (it may be damaged)."""
        return self.path(clip_digest).is_file()

    def read(self, clip_digest: str) -> dict[str, np.ndarray] | None:
        """Return the clip's arrays, or None if there is no file or a damaged one."""
        try:
            content = self.path(clip_digest).read_bytes()
            tensors, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
            return load(tensors) if _digest(tensors) == digest else None
        except (FileNotFoundError, SafetensorError):
            return None

    def write(self, clip_digest: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep a clip's arrays."""
        path = self.path(clip_digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
        try:
            temporary.write_bytes(tensors + _digest(tensors))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the folder with everything in it."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
