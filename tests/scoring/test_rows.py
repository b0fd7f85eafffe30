"""Rows: the names in them, which no aspect may have."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from datmos.core.aspects import RESERVED, ROW_COLUMNS, WINDOW_COLUMNS
from datmos.core.errors import DatmosError
from datmos.core.untrusted import Text, checked
from datmos.scoring.runs.inputs import ListedClip
from datmos.scoring.runs.previous_rows import FILE
from datmos.scoring.runs.rows import Layout
from datmos.scoring.scorer import Scorer
from helpers.loudness import RATE, LoudnessModel, sound

SCORES = {"level", "level_std", "peak", "peak_std"}


def test_the_reserved_names_are_those_of_rows_and_windows() -> None:
    scorer = Scorer(LoudnessModel())
    layout = Layout(scorer, None, timeline=True)
    score = scorer.score(sound(np.random.default_rng(0), 1.5), sample_rate=RATE)
    assert set(layout.schema().names) - SCORES == set(ROW_COLUMNS)
    assert list(layout.row(ListedClip("x", Path("x")), score)) == layout.schema().names
    assert {*score.windows, *score.per_second()} - SCORES == set(WINDOW_COLUMNS)
    assert FILE in RESERVED


@pytest.mark.parametrize("name", ["seconds", "error", "path", "level_std"])
def test_a_model_with_such_an_aspect_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoudnessModel, "aspects", ["level", name])
    with pytest.raises(DatmosError, match=rf"loudness: this model's rows can't be written; aspects: {name} "):
        Layout(Scorer(LoudnessModel()), None, timeline=False)


def test_a_score_that_is_printed_does_not_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[2J\n.wav"
    soundfile.write(path, sound(np.random.default_rng(0), 1.0), RATE)
    assert str(Scorer(LoudnessModel()).score(path)).splitlines()[0].isprintable()


@pytest.mark.parametrize("name", ["PQ\x1b[2J", "PQ\n", "\u202ePQ", "\ud800"])
def test_names_in_a_model_are_printable(name: str) -> None:
    assert checked(Text, "config.json", "Qualität 品質") == "Qualität 品質"
    with pytest.raises(DatmosError, match=r"config\.json"):
        checked(Text, "config.json", name)
