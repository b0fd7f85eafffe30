"""The store holds what the encoder gave, whatever happened on the way: kills, damage, changes, many processes."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from safetensors.numpy import load, save

from datmos.audio.waveform import load_clip
from datmos.core.errors import DatmosError
from datmos.core.files import file_digest
from datmos.core.processes import ALONE
from datmos.core.store import EmbeddingStore, write_store
from datmos.embedding.cache import ClipCache
from datmos.embedding.clip_encoder import EmbeddingPlan
from datmos.embedding.embed import RECIPE, describe, embed_clips
from helpers.embedding import AUDIO, FramesEncoder, clip_arrays, contents, make_clips
from helpers.places import REPOSITORY

Arrays = dict[str, np.ndarray]
PLAN = EmbeddingPlan(batch_size=2, workers=3, at_once=1)


class BrokenEncoder(FramesEncoder):
    def __call__(self, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        return [layer * float("nan") for layer in super().__call__(inputs)]


@pytest.fixture
def manifest(tmp_path: Path) -> pd.DataFrame:
    return make_clips(tmp_path, 5)


def embed(
    manifest: pd.DataFrame,
    root: Path,
    encoder: FramesEncoder,
    name: str = "embeddings",
    cache: Path | None = None,
    plan: EmbeddingPlan = PLAN,
) -> Path:
    embed_clips(manifest, root, AUDIO, encoder, cache, plan, root / name)
    return root / name


def sealed(arrays: Arrays) -> bytes:
    """An entry of the cache with a right digest, whatever is in it."""
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    return content + hashlib.blake2b(content, digest_size=32).digest()


def entry(cache: Path, manifest: pd.DataFrame, number: int) -> Path:
    recipe = {"recipe": RECIPE, "kept": True, **describe(FramesEncoder(), AUDIO)}
    return ClipCache(cache, recipe, 2).path(manifest["sha256"][number])


def test_frames_layers_pooled_index_and_description(tmp_path: Path, manifest: pd.DataFrame) -> None:
    folder = embed(manifest, tmp_path, FramesEncoder())
    store = EmbeddingStore(folder)
    assert store.frames.shape == (5, 4, 1000)
    assert set(store.extra) == {3}
    assert store.frames.flags.c_contiguous
    for array in (store.frames, store.extra[3], store.pooled):
        assert isinstance(array, np.memmap)
    for row, name in enumerate(manifest["path"]):
        expected = load_clip(tmp_path / name, AUDIO, 8000).numpy().reshape(1000, 4).T
        np.testing.assert_array_equal(store.frames[row], (2 * expected).astype(np.float16))
        np.testing.assert_array_equal(store.extra[3][row], (3 * expected).astype(np.float16))
        np.testing.assert_allclose(store.pooled[row], expected.mean(axis=1), atol=1e-6)
        stored = store.frames[row].astype(np.float64)
        np.testing.assert_allclose(store.statistics[row], [*stored.mean(axis=1), *stored.std(axis=1)], atol=1e-6)
    assert json.loads((folder / "encoder.json").read_text()) == {
        "name": "frames",
        "revision": "1",
        "dtype": "float32",
        "layers": [2, 3],
        "pooled_layer": 1,
        "sample_rate": 8000,
        "hop": 4,
        "clip_seconds": 0.5,
        "offset": 0.0,
        "dimension": 4,
        "frames": 1000,
        "frames_kept": True,
    }


def test_without_frames_the_rest_is_the_same(tmp_path: Path, manifest: pd.DataFrame) -> None:
    for frames in (True, False):
        embed_clips(
            manifest,
            tmp_path,
            AUDIO,
            FramesEncoder(),
            tmp_path / "cache",
            PLAN,
            tmp_path / str(frames),
            frames=frames,
        )
    whole, small = contents(tmp_path / "True"), contents(tmp_path / "False")
    assert set(small) == set(whole) - {"frames.npy", "frames_layer3.npy"}
    for name in ("statistics.npy", "pooled.npy", "index.parquet"):
        assert small[name] == whole[name]
    encoder = FramesEncoder()  # and what is in the cache is found there
    embed_clips(manifest, tmp_path, AUDIO, encoder, tmp_path / "cache", PLAN, tmp_path / "again", frames=False)
    assert encoder.batches == []
    assert contents(tmp_path / "again") == small


def test_batches_are_read_in_the_order_asked_for(tmp_path: Path, manifest: pd.DataFrame) -> None:
    store = EmbeddingStore(embed(manifest, tmp_path, FramesEncoder()))
    rows = store.rows(["003.wav", "000.wav", "003.wav"])
    assert list(rows) == [3, 0, 3]
    np.testing.assert_array_equal(store.read(rows), np.asarray(store.frames)[[3, 0, 3]])
    np.testing.assert_array_equal(store.read(rows, layer=3), np.asarray(store.extra[3])[[3, 0, 3]])
    with pytest.raises(DatmosError, match=r"no embedding for 1 clips \(9\.wav\)"):
        store.rows(["9.wav"])


@pytest.mark.parametrize(
    "plan", [EmbeddingPlan(1, 1, 1), EmbeddingPlan(1, 4, 4), EmbeddingPlan(3, 2, 1), EmbeddingPlan(8, 1, 1)]
)
def test_the_same_bytes_however_the_work_is_laid_out(
    tmp_path: Path, manifest: pd.DataFrame, plan: EmbeddingPlan
) -> None:
    expected = contents(embed(manifest, tmp_path, FramesEncoder(), "a"))
    encoder = FramesEncoder()
    assert contents(embed(manifest, tmp_path, encoder, "b", plan=plan)) == expected
    assert set(encoder.batches) == {plan.batch_size}  # the last batch is filled up


def test_without_a_cache_nothing_is_left_beside_the_store(tmp_path: Path, manifest: pd.DataFrame) -> None:
    before = set(tmp_path.iterdir())
    embed(manifest, tmp_path, FramesEncoder())
    assert set(tmp_path.iterdir()) - before == {tmp_path / "embeddings"}


def test_only_new_and_changed_clips_are_computed(tmp_path: Path, manifest: pd.DataFrame) -> None:
    cache = tmp_path / "cache"
    one_by_one = EmbeddingPlan(1, 1, 1)
    encoder = FramesEncoder()
    embed(manifest.iloc[:3], tmp_path, encoder, cache=cache, plan=one_by_one)
    assert len(encoder.batches) == 3
    embed(manifest, tmp_path, encoder, cache=cache, plan=one_by_one)
    assert len(encoder.batches) == 5
    soundfile.write(tmp_path / "001.wav", np.linspace(-0.5, 0.5, 4000), 8000, subtype="FLOAT")
    manifest.loc[1, "sha256"] = file_digest(tmp_path / "001.wav")
    folder = embed(manifest, tmp_path, encoder, cache=cache, plan=one_by_one)
    assert len(encoder.batches) == 6
    assert contents(folder) == contents(embed(manifest, tmp_path, FramesEncoder(), "fresh"))


def test_weights_are_not_read_when_nothing_is_to_be_computed(tmp_path: Path, manifest: pd.DataFrame) -> None:
    encoder = FramesEncoder()
    for _ in range(2):
        embed(manifest, tmp_path, encoder, cache=tmp_path / "cache")
    assert encoder.loaded == 1


@pytest.mark.parametrize("change", ["revision", "layers", "clip_seconds"])
def test_other_settings_do_not_meet_old_entries(tmp_path: Path, manifest: pd.DataFrame, change: str) -> None:
    embed(manifest, tmp_path, FramesEncoder(), cache=tmp_path / "cache")
    encoder, audio = FramesEncoder(), AUDIO
    if change == "revision":
        encoder.identity = encoder.identity | {"revision": "2"}
    elif change == "layers":
        encoder.layers = (3, 2, 1)
    else:
        audio = AUDIO.model_copy(update={"clip_seconds": 0.25})
    embed_clips(manifest, tmp_path, audio, encoder, tmp_path / "cache", PLAN, tmp_path / "embeddings")
    assert sum(encoder.batches) >= 5


DAMAGES: dict[str, Callable[[bytes, Arrays], bytes]] = {
    "cut": lambda content, _: content[:-100],
    "flip": lambda content, _: content[:1000] + bytes([content[1000] ^ 1]) + content[1001:],
    "empty": lambda *_: b"",
    "shorter": lambda _, arrays: sealed(arrays | {"0": arrays["0"][:, 1:], "1": arrays["1"][:, 1:]}),
    "narrower": lambda _, arrays: sealed(
        {name: array[{"statistics": 2, "length": 0}.get(name, 1) :] for name, array in arrays.items()}
    ),
    "float32": lambda _, arrays: sealed(arrays | {"0": arrays["0"].astype(np.float32)}),
    "one layer less": lambda _, arrays: sealed({name: arrays[name] for name in arrays if name != "1"}),
    "NaN": lambda _, arrays: sealed(arrays | {"0": np.where(arrays["0"] > 0.5, np.float16(np.nan), arrays["0"])}),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("number", [0, 2])
def test_a_damaged_cache_entry_is_computed_again_and_reported(
    tmp_path: Path, manifest: pd.DataFrame, damage: str, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Faults 19 and 23; the first clip's too, whose shape the store begins with."""
    cache = tmp_path / "cache"
    expected = contents(embed(manifest, tmp_path, FramesEncoder(), cache=cache))
    file = entry(cache, manifest, number)
    content = file.read_bytes()
    file.write_bytes(DAMAGES[damage](content, load(content[:-32])))
    encoder = FramesEncoder()
    assert contents(embed(manifest, tmp_path, encoder, cache=cache, plan=EmbeddingPlan(1, 1, 1))) == expected
    # another shape that could be right: the encoder had to tell which of them is
    assert len(encoder.batches) == 1 + (damage in ("shorter", "narrower") and number != 0)
    (line,) = (
        line for line in capsys.readouterr().err.splitlines() if line.startswith("damaged entries of the cache")
    )
    assert line.endswith(f"computed again: 1. The first is {file}, of {tmp_path}/00{number}.wav")
    embed(manifest, tmp_path, encoder, cache=cache)
    assert "damaged" not in capsys.readouterr().err


def test_most_entries_may_be_wrong(
    tmp_path: Path, manifest: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the encoder gives decides, not the majority; also when a new clip is the only one to be computed."""
    cache = tmp_path / "cache"
    expected = contents(embed(manifest, tmp_path, FramesEncoder(), cache=cache))
    for new_clip in (False, True):
        for number in range(4):
            file = entry(cache, manifest, number)
            arrays = load(file.read_bytes()[:-32])
            shorter = {name: arrays[name][:, 1:] for name in ("0", "1")}
            file.write_bytes(sealed(arrays | shorter))
        if new_clip:
            entry(cache, manifest, 4).unlink()
        assert contents(embed(manifest, tmp_path, FramesEncoder(), cache=cache)) == expected
        assert "that were computed again: 4." in capsys.readouterr().err


def test_an_entry_that_does_not_stay_as_it_is_written_is_one_message(
    tmp_path: Path, manifest: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClipCache, "write", lambda *_: None)
    with pytest.raises(DatmosError, match=r"\.safetensors: not what was just written there"):
        embed(manifest, tmp_path, FramesEncoder(), cache=tmp_path / "cache")


def test_a_pooled_layer_that_is_not_finite_is_refused(tmp_path: Path, manifest: pd.DataFrame) -> None:
    class Broken(FramesEncoder):
        def __call__(self, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
            *frames, pooled = super().__call__(inputs)
            return [*frames, pooled / 0]

    with pytest.raises(DatmosError, match=r"00\d\.wav: encoder 'frames' gave values that are not finite"):
        embed(manifest, tmp_path, Broken(), cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_store_of_unlike_clips_is_refused(tmp_path: Path) -> None:
    clips = [clip_arrays(np.zeros((4, length), np.float16)) for length in (9, 9, 8)]
    with pytest.raises(
        DatmosError, match=r"^c: its embedding is float16 \(4, 8\), that of the first clip .*\(4, 9\)"
    ):
        write_store(tmp_path / "store", pd.Series(["a", "b", "c"]), iter(clips), {"layers": [1]})
    assert not list(tmp_path.iterdir())


def test_memory_that_runs_out_halves_the_batch(
    tmp_path: Path, manifest: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    class Small(FramesEncoder):
        limit = 1

        def __call__(self, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
            if len(inputs["waveforms"]) > self.limit:
                raise torch.OutOfMemoryError("too much")
            return super().__call__(inputs)

    expected = contents(embed(manifest, tmp_path, FramesEncoder(), "a"))
    encoder = Small()
    assert contents(embed(manifest, tmp_path, encoder, "b", plan=EmbeddingPlan(4, 2, 1))) == expected
    assert set(encoder.batches) == {1}
    assert "out of memory with 4 clips at once, going on with 2" in capsys.readouterr().err
    encoder.limit = 0
    with pytest.raises(DatmosError, match=r"not even one clip of 0\.5 s.*audio\.clip_seconds"):
        embed(manifest, tmp_path, encoder, "c")


def test_a_failure_leaves_the_earlier_embeddings(tmp_path: Path, manifest: pd.DataFrame) -> None:
    before = contents(embed(manifest, tmp_path, FramesEncoder()))
    with pytest.raises(DatmosError, match=r"00\d\.wav: encoder 'frames' gave values that are not finite"):
        embed(manifest, tmp_path, BrokenEncoder())
    (tmp_path / "004.wav").write_bytes((tmp_path / "003.wav").read_bytes())
    with pytest.raises(DatmosError, match=r"004\.wav has changed since the manifest was made"):
        embed(manifest, tmp_path, FramesEncoder())
    (tmp_path / "004.wav").write_bytes(b"")
    with pytest.raises(DatmosError, match=r"004\.wav: empty file, though the manifest calls it usable"):
        embed(manifest, tmp_path, FramesEncoder())
    assert contents(tmp_path / "embeddings") == before


SLOW = """
import sys, time
from pathlib import Path
import pandas as pd
from datmos.embedding.clip_encoder import EmbeddingPlan
from datmos.embedding.embed import embed_clips
from helpers.embedding import AUDIO, FramesEncoder, clip_arrays

class SlowEncoder(FramesEncoder):
    def __call__(self, inputs):
        time.sleep(0.02)
        with open(root / "encoded", "a") as log:  # a batch that is finished
            log.write("x" * len(inputs["waveforms"]))
        return super().__call__(inputs)

root = Path(sys.argv[1])
print("ready", flush=True)
embed_clips(pd.read_parquet(root / "manifest.parquet"), root, AUDIO, SlowEncoder(), root / "cache",
            EmbeddingPlan(batch_size=4, workers=3, at_once=1), root / "embeddings")
"""


@pytest.mark.takes(12)
def test_killed_at_three_random_moments(tmp_path: Path) -> None:
    """Then run to the end: the same bytes, and at most one batch repeated for each kill."""
    manifest = make_clips(tmp_path, 120)
    manifest.to_parquet(tmp_path / "manifest.parquet")
    expected = contents(embed(manifest, tmp_path, FramesEncoder(), "uninterrupted"))
    paths = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY / "tests")])
    environment = os.environ | {"PYTHONPATH": paths}
    moments = random.Random(4)
    kills = 0
    while True:
        process = subprocess.Popen(
            [sys.executable, "-c", SLOW, str(tmp_path)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        if kills == 3:
            assert process.wait() == 0
            break
        time.sleep(moments.uniform(0.02, 0.2))
        assert process.poll() is None, "finished before it was killed: make it slower"
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert contents(tmp_path / "embeddings") == expected
    encoded = len((tmp_path / "encoded").read_text())
    fillers = 4 * (kills + 1)  # each run fills up its last batch
    assert 120 <= encoded <= 120 + 4 * kills + fillers


def test_two_processes_share_the_work(tmp_path: Path, manifest: pd.DataFrame) -> None:
    """The second computes its share and writes no store; the first computes its own and writes everything."""
    expected = contents(embed(manifest, tmp_path, FramesEncoder(), "alone"))
    encoder = FramesEncoder()
    one_by_one = EmbeddingPlan(1, 1, 1)
    waited: list[int] = []
    for rank in (1, 0):
        process = ALONE._replace(rank=rank, total=2, wait=lambda: waited.append(len(encoder.batches)))
        embed_clips(
            manifest, tmp_path, AUDIO, encoder, tmp_path / "cache", one_by_one, tmp_path / "shared", process
        )
        assert (tmp_path / "shared").exists() == (rank == 0)
    assert waited == [2, 5]
    assert contents(tmp_path / "shared") == expected
