"""Names in pictures: they are shown as they are, also where matplotlib would read a formula."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from datmos.report.figures.diagnostics import (
    draw_calibration,
    draw_composition,
    draw_errors,
    draw_granularity,
    draw_training,
)
from datmos.report.figures.forest import draw_forest
from datmos.report.figures.shortcuts import draw_planted, draw_slopes
from datmos.report.figures.style import make_looks
from datmos.report.figures.terrain import draw_terrain
from datmos.report.figures.umap import draw_embedding
from datmos.sharing.demo.figures import draw_aspects, draw_time
from datmos.sharing.demo.spectrogram import Spectrogram

NAME = r"a $\frac{ <b>&amp; $ | `c`"  # matplotlib raises on such a formula
POINTS = np.random.default_rng(0).normal(size=(40, 2))


def results(level: str, *metrics: str) -> pd.DataFrame:
    rows = [(NAME, NAME, level, metric, 0.5, 0.1) for metric in metrics]
    return pd.DataFrame(rows, columns=["strategy", "aspect", "level", "metric", "mean", "std"])


def study() -> pd.DataFrame:
    return pd.DataFrame(
        {"split": ["train", "train", "eval", "eval"], "category": NAME, "source": NAME, "system": NAME, NAME: 3.0}
    )


EPOCHS = pd.DataFrame({"epoch": [1, 2], "task_loss": 1.0, "validation_loss": 1.0, "domain_accuracy": 0.5})
DIFFERENCES = pd.DataFrame(
    {"baseline": NAME, "strategy": NAME, "aspect": NAME, "metric": ["mse", "srcc"], "difference": 0.5, "low": 0.1}
).assign(high=0.9, separable=True, detectable=0.1, ensemble=0.4)
LOOKS = make_looks(NAME, [NAME], [])
ABLATION = pd.DataFrame(
    {"strategy": NAME, "k": 2, "aspect": NAME, "metric": ["mse", "srcc"], "mean": 0.5, "low": 0.1}
)
DRAWN: dict[str, Callable[[Path], None]] = {
    "forest": lambda path: draw_forest(DIFFERENCES, [[NAME]], {}, LOOKS, path),
    "training": lambda path: draw_training({NAME: EPOCHS}, LOOKS, path),
    "calibration": lambda path: draw_calibration(
        {NAME: pd.DataFrame({"nominal": [0.5], NAME: 0.5})}, [NAME], LOOKS, path
    ),
    "errors": lambda path: draw_errors(results(f"system within {NAME}", "mse", "bias"), [[NAME]], LOOKS, path),
    "composition": lambda path: draw_composition(pd.DataFrame([[3]], index=[NAME]), path),
    "granularity": lambda path: draw_granularity(ABLATION.assign(high=0.9), LOOKS, path),
    "planted": lambda path: draw_planted(study(), [NAME], path),
    "slopes": lambda path: draw_slopes(results("shortcut", "shortcut_slope"), [[NAME]], LOOKS, path),
    "terrain": lambda path: draw_terrain({NAME: (POINTS, POINTS[:, 0])}, NAME, path),
    "umap": lambda path: draw_embedding(POINTS, [NAME] * 40, POINTS[:, 0], NAME, NAME, path),
}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("picture", DRAWN)
def test_a_name_is_no_formula(picture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[Figure] = []
    real = Figure.savefig

    def save(figure: Figure, *arguments: Any, **options: Any) -> None:
        saved.append(figure)
        real(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", save)
    DRAWN[picture](tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000
    assert any(NAME in text for text in texts(saved[0]))


def test_nor_is_it_in_the_demo(tmp_path: Path) -> None:
    windows = pd.DataFrame({"start_s": [0.0], "end_s": [3.0], NAME: [2.0], f"{NAME}_std": [0.5]})
    spectrogram = Spectrogram(np.zeros((513, 10)), 0.3, 8000.0)
    for figure in (
        draw_aspects({NAME: 6.0}, {NAME: 0.5}, (1.0, 10.0)),
        draw_time(windows, [NAME], (1.0, 10.0), spectrogram, 8000.0),
    ):
        figure.savefig(tmp_path / "picture.png")  # Gradio does this later, outside of the drawing
        assert NAME in texts(figure)
