"""The manifest: sorted, typed, and nothing dropped in silence."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import soundfile

from datmos.audio.settings import AudioParams
from datmos.core.errors import DatmosError
from datmos.core.files import write_parquet
from datmos.datasets.manifest import build_manifest, manifest_schema, summarise

AUDIO = AudioParams(clip_seconds=1.0, offset=0.0, min_seconds=0.1)


def ratings(root: Path, broken: tuple[str, ...] = ()) -> pd.DataFrame:
    """Twelve clips, four a split, given in descending order; the broken ones are empty files."""
    rows = []
    for number, split in enumerate(["train"] * 4 + ["valid"] * 4 + ["eval"] * 4):
        name = f"{number:02d}.wav"
        if name in broken:
            (root / name).touch()
        else:
            soundfile.write(root / name, np.sin(np.arange(4000 + number) / 7), 8000)
        system = f"sys{number % 2}" if split == "eval" else ""
        rows.append((name, split, "speech", "A", system, number / 2, [1.0, number] if number else None))
    columns = ["path", "split", "category", "source", "system", "PQ", "PQ_ratings"]
    extras = {"base": "", "PQ_true": np.nan, "missing": ""}
    return pd.DataFrame(rows[::-1], columns=columns).assign(clip_id=lambda table: table["path"], **extras)


def test_rows_are_sorted_and_headers_read(tmp_path: Path) -> None:
    manifest, excluded = build_manifest(ratings(tmp_path), tmp_path, AUDIO, max_excluded=0.0)
    assert list(manifest["clip_id"]) == [f"{number:02d}.wav" for number in range(12)]
    assert list(manifest["duration_s"]) == [(4000 + number) / 8000 for number in range(12)]
    assert set(manifest["sample_rate"]) == {8000}
    assert set(manifest["channels"]) == {1}
    assert excluded.empty
    assert list(excluded.columns) == ["path", "split", "source", "reason"]


def test_parquet_types_survive(tmp_path: Path) -> None:
    manifest, _ = build_manifest(ratings(tmp_path), tmp_path, AUDIO, max_excluded=0.0)
    write_parquet(tmp_path / "m.parquet", manifest, manifest_schema(["PQ"]))
    assert pq.read_schema(tmp_path / "m.parquet").equals(manifest_schema(["PQ"]))
    back = pd.read_parquet(tmp_path / "m.parquet")
    assert back["PQ_ratings"].iloc[0] is None
    assert back["PQ_true"].isna().all()
    assert list(back["PQ_ratings"].iloc[3]) == [1.0, 3.0]


def test_hostile_clips_have_their_reasons_and_the_others_go_on(tmp_path: Path, shared: Path) -> None:
    """A FIFO made the stage wait for ever; damaged files, and files of odd dates, ended it with a traceback."""
    table = ratings(tmp_path)
    for number in range(4):
        (tmp_path / f"0{number}.wav").unlink()
    os.mkfifo(tmp_path / "00.wav")
    shutil.copy(shared / "faults/uncaught/a_1_0006_headflip.eac3", tmp_path / "01.wav")
    shutil.copy(shared / "faults/r1_60k.wav", tmp_path / "02.wav")
    shutil.copy(shared / "faults/hls/end.m3u8", tmp_path / "03.wav")
    os.utime(tmp_path / "04.wav", (0, 9_000_000_000))
    others = table[table["split"] != "train"]
    one = others.iloc[:1].assign(split="train", path="good.wav", clip_id="good.wav")
    soundfile.write(tmp_path / "good.wav", np.sin(np.arange(4000) / 5), 8000)
    nul = one.assign(path="a\0b.wav", clip_id="a\0b.wav")
    manifest, excluded = build_manifest(pd.concat([table, one, nul]), tmp_path, AUDIO, max_excluded=0.9)
    assert set(manifest["clip_id"]) == {"good.wav", *others["path"]}
    reasons = dict(zip(excluded["path"], excluded["reason"], strict=True))
    assert "named pipe" in reasons["00.wav"]
    assert "changes from 6 channels" in reasons["01.wav"]
    assert "sample rate 1 Hz" in reasons["02.wav"]
    assert "can't be decoded" in reasons["03.wav"]
    assert "NUL" in reasons["a\0b.wav"]


def test_an_unusable_clip_is_listed_with_a_reason(tmp_path: Path) -> None:
    manifest, excluded = build_manifest(ratings(tmp_path, broken=("01.wav",)), tmp_path, AUDIO, max_excluded=0.25)
    assert "01.wav" not in set(manifest["clip_id"])
    expected = {"path": "01.wav", "split": "train", "source": "A", "reason": "empty file"}
    assert excluded.to_dict("records") == [expected]
    summary = summarise(manifest, excluded, ["PQ"])
    assert summary["train"]["excluded"] == 1
    assert (summary["train"]["excluded_sources"], summary["eval"]["excluded_sources"]) == ({"A": 1}, {})
    assert summary["train"]["clips"] == 3
    assert summary["train"]["aspects"]["PQ"]["mean"] == pytest.approx((0 + 1 + 1.5) / 3)
    assert summary["eval"]["systems"] == 2


def test_too_many_unusable_clips_stop_the_run(tmp_path: Path) -> None:
    table = ratings(tmp_path, broken=("08.wav", "09.wav"))
    with pytest.raises(DatmosError, match=r"2 of 4 eval clips can't be used \(A 2 of 4\)") as error:
        build_manifest(table, tmp_path, AUDIO, max_excluded=0.25)
    assert "08.wav: empty file" in str(error.value)
    assert "data.max_excluded 0.25" in str(error.value)


def test_a_split_without_a_usable_clip_stops_the_run_whatever_is_allowed(tmp_path: Path) -> None:
    table = ratings(tmp_path, broken=("04.wav", "05.wav", "06.wav", "07.wav"))
    with pytest.raises(DatmosError, match="4 of 4 valid clips"):
        build_manifest(table, tmp_path, AUDIO, max_excluded=1.0)


def test_audio_that_is_missing_for_a_known_reason_is_not_looked_for(tmp_path: Path) -> None:
    table = ratings(tmp_path)
    table.loc[table["path"] == "02.wav", "missing"] = "not found: nowhere"
    _, excluded = build_manifest(table, tmp_path, AUDIO, max_excluded=0.25)
    assert list(excluded["reason"]) == ["not found: nowhere"]


@pytest.mark.parametrize(("copy", "original"), [("09.wav", "00.wav"), ("05.wav", "03.wav"), ("11.wav", "04.wav")])
def test_a_leak_is_refused(tmp_path: Path, copy: str, original: str) -> None:
    table = ratings(tmp_path)
    shutil.copy(tmp_path / original, tmp_path / copy)
    with pytest.raises(DatmosError, match="1 files are in more than one of the splits") as error:
        build_manifest(table, tmp_path, AUDIO, max_excluded=0.0)
    for name in (copy, original):
        assert f"{name} (" in str(error.value)


def test_clips_of_an_evaluation_set_must_not_be_learned_from(tmp_path: Path) -> None:
    table = ratings(tmp_path)
    learned_from = build_manifest(table, tmp_path, AUDIO, max_excluded=0.0)[0]
    (tmp_path / "set").mkdir()
    for name in ("a.wav", "b.wav"):
        shutil.copy(tmp_path / "09.wav", tmp_path / "set" / name)
    clips = table[table["split"] == "eval"].head(2).assign(clip_id=["a", "b"], path=["a.wav", "b.wav"])
    assert len(build_manifest(clips, tmp_path / "set", AUDIO, 0.0, learned_from)[0]) == 2  # eval clips both times
    shutil.copy(tmp_path / "02.wav", tmp_path / "set/b.wav")
    with pytest.raises(DatmosError, match=r"02\.wav \(train\) = b\.wav \(eval\)"):
        build_manifest(clips, tmp_path / "set", AUDIO, 0.0, learned_from)


def test_copies_within_a_split_and_counterfactual_originals_are_no_leak(tmp_path: Path) -> None:
    table = ratings(tmp_path)
    shutil.copy(tmp_path / "00.wav", tmp_path / "01.wav")
    table.loc[table["path"] == "02.wav", "split"] = "counterfactual"
    shutil.copy(tmp_path / "00.wav", tmp_path / "02.wav")
    assert len(build_manifest(table, tmp_path, AUDIO, max_excluded=0.0)[0]) == 12


def test_hostile_files_are_used_or_excluded(shared: Path) -> None:
    names = sorted(path.name for path in (shared / "bad").iterdir())
    table = pd.DataFrame({"path": names, "split": "train", "category": "speech", "source": "A", "system": ""})
    table = table.assign(clip_id=names, missing="")
    manifest, excluded = build_manifest(table, shared / "bad", AUDIO, max_excluded=0.9)
    assert sorted([*manifest["path"], *excluded["path"]]) == names
    assert excluded["reason"].str.len().gt(3).all()
