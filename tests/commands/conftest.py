"""What several tests of commands need."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from datmos.scoring.runs import command
from datmos.scoring.scorer import Scorer
from helpers.loudness import RATE, LoudnessModel, sound


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> LoudnessModel:
    """What is loaded, whatever is asked for."""
    made = LoudnessModel()
    monkeypatch.setattr(command, "load", lambda *_: Scorer(made))
    return made


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three clips of rising level, and one that can't be scored, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number in range(3):
        samples = (number + 1) / 4 * sound(np.random.default_rng(0), 1.5 + number)
        soundfile.write(f"in/{number}.wav", samples, RATE, subtype="FLOAT")
    Path("in/1b.wav").write_bytes(b"")
    return ["in/0.wav", "in/1.wav", "in/1b.wav", "in/2.wav"]
