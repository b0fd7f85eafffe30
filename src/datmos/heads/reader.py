"""The embeddings of a batch, on the device, as heads read them."""

import numpy as np
import torch
from torch import Tensor

from datmos.core.store import EmbeddingStore, batched
from datmos.heads.interface import Reads

KEPT_ON_DEVICE = 0.6  # of the free memory of a GPU, at most, for embeddings


class EmbeddingReader:
    """Embeddings of chosen clips, float32, on the device.

    Statistics stay there, since they are small. So do frames on a GPU, in half precision, if they fit; else they
    are read batch by batch from the memory map, so that memory does not grow with the number of clips.

    Args:
        store: the embeddings.
        rows: of the store, that will be asked for, int64, (N,).
        device: where to compute.
        reads: what of them, see `datmos.heads.interface.Head`.
    """

    def __init__(self, store: EmbeddingStore, rows: np.ndarray, device: torch.device, reads: Reads) -> None:
        self.store, self.rows, self.device, self.reads = store, rows, device, reads
        self.layers: list[int | None] = [None, *store.extra] if reads == "layers" else [None]
        self.resident: Tensor | None = None
        if reads == "statistics":
            self.resident = torch.from_numpy(store.statistics[rows]).to(device)
        elif device.type == "cuda" and self._size() < KEPT_ON_DEVICE * torch.cuda.mem_get_info(device)[0]:
            self.resident = self._load()

    def read(self, places: Tensor) -> Tensor:
        """Read clips by their places in ``rows``.

        Args:
            places: int64, (1, B) for a batch that all members share, (M, B) for one each.

        Returns:
            (B, ...) or (M, B, ...): (D, T), (L, D, T) or (2 D,) for each clip.
        """
        flat = places.flatten()
        if self.resident is not None:
            found = self.resident[flat.to(self.device)]
        else:
            found = torch.from_numpy(self._read(self.rows[flat.numpy()])).to(self.device)
        found = found.float()
        return found if len(places) == 1 else found.unflatten(0, tuple(places.shape))

    def _read(self, rows: np.ndarray) -> np.ndarray:
        layers = [self.store.read(rows, layer) for layer in self.layers]
        return np.stack(layers, axis=1) if self.reads == "layers" else layers[0]

    def _size(self) -> int:
        return len(self.rows) * self._read(self.rows[:1]).nbytes

    def _load(self) -> Tensor:
        first = self._read(self.rows[:1])
        resident = torch.empty((len(self.rows), *first.shape[1:]), dtype=torch.float16, device=self.device)
        start = 0
        for rows in batched(self.rows, 64):
            resident[start : start + len(rows)] = torch.from_numpy(self._read(rows)).to(self.device)
            start += len(rows)
        return resident
