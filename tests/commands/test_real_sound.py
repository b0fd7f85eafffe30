"""`datmos score` warns once if a model of the simulated study scores other sound."""

import json
import os
import shutil
from pathlib import Path

import pytest

from datmos.scoring.runs.real_sound import WARNING
from helpers.loudness import LoudnessModel
from helpers.places import REPOSITORY
from helpers.score_command import datmos

STUDY = Path("data/corpus/audio")


@pytest.fixture
def study(clips: list[str]) -> Path:
    """A clip of the study, where the pipeline has it."""
    STUDY.mkdir(parents=True)
    shutil.copy("in/0.wav", STUDY / "0.wav")
    return STUDY / "0.wav"


@pytest.mark.parametrize("trained_on", [None, "simulated", "ratings", "audiomos2025"])
@pytest.mark.parametrize("output", [[], ["--output", "out.csv"]])
def test_once_a_run_and_only_for_a_model_of_the_study(
    trained_on: str | None,
    output: list[str],
    model: LoudnessModel,
    clips: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    model.trained_on = trained_on
    datmos(*clips, *output)
    printed = capsys.readouterr()
    assert printed.err.splitlines().count(WARNING) == (trained_on == "simulated")
    assert WARNING not in printed.out


def test_clips_of_the_study_give_no_warning(
    model: LoudnessModel, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.trained_on = "simulated"
    Path("link.wav").symlink_to(study)
    shutil.copy(study, "cache.wav")
    (STUDY / "cached.wav").symlink_to(tmp_path / "cache.wav")  # as DVC may have it
    for given in (str(study), "data/corpus", str(tmp_path / study), "in/../data/corpus/audio", "link.wav"):
        assert datmos(given) == 0
        assert WARNING not in capsys.readouterr().err
    for given in ("cache.wav", "data/corpus/audio/../../../in/0.wav"):
        assert datmos("data/corpus", given) == 0
        assert capsys.readouterr().err.splitlines().count(WARNING) == 1


def test_a_list_may_hold_anything(model: LoudnessModel, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model.trained_on = "simulated"
    odd = [7, "", "a\0b", "\ud800", "x" * 300 + ".wav", os.fsdecode(b"\xff.wav")]
    Path("l.jsonl").write_text("".join(json.dumps({"path": path}) + "\n" for path in [str(study), *odd]))
    assert datmos("l.jsonl") == 1
    assert "1 clip scored, 6 failed" in capsys.readouterr().err


def test_what_the_warning_names_is_there() -> None:
    assert (REPOSITORY / "docs/use-your-own-ratings.md").is_file()
    assert "facebook/audiobox-aesthetics" in WARNING  # tests/scoring/test_audiobox.py loads it by this name
