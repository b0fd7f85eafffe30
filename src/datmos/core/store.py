"""The embeddings of all clips on disk: written clip by clip, read by rows, never loaded whole."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from datmos.core.errors import DatmosError, listing
from datmos.core.files import read_json, replacing_folder, write_json, write_parquet


class EmbeddingStore:
    """Reader of data/embeddings.

    Attributes:
        frames: float16 memory map, shape (N, D, T); None if the store keeps no frames.
        extra: further layers, each as ``frames``, by number.
        statistics: float32 memory map, mean and SD over time of every channel of ``frames``, shape (N, 2 D).
        pooled: float32 memory map, time means of the layer that is clustered, shape (N, D).
        info: encoder.json (name, revision, dtype, layers, sample_rate, hop, dimension, frames, clip_seconds, ...).
    """

    def __init__(self, folder: Path) -> None:
        """Open a store.

        Raises:
            DatmosError: a file is missing or damaged, or the files don't belong together.
        """
        with _reading(folder / "encoder.json") as file:
            self.info: dict[str, Any] = read_json(file)
            further = [int(layer) for layer in self.info["layers"][1:]]
            clip = (int(self.info["dimension"]), int(self.info["frames"]))
            kept = bool(self.info["frames_kept"])
        with _reading(folder / "index.parquet") as file:
            clip_ids = pd.read_parquet(file)["clip_id"]
            if not clip_ids.is_unique:
                raise ValueError("a clip_id is there twice")
        count = len(clip_ids)
        self._row_of = pd.Series(range(count), index=clip_ids)
        self.frames: np.ndarray | None = None
        self.extra: dict[int, np.ndarray] = {}
        if kept:
            self.frames = _map(folder / "frames.npy", "float16", (count, *clip))
            self.extra = {
                layer: _map(folder / f"frames_layer{layer}.npy", "float16", (count, *clip)) for layer in further
            }
        self.statistics: np.ndarray = _map(folder / "statistics.npy", "float32", (count, 2 * clip[0]))
        self.pooled: np.ndarray = _map(folder / "pooled.npy", "float32", (count, clip[0]))

    def rows(self, clip_ids: Iterable[str]) -> np.ndarray:
        """Return the row of every clip, int64, shape (number of clips,).

        Raises:
            DatmosError: a clip has no embedding.
        """
        rows = self._row_of.reindex(list(clip_ids))
        if rows.isna().any():
            missing = listing(rows.index[rows.isna()])
            raise DatmosError(f"no embedding for {rows.isna().sum()} clips ({missing}); run `dvc repro embed`")
        return rows.to_numpy(dtype=np.int64)

    def read(self, rows: np.ndarray, layer: int | None = None) -> np.ndarray:
        """Read embeddings, float16, shape (len(rows), D, T), in the order of ``rows``.

        ``layer`` is one of ``extra``, or None for the layer that heads read.

        Raises:
            DatmosError: the store keeps no frames.
        """
        if self.frames is None:
            raise DatmosError(
                "data/embeddings keeps no frames, and something asks for them. Set embed.frames to true and run "
                "`dvc repro`; or use head statistics, and kmeans.average_over: frames"
            )
        frames = self.frames if layer is None else self.extra[layer]
        order = np.argsort(rows, kind="stable")  # ascending reads: the disk likes them
        batch = np.empty((len(rows), *frames.shape[1:]), dtype=frames.dtype)
        batch[order] = frames[rows[order]]
        return batch


@contextmanager
def _reading(path: Path) -> Iterator[Path]:
    """Turn whatever goes wrong while a file of the store is read into one message about it."""
    try:
        yield path
    except Exception as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else getattr(error, "strerror", None) or error
        raise DatmosError(
            f"{path}: {reason}. A file as the stage embed writes it is expected; run `dvc repro embed` (for an "
            "evaluation set: `dvc repro set_embed`) to write it again"
        ) from None


def _map(path: Path, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Map an array into memory that must be as encoder.json and index.parquet say."""
    with _reading(path):
        array: np.ndarray = np.load(path, mmap_mode="r")
        if (array.dtype, array.shape) != (np.dtype(dtype), shape):
            found = f"{array.dtype} {array.shape}"
            raise ValueError(f"holds {found}, but by encoder.json and index.parquet it is {dtype} {shape}")
        return array


def batched(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut an array into consecutive pieces of at most ``size``."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def write_store(
    folder: Path, clip_ids: pd.Series, clips: Iterator[dict[str, np.ndarray]], description: dict[str, Any]
) -> None:
    """Write a store in one pass; memory does not grow with the clips.

    ``frames.npy``: float16 (N, D, T), C order; ``frames_layer<n>.npy``: further layers, the same; ``pooled.npy``:
    float32 (N, D), time means of the layer that is clustered; ``statistics.npy``: float32 (N, 2 D), mean and SD
    over time; ``index.parquet``: clip_id in the order of the rows; ``encoder.json``: what the values depend on.

    Args:
        folder: to write.
        clip_ids: of the rows, in order.
        clips: for each of them its layers "0", "1", ... float16 (D, T), or none of them for a store without frames;
            "statistics" float32 (2 D,), "pooled" float32 (D,) and "length" int64 (1,), which is T.
        description: encoder.json, with the numbers of those layers in ``layers``; the shape is added.

    Raises:
        DatmosError: arrays of a clip are not of the type and shape of the first clip's.
    """
    further = description["layers"][1:]
    names = {"0": "frames.npy", "statistics": "statistics.npy", "pooled": "pooled.npy"}
    names |= {str(index): f"frames_layer{layer}.npy" for index, layer in enumerate(further, start=1)}
    with replacing_folder(folder) as temporary, ExitStack() as opened:
        files: dict[str, IO[bytes]] = {}
        first: dict[str, np.ndarray] = {}
        for clip_id, arrays in zip(clip_ids, clips, strict=True):
            if not first:
                first = arrays
                for key in [key for key in names if key in arrays]:
                    files[key] = opened.enter_context((temporary / names[key]).open("wb"))
                    _write_header(files[key], arrays[key], len(clip_ids))
            for key, file in files.items():
                _check_row(clip_id, arrays[key], first[key])
                file.write(arrays[key].tobytes())
        shape = {"dimension": len(first["pooled"]), "frames": int(first["length"][0]), "frames_kept": "0" in first}
        write_parquet(temporary / "index.parquet", pd.DataFrame({"clip_id": clip_ids}))
        write_json(temporary / "encoder.json", description | shape)


def _check_row(clip_id: str, row: np.ndarray, first: np.ndarray) -> None:
    if (row.dtype, row.shape) != (first.dtype, first.shape):
        raise DatmosError(
            f"{clip_id}: its embedding is {row.dtype} {row.shape}, that of the first clip is {first.dtype} "
            f"{first.shape}; all must be alike. Run again. If that does not help, set embed.cache to another one."
        )


def _write_header(file: IO[bytes], row: np.ndarray, count: int) -> None:
    """Begin a .npy file of ``count`` arrays like ``row``."""
    header = {
        "descr": np.lib.format.dtype_to_descr(row.dtype),
        "fortran_order": False,
        "shape": (count, *row.shape),
    }
    np.lib.format.write_array_header_1_0(file, header)
