"""The embeddings of a batch, on the device, as heads read them."""

import numpy as np
import torch
from torch import Tensor

from datmos.core.store import EmbeddingStore

KEPT_ON_DEVICE = 0.6  # of the free memory of a GPU, at most, for embeddings


class FrameReader:
    """Embeddings of chosen clips, float32, on the device.

    On a GPU they stay there in half precision if they fit; else, and on a CPU, they are read batch by batch from
    the memory map, so that memory does not grow with the number of clips.

    Args:
        store: the embeddings.
        rows: of the store, that will be asked for, int64, (N,).
        device: where to compute.
        every_layer: read all layers of the store, not the first alone.
    """

    def __init__(self, store: EmbeddingStore, rows: np.ndarray, device: torch.device, every_layer: bool) -> None:
        self.store, self.rows, self.device = store, rows, device
        self.layers: list[int | None] = [None, *store.extra] if every_layer else [None]
        self.every_layer = every_layer
        self.resident: Tensor | None = None
        if device.type == "cuda" and self._size() < KEPT_ON_DEVICE * torch.cuda.mem_get_info(device)[0]:
            self.resident = self._load()

    def read(self, places: Tensor) -> Tensor:
        """Read clips by their places in ``rows``.

        Args:
            places: int64, (1, B) for a batch that all members share, (M, B) for one each.

        Returns:
            (B, D, T) or (M, B, D, T); with every layer (B, L, D, T) or (M, B, L, D, T).
        """
        flat = places.flatten()
        if self.resident is not None:
            frames = self.resident[flat.to(self.device)]
        else:
            frames = torch.from_numpy(self._read(self.rows[flat.numpy()])).to(self.device)
        frames = frames.float()
        return frames if len(places) == 1 else frames.unflatten(0, tuple(places.shape))

    def _read(self, rows: np.ndarray) -> np.ndarray:
        layers = [self.store.read(rows, layer) for layer in self.layers]
        return np.stack(layers, axis=1) if self.every_layer else layers[0]

    def _size(self) -> int:
        return 2 * len(self.rows) * len(self.layers) * int(np.prod(self.store.frames.shape[1:]))

    def _load(self) -> Tensor:
        first = self._read(self.rows[:1])
        resident = torch.empty((len(self.rows), *first.shape[1:]), dtype=torch.float16, device=self.device)
        for start in range(0, len(self.rows), 64):
            part = self._read(self.rows[start : start + 64])
            resident[start : start + len(part)] = torch.from_numpy(part).to(self.device)
        return resident
