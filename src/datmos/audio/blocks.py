"""Decoding audio of any length block by block, in a memory that does not grow."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from datmos.audio.decoders import describe_shortfall, open_sound
from datmos.audio.limits import check_length
from datmos.audio.open_file import FileFacts

BLOCK = 2**18  # values decoded at a time: 6 s at 44.1 kHz, mono


class Blocks:
    """A sound, block by block: iterate over it once.

    Attributes:
        facts: of the file that was opened, from the first block on; None before, and for samples.
        shortfall: at the end: that it holds less than it promises, or more than was heard, in words; or None.
    """

    def __init__(self, pairs: Iterable[tuple[int, np.ndarray]]) -> None:
        """Take sample rate and channels, float32 (channels, samples), in order."""
        self._pairs = pairs
        self.facts: FileFacts | None = None
        self.shortfall: str | None = None

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield sample rate and channels, float32 (channels, samples); one block at least, though maybe empty."""
        yield from self._pairs


class FileBlocks(Blocks):
    """The sound of a file, from beginning to end.

    Raises:
        UnusableAudioError: on the way, where the file can't be read or is outside of `datmos.audio.limits`.
    """

    def __init__(self, path: Path) -> None:
        """Prepare to read a file; it is opened for the first block."""
        super().__init__(self._decode(path))

    def _decode(self, path: Path) -> Iterator[tuple[int, np.ndarray]]:
        with open_sound(path) as (sound, facts):
            self.facts, found = facts, 0
            for block in sound.blocks(max(1, BLOCK // sound.channels)):
                found += len(block)
                check_length(found, sound.sample_rate)
                yield sound.sample_rate, np.ascontiguousarray(block.T)
            self.shortfall = describe_shortfall(sound, found / sound.sample_rate)
