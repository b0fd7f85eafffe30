"""Damaged files of every format: each is read, or has its reason. benchmarks/fuzz.py does more of the same."""

from pathlib import Path

import pytest

from datmos.audio.blocks import FileBlocks
from datmos.audio.excerpt import read_excerpt
from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError
from helpers.mutants import FFMPEG, SNDFILE, mutants, write_all

AUDIO = AudioParams(clip_seconds=0.3, offset=0.2, min_seconds=0.05)
COUNT = 300


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_all(tmp_path_factory.mktemp("seeds"))


def test_every_format_is_read(seeds: list[Path]) -> None:
    assert len(seeds) == len(SNDFILE) + len(FFMPEG) > 25
    for path in seeds:
        samples, header = read_excerpt(path, AUDIO)
        assert len(samples) == round(0.3 * header.sample_rate), path.name
        blocks = FileBlocks(path)
        pairs = list(blocks)
        assert sum(block.shape[1] for _, block in pairs) / pairs[0][0] == pytest.approx(0.6, abs=0.1), path.name
        assert blocks.shortfall is None, path.name


@pytest.mark.takes(1)
def test_damage_is_a_reason(seeds: list[Path], tmp_path: Path) -> None:
    read, reasons = 0, []
    for path in mutants(seeds, tmp_path, COUNT, seed=1):
        for decode in (lambda path: read_excerpt(path, AUDIO), lambda path: list(FileBlocks(path))):
            try:
                decode(path)
                read += 1
            except UnusableAudioError as error:
                reasons.append(str(error))
        path.unlink()
    assert all(reason and "\n" not in reason for reason in reasons)
    assert COUNT / 5 < read < 2 * COUNT  # some can be read all the same, and not all
