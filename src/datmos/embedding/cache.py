"""Embeddings of single clips on disk: what makes `embed` resumable, and lets runs and machines share work."""

import errno
import hashlib
import json
import secrets
import shutil
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from datmos.core.errors import DatmosError

DIGEST_BYTES = 32
HEAD_BYTES = 16_384  # of a file, that hold the description of its arrays
ABANDONED = 24 * 3600  # seconds after which nobody is still writing a temporary file
TYPES = {"F16": "float16", "F32": "float32", "I64": "int64"}  # names of safetensors and of NumPy

Form = dict[str, tuple[str, tuple[int, ...]]]  # type and shape of arrays, by name


class ClipCache:
    """One file a clip, named by what its content depends on; safe to share between users, processes and machines.

    A file appears whole (it is written under another name, then renamed) and carries a digest of its content, so
    that one that was damaged later is noticed. Folders and files that are made here get the permissions of the
    cache's own folder, whatever the user's umask: who may write into that folder may write everywhere in it.
    """

    def __init__(self, folder: Path, recipe: dict[str, Any], layers: int) -> None:
        """Open a cache.

        Args:
            folder: where the files are; made when the first one is written.
            recipe: JSON-like, everything but the clip that the arrays depend on.
            layers: whose frames a clip has: "0", "1", ... float16 (D, T) each, beside "statistics" float32 (2 D,),
                "pooled" float32 (D,) and "length" int64 (1,), which is T.
        """
        self.folder, self.layers = folder, layers
        self._recipe = json.dumps(recipe, sort_keys=True)
        self._tidy: set[Path] = set()

    def path(self, clip_digest: str) -> Path:
        """Return the file of the clip with this content."""
        name = hashlib.sha256(f"{self._recipe}\n{clip_digest}".encode()).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.safetensors"

    def form(self, clip_digest: str) -> Form | None:
        """Return what arrays the clip's file holds, by its head alone.

        None if there is no file; an empty form if it can't be read, is cut, or does not hold a clip's arrays.
        """
        path = self.path(clip_digest)
        try:
            with path.open("rb") as file:
                return self._form_in(file.read(HEAD_BYTES), path.stat().st_size)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return {}

    def read(self, clip_digest: str, expected: Form) -> dict[str, np.ndarray] | None:
        """Return the clip's arrays; None if there is no file, or a damaged one, or not such a one.

        Args:
            clip_digest: of the clip.
            expected: form of the arrays.
        """
        try:
            content = self.path(clip_digest).read_bytes()
        except OSError:
            return None
        tensors, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        if _digest(tensors) != digest or self._form_in(content[:HEAD_BYTES], len(content)) != expected:
            return None
        arrays = load(tensors)
        return arrays if all(np.isfinite(array).all() for array in arrays.values()) else None

    def write(self, clip_digest: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep a clip's arrays.

        Raises:
            DatmosError: the file can't be written.
        """
        path = self.path(clip_digest)
        tensors = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            mode = self._make_folder(path.parent)
            try:
                temporary.write_bytes(tensors + _digest(tensors))
                _permit(temporary, mode & 0o666)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise DatmosError(self._refusal(path, error)) from None

    def remove(self) -> None:
        """Delete the folder with everything in it; not what it is a link to."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _form_in(self, head: bytes, size: int) -> Form:
        """Read the form in the first bytes of a file of ``size`` bytes; empty if it is not one of a clip."""
        start = 8 + int.from_bytes(head[:8], "little")
        try:
            entries = json.loads(head[8:start])
            form = {name: (TYPES[own["dtype"]], tuple(own["shape"])) for name, own in entries.items()}
            end = max(own["data_offsets"][1] for own in entries.values())
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
            return {}
        pooled = form.get("pooled", ("", ()))[1]
        if len(pooled) != 1 or start + end + DIGEST_BYTES != size:
            return {}
        frames = (*pooled, *form.get("0", ("", ()))[1][1:2])
        fitting: Form = {str(index): ("float16", frames) for index in range(self.layers)}
        fitting |= {
            "pooled": ("float32", pooled),
            "statistics": ("float32", (2 * pooled[0],)),
            "length": ("int64", (1,)),
        }
        return form if len(frames) == 1 + bool(self.layers) and form == fitting else {}

    def _make_folder(self, folder: Path) -> int:
        """Make a folder of the cache if it is not there; returns the permissions of the cache's own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(self.folder.stat().st_mode)
        if not folder.is_dir():
            # with its permissions from the first moment on: another user may be about to write into it
            fresh = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.tmp")
            fresh.mkdir()
            _permit(fresh, mode)
            try:
                fresh.rename(folder)
            except OSError:  # another process was faster
                fresh.rmdir()
        if folder not in self._tidy:
            self._tidy.add(folder)
            _remove_abandoned(folder)
        return mode

    def _refusal(self, path: Path, error: OSError) -> str:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "Make space and run again: what is in the cache is not computed again."
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            advice = (
                f"Whoever owns it can let a group write there: `chgrp -R GROUP {self.folder}`, then "
                f"`chmod -R g+rwX {self.folder}`. Or set embed.cache to a folder of your own."
            )
        else:
            advice = "Remove what is in the way, or set embed.cache to another folder."
        return f"the cache {self.folder}: {path} can't be written ({error.strerror or error}). {advice}"


def form_of(arrays: Mapping[str, np.ndarray]) -> Form:
    """Return the form of a clip's arrays."""
    return {name: (str(array.dtype), array.shape) for name, array in arrays.items()}


def _permit(path: Path, mode: int) -> None:
    if stat.S_IMODE(path.stat().st_mode) != mode:
        with suppress(PermissionError):  # some file systems have no permissions
            path.chmod(mode)


def _remove_abandoned(folder: Path) -> None:
    """Remove temporary files that runs which were killed have left; on whatever machine that was."""
    for left in folder.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED:
                left.unlink()


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
