"""The clips of a manifest in the cache: what is missing or damaged is computed, then all are read back.

A cache is shared and lies there for long, so that none of its entries is believed: it must carry its digest, hold
finite numbers, and have the form of what the encoder gives.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from datmos.core.errors import DatmosError, printable
from datmos.embedding.cache import ClipCache
from datmos.embedding.clip_encoder import ClipEncoder


class CachedClips:
    """A manifest's clips in the cache.

    Args:
        manifest: the clips; path and sha256 are used.
        root: folder that the paths are relative to.
        cache: where their embeddings are.
        encoder: computes those clips of the manifest that it is asked for into this cache.
    """

    def __init__(self, manifest: pd.DataFrame, root: Path, cache: ClipCache, encoder: ClipEncoder) -> None:
        self._paths = [root / name for name in manifest["path"]]
        self._digests = list(manifest["sha256"])
        self._cache, self._encoder = cache, encoder
        self._damaged: list[int] = []  # rows

    def fill(self, rows: Sequence[int], show: bool) -> None:
        """Compute those of ``rows`` that the cache lacks, and those whose entry can't be right.

        All entries of a run have one form. Where they differ, the encoder's own output tells which are right.

        Raises:
            DatmosError: see `datmos.embedding.embed.embed_clips`.
        """
        forms = [self._cache.form(digest) for digest in self._digests]
        found = [form for form in forms if form]
        todo = [row for row in rows if not forms[row]]
        if not todo and any(form != found[0] for form in found):
            todo = list(rows[:1])
        self._encoder.compute(todo, show)
        if self._encoder.form is None:
            return
        wrong = [row for row in rows if forms[row] is not None and forms[row] != self._encoder.form]
        self._encoder.compute([row for row in wrong if row not in todo], show)
        self._damaged += wrong

    def collect(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield every clip's arrays in the manifest's order; a damaged entry is computed again.

        Raises:
            DatmosError: see `datmos.embedding.embed.embed_clips`; or an entry is damaged as soon as it is written.
        """
        expected = self._encoder.form or self._cache.form(self._digests[0]) or {}
        for row, digest in enumerate(tqdm(self._digests, desc="writing embeddings", unit="clip")):
            arrays = self._cache.read(digest, expected)
            if arrays is None:
                self._damaged.append(row)
                self._encoder.compute([row], show=False)
                expected = self._encoder.form or {}
                arrays = self._cache.read(digest, expected)
            if arrays is None:
                raise DatmosError(
                    f"{self._cache.path(digest)}: not what was just written there. Is the disk all right? Does "
                    "another version of datmos use this cache now? Set embed.cache to another folder."
                )
            yield arrays

    def report_damage(self) -> None:
        """Say on standard error, in one line, how many damaged entries of the cache were computed again."""
        if not self._damaged:
            return
        first = self._damaged[0]
        print(
            f"damaged entries of the cache that were computed again: {len(self._damaged)}. The first is "
            f"{self._cache.path(self._digests[first])}, of {printable(str(self._paths[first]))}",
            file=sys.stderr,
        )
