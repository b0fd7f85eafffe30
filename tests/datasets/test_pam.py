"""The real list of PAM: what it says, what is found, and what is reported."""

import shutil
from pathlib import Path

import pytest

from datmos.core.errors import DatmosError
from datmos.core.registry import find
from datmos.datasets.pam import LIST, read_pam
from datmos.datasets.settings import EVALUATION_SETS
from helpers.published_lists import pam_paths, write_audio


def test_the_full_list(lists: Path) -> None:
    table = read_pam(lists, ["PQ", "CE"])
    assert (len(table), set(table["split"]), table["clip_id"].is_unique) == (1000, {"eval"}, True)
    systems = table.groupby(["category", "system"]).size()
    assert set(systems) == {100}
    assert sorted(systems["sound"].index) == ["audiogen_m", "audiolm_l", "audiolm_l2", "e2edef", "real_sound"]
    assert sorted(systems["music"].index) == [
        "audioldm2", "musicgen_large", "musicgen_melody", "musicldm", "real_music",
    ]  # fmt: skip
    assert set(table["CE_ratings"].map(len)) == {10}
    assert table["CE_ratings"].map(min).min() == 0  # a rating of 0 is valid
    means = table["PQ_ratings"].map(lambda ratings: sum(ratings) / 10)
    assert (means - table["PQ"]).abs().max() < 1e-9
    assert (table["missing"] != "").all()  # there is no audio beside the list


def test_clips_of_one_name_are_told_apart_by_their_system(lists: Path, tmp_path: Path) -> None:
    shutil.copy(lists / LIST, tmp_path)
    every = pam_paths(lists)
    same = [name for name in every if name.endswith("/generated_audio_index_1.wav")]
    assert len(same) == 5
    written = [name.removeprefix("PAM/human_eval/") for name in same[:-1]]  # a layout that drops the upper folders
    write_audio(tmp_path / "clips", written)
    table = read_pam(tmp_path, ["PQ"])
    found = table[table["missing"] == ""]
    assert sorted(found["path"]) == sorted(f"clips/{name}" for name in written)
    for row in found.itertuples():
        assert row.path.split("/")[-2] == row.system.replace("real_sound", "real")
    last = table.loc[table["path"] == same[-1], "missing"].item()
    assert "not found" in last


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("human_eval/audio/", "human_eval/noise/", r"line 1: .* \.\.\./audio/<system>/<file>"),
        ("Production_Quality", "Quality", "line 1: .*no ratings under 'Production_Quality'"),
    ],
)
def test_what_is_wrong_is_named(lists: Path, tmp_path: Path, old: str, new: str, words: str) -> None:
    (tmp_path / LIST).write_text((lists / LIST).read_text().replace(old, new, 1))
    with pytest.raises(DatmosError, match=words):
        read_pam(tmp_path, ["PQ"])


def test_an_aspect_that_was_not_rated(lists: Path) -> None:
    for read in (find(EVALUATION_SETS, "pam"), find(EVALUATION_SETS, "audiomos2025")):
        with pytest.raises(DatmosError, match=r"data\.aspects: MOS"):
            read(lists, ["MOS"])
