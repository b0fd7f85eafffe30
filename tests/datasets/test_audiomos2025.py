"""The real lists of the paper's data: what they say, and what is reported where audio is missing."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from datmos.core.errors import DatmosError
from datmos.datasets.audiomos2025 import ASPECTS, read_audiomos2025
from datmos.evaluation.ceilings import noise_ceilings
from helpers.published_lists import EVAL, LISTS, write_audio, write_subset


def test_the_full_lists(lists: Path) -> None:
    table = read_audiomos2025(lists, list(ASPECTS))
    assert table["split"].value_counts().to_dict() == {"eval": 3060, "train": 2700, "valid": 250}
    train = table[table["split"] == "train"]
    assert train["source"].value_counts().to_dict() == {
        "AudioSet": 900, "MusicCaps": 496, "CommonVoice": 476, "MUSDB18": 404, "LibriTTS": 283, "EARS": 141,
    }  # fmt: skip
    assert set(zip(train["source"], train["category"], strict=True)) == {
        ("AudioSet", "sound"), ("MusicCaps", "music"), ("MUSDB18", "music"), ("CommonVoice", "speech"),
        ("LibriTTS", "speech"), ("EARS", "speech"),
    }  # fmt: skip
    systems = table.loc[table["split"] == "eval", "system"].value_counts()
    assert (len(systems), set(systems)) == (36, {85})
    assert table["clip_id"].is_unique
    for aspect in ASPECTS:
        assert set(table[f"{aspect}_ratings"].map(len)) == {10}
        means = table[f"{aspect}_ratings"].map(lambda ratings: sum(ratings) / 10)
        assert (means - table[aspect]).abs().max() < 1e-6
    assert table["CE"].min() < 1  # a rating of 0 is valid
    assert (table["missing"] != "").all()  # there is no audio beside the lists


@pytest.mark.takes(2)
def test_a_constant_and_the_ceilings_are_those_of_the_design(lists: Path) -> None:
    table = read_audiomos2025(lists, list(ASPECTS))
    for aspect, expected in {"PQ": 1.319, "PC": 1.761, "CE": 2.874, "CU": 2.515}.items():
        constant = table.loc[table["split"] == "train", aspect].mean()
        systems = table[table["split"] == "eval"].groupby("system")[aspect].mean()
        assert ((systems - constant) ** 2).mean() == pytest.approx(expected, abs=5e-4)
    ceilings = noise_ceilings(table[table["split"] == "eval"], list(ASPECTS))
    for aspect, expected in {"PQ": 0.990, "PC": 0.985, "CE": 0.991, "CU": 0.993}.items():
        assert ceilings[aspect]["system"]["srcc"] == pytest.approx(expected, abs=0.006)


def test_stand_in_audio_is_found_and_the_rest_is_reported(lists: Path, tmp_path: Path) -> None:
    names = write_subset(lists, tmp_path, train=60, valid=20, per_system=3)
    absent = names[5]
    write_audio(tmp_path / "audio", [name for name in names if name != absent])
    table = read_audiomos2025(tmp_path, ["CU", "PQ"])
    assert len(table) == 60 + 20 + 36 * 3
    missing = table[table["missing"] != ""]
    assert list(missing["path"]) == [absent]
    assert "not found" in missing["missing"].iloc[0]
    assert [name for name in table if name in ASPECTS] == ["CU", "PQ"]
    for path in table.loc[table["missing"] == "", "path"]:
        assert (tmp_path / path).is_file()


def test_single_ratings_of_natural_clips_may_be_absent(lists: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lists" / "audiomos2025_track2"
    folder.mkdir(parents=True)
    for name in (*LISTS.values(), EVAL):
        (folder / name).symlink_to(lists / name)
    table = read_audiomos2025(tmp_path, ["PQ"])
    assert table.loc[table["split"] == "train", "PQ_ratings"].isna().all()
    assert table.loc[table["split"] == "eval", "PQ_ratings"].notna().all()


def test_what_is_wrong_is_named(lists: Path, tmp_path: Path) -> None:
    with pytest.raises(DatmosError, match=r"train_list\.csv: found 0 times in .* imports it"):
        read_audiomos2025(tmp_path, ["PQ"])
    with pytest.raises(DatmosError, match=r"data\.aspects: PX; did you mean 'P.'\? Rated were PQ"):
        read_audiomos2025(lists, ["PX"])
    for name in (*LISTS.values(), EVAL):
        shutil.copy(lists / name, tmp_path)
    annotations, train = tmp_path / EVAL, tmp_path / LISTS["train"]
    annotations.write_text(annotations.read_text().replace("-sys", "-system-", 1))
    with pytest.raises(DatmosError, match="line 1: no system in"):
        read_audiomos2025(tmp_path, ["PQ"])
    annotations.write_text("{\n")
    with pytest.raises(DatmosError, match="line 1: not JSON"):
        read_audiomos2025(tmp_path, ["PQ"])
    table = pd.read_csv(train, dtype=str)
    table.rename(columns={"Production_Quality": "Quality"}).to_csv(train, index=False)
    with pytest.raises(DatmosError, match="column 'Production_Quality' is missing"):
        read_audiomos2025(tmp_path, ["PQ"])
    table.assign(data_path="/your_path/elsewhere/x.wav").to_csv(train, index=False)
    with pytest.raises(DatmosError, match="unknown collections elsewhere"):
        read_audiomos2025(tmp_path, ["PQ"])
