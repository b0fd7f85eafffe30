"""The embeddings of all clips on disk, memory-mapped: read by rows, never loaded whole."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datmos.errors import DatmosError, listing


class EmbeddingStore:
    """Reader of data/embeddings.

    Attributes:
        frames: float16 memory map, shape (N, D, T).
        pooled: float32, time means, shape (N, D).
        info: encoder.json (name, layer, sample_rate, hop, D, T, clip_seconds).
    """

    def __init__(self, folder: Path) -> None:
        self.frames: np.ndarray = np.load(folder / "frames.npy", mmap_mode="r")
        self.pooled: np.ndarray = np.load(folder / "pooled.npy")
        self.info: dict[str, Any] = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        clip_ids = pd.read_parquet(folder / "index.parquet")["clip_id"]
        self._row_of = pd.Series(range(len(clip_ids)), index=clip_ids)

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

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read embeddings, float16, shape (len(rows), D, T), in the order of ``rows``."""
        order = np.argsort(rows, kind="stable")  # ascending reads: the disk likes them
        batch = np.empty((len(rows), *self.frames.shape[1:]), dtype=self.frames.dtype)
        batch[order] = self.frames[rows[order]]
        return batch
