"""data/embeddings: what is damaged or does not belong together is one message that names the file."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datmos.core.errors import DatmosError
from datmos.core.store import EmbeddingStore, write_store
from helpers.embedding import clip_arrays


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clips = (clip_arrays(frames, -frames) for frames in np.ones((3, 2, 5), np.float16))
    write_store(tmp_path / "embeddings", pd.Series(["a", "b", "c"]), clips, {"layers": [4, 7]})
    return tmp_path / "embeddings"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def array(values: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.save(path, values)


def without(key: str) -> Callable[[Path], None]:
    def remove(path: Path) -> None:
        info = json.loads(path.read_text())
        del info[key]
        path.write_text(json.dumps(info))

    return remove


def index(**columns: list[str]) -> Callable[[Path], None]:
    return lambda path: pd.DataFrame(columns).to_parquet(path)


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("frames.npy", Path.unlink, "No such file"),
        ("frames.npy", cut, "mmap length"),
        ("frames.npy", empty, "No data left in file"),
        (
            "frames.npy",
            array(np.ones((3, 2, 5), np.float32)),
            r"holds float32 \(3, 2, 5\), but .* float16 \(3, 2, 5\)",
        ),
        ("frames.npy", array(np.ones((3, 2, 4), np.float16)), r"holds float16 \(3, 2, 4\)"),
        ("frames.npy", array(np.array([{}])), "Python objects"),
        ("frames_layer7.npy", array(np.ones((2, 2, 5), np.float16)), r"holds float16 \(2, 2, 5\)"),
        ("pooled.npy", array(np.ones((3, 3), np.float32)), r"holds float32 \(3, 3\), but .* float32 \(3, 2\)"),
        ("pooled.npy", lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x05\x00{'a'("), "."),
        ("statistics.npy", array(np.ones((3, 2), np.float32)), r"holds float32 \(3, 2\), but .* \(3, 4\)"),
        ("encoder.json", without("layers"), "'layers' is missing"),
        ("encoder.json", without("frames"), "'frames' is missing"),
        ("encoder.json", without("frames_kept"), "'frames_kept' is missing"),
        ("encoder.json", empty, "Expecting value"),
        ("encoder.json", lambda path: path.write_text("[1]"), "."),
        ("index.parquet", cut, "."),
        ("index.parquet", index(name=["a", "b", "c"]), "clip_id"),
        ("index.parquet", index(clip_id=["a", "b", "b"]), "a clip_id is there twice"),
    ],
)
def test_damage_is_one_message_that_names_the_file(
    folder: Path, name: str, damage: Callable[[Path], object], reason: str
) -> None:
    damage(folder / name)
    with pytest.raises(DatmosError, match=rf"/embeddings/{name}: .*{reason}.*run `dvc repro embed`"):
        EmbeddingStore(folder)


def test_an_index_of_another_length_is_noticed(folder: Path) -> None:
    index(clip_id=["a", "b"])(folder / "index.parquet")
    with pytest.raises(
        DatmosError, match=r"frames\.npy: holds float16 \(3, 2, 5\), .*index\.parquet .*\(2, 2, 5\)"
    ):
        EmbeddingStore(folder)


def test_a_store_without_frames_has_all_else(tmp_path: Path) -> None:
    clips = [clip_arrays(frames) for frames in np.random.default_rng(0).normal(size=(3, 2, 5)).astype(np.float16)]
    for name in ("with", "without"):
        given = ({key: value for key, value in clip.items() if key != "0" or name == "with"} for clip in clips)
        write_store(tmp_path / name, pd.Series(["a", "b", "c"]), given, {"layers": [4]})
    whole, small = EmbeddingStore(tmp_path / "with"), EmbeddingStore(tmp_path / "without")
    assert small.info == whole.info | {"frames_kept": False}
    assert np.array_equal(small.statistics, whole.statistics)
    assert np.array_equal(small.pooled, whole.pooled)
    assert not (tmp_path / "without/frames.npy").exists()
    with pytest.raises(DatmosError, match=r"keeps no frames.*Set embed\.frames to true"):
        small.read(np.array([0]))


def test_no_folder_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(DatmosError, match=r"encoder\.json: No such file or directory\. .*`dvc repro embed`"):
        EmbeddingStore(tmp_path / "embeddings")
