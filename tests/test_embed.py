"""The embedding store: what is written is what the encoder gave, clip by clip."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from datmos.audio import load_clip
from datmos.embed import embed_clips
from datmos.errors import DatmosError
from datmos.params import AudioParams
from datmos.store import EmbeddingStore

AUDIO = AudioParams(clip_seconds=0.5, offset=0.0, min_seconds=0.1)
CPU = torch.device("cpu")


class FramesEncoder:
    """D = 4 consecutive samples a frame: an encoder whose output can be computed by hand."""

    name, sample_rate, hop = "frames", 8000, 4

    def __call__(self, waveforms: torch.Tensor) -> torch.Tensor:
        return waveforms.unflatten(1, (-1, 4)).transpose(1, 2)  # (B, 4, T)


class BrokenEncoder(FramesEncoder):
    def __call__(self, waveforms: torch.Tensor) -> torch.Tensor:
        return super().__call__(waveforms) * float("nan")


@pytest.fixture
def manifest(tmp_path: Path) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    names = [f"{number}.wav" for number in range(5)]
    for name in names:
        soundfile.write(tmp_path / name, generator.uniform(-1, 1, 4000), 8000, subtype="FLOAT")
    return pd.DataFrame({"clip_id": names, "path": names})


def test_frames_pooled_index_and_description(tmp_path: Path, manifest: pd.DataFrame) -> None:
    folder = tmp_path / "embeddings"
    embed_clips(manifest, tmp_path, AUDIO, FramesEncoder(), 2, CPU, folder)  # the last batch is not full
    store = EmbeddingStore(folder)
    assert store.frames.shape == (5, 4, 1000)
    assert store.frames.dtype == np.float16
    assert isinstance(store.frames, np.memmap)
    assert store.frames.flags.c_contiguous
    for row, name in enumerate(manifest["path"]):
        expected = load_clip(tmp_path / name, AUDIO, 8000).numpy().reshape(1000, 4).T
        np.testing.assert_array_equal(store.frames[row], expected.astype(np.float16))
        np.testing.assert_allclose(store.pooled[row], expected.mean(axis=1), atol=1e-6)
    assert json.loads((folder / "encoder.json").read_text()) == {
        "name": "frames",
        "sample_rate": 8000,
        "hop": 4,
        "dimension": 4,
        "frames": 1000,
        "clip_seconds": 0.5,
        "offset": 0.0,
    }


def test_batches_are_read_in_the_order_asked_for(tmp_path: Path, manifest: pd.DataFrame) -> None:
    embed_clips(manifest, tmp_path, AUDIO, FramesEncoder(), 2, CPU, tmp_path / "e")
    store = EmbeddingStore(tmp_path / "e")
    rows = store.rows(["3.wav", "0.wav", "3.wav"])
    assert list(rows) == [3, 0, 3]
    np.testing.assert_array_equal(store.read(rows), np.asarray(store.frames)[[3, 0, 3]])
    with pytest.raises(DatmosError, match=r"no embedding for 1 clips \(9\.wav\)"):
        store.rows(["9.wav"])


def test_the_same_bytes_every_time(tmp_path: Path, manifest: pd.DataFrame) -> None:
    for name in ("a", "b"):
        embed_clips(manifest, tmp_path, AUDIO, FramesEncoder(), 2, CPU, tmp_path / name)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_a_failure_leaves_the_earlier_embeddings(tmp_path: Path, manifest: pd.DataFrame) -> None:
    folder = tmp_path / "embeddings"
    embed_clips(manifest, tmp_path, AUDIO, FramesEncoder(), 2, CPU, folder)
    before = (folder / "frames.npy").read_bytes()
    with pytest.raises(DatmosError, match=r"not finite.*0\.wav, 1\.wav"):
        embed_clips(manifest, tmp_path, AUDIO, BrokenEncoder(), 2, CPU, folder)
    (tmp_path / "4.wav").write_bytes(b"")
    with pytest.raises(DatmosError, match=r"4\.wav: empty file, though the manifest calls it usable"):
        embed_clips(manifest, tmp_path, AUDIO, FramesEncoder(), 2, CPU, folder)
    assert (folder / "frames.npy").read_bytes() == before
    assert not list(tmp_path.glob(".embeddings*"))
