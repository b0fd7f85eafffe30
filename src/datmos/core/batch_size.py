"""How much a device takes at once: halved while its memory runs out."""

import sys
from collections.abc import Callable
from typing import TypeVar

import torch
from tqdm import tqdm

from datmos.core.errors import DatmosError

Result = TypeVar("Result")


class BatchSize:
    """A batch size that fits the memory of a device.

    Args:
        size: to begin with.
        unit: what it counts, for messages.
        device: whose memory it is.
        hopeless: what to say when not even one fits.
    """

    def __init__(self, size: int, unit: str, device: torch.device, hopeless: str) -> None:
        self.size, self._unit, self._device, self._hopeless = size, unit, device, hopeless

    def each(self, count: int, compute: Callable[[int, int], Result]) -> list[Result]:
        """Compute ``count`` rows part by part.

        Args:
            count: rows in all.
            compute: called with the first row of a part and how many to take; the last part may reach beyond
                ``count``. When memory runs out it is called again for the same row with half as many, and that
                remains the size.

        Raises:
            DatmosError: not even one row fits.
        """
        results, start = [], 0
        while start < count:
            size = self.size
            try:
                results.append(compute(start, size))
            except torch.OutOfMemoryError:
                if size == 1:
                    raise DatmosError(self._hopeless) from None
                self.size = size // 2
                tqdm.write(
                    f"{self._device}: out of memory with {size} {self._unit} at once, going on with {self.size}",
                    file=sys.stderr,
                )
                torch.cuda.empty_cache()
            else:
                start += size
        return results
