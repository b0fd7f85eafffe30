"""Diagnostic figures: what is in the axes, that panels share them, and that bytes depend on the data alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from datmos.report.figures import diagnostics
from datmos.report.figures.diagnostics import (
    draw_calibration,
    draw_composition,
    draw_errors,
    draw_granularity,
    draw_training,
)
from datmos.report.figures.style import make_looks

ASPECTS = ["PQ", "CE"]
NINE = ["multigauss", "l2", "high_dropout", "dat_source", "dat_kmeans", "dat_random", "mean", "ridge", "svr"]
LOOKS = make_looks("multigauss", [*NINE, "a", "b", "only"], [])


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Figure]:
    """Draw, and return the figure that was saved; drawn twice, its bytes are the same."""

    def call(function: Callable[..., None], *arguments: Any) -> Figure:
        figures, save = [], diagnostics.save
        monkeypatch.setattr(diagnostics, "save", lambda figure, path: (figures.append(figure), save(figure, path)))
        for name in ("a.png", "b.png"):
            function(*arguments, tmp_path / name)
        monkeypatch.setattr(diagnostics, "save", save)
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
        return figures[0]

    return call


def curves(height: float) -> pd.DataFrame:
    epochs = np.arange(1, 7)
    table = pd.DataFrame({"epoch": epochs, "task_loss": height / epochs, "validation_loss": height + epochs})
    return table.assign(domain_accuracy=0.2)


def test_training_shows_losses_on_one_scale(draw: Callable[..., Figure]) -> None:
    figure = draw(draw_training, {"multigauss": curves(3.0), "dat_source": curves(9.0)}, LOOKS)
    task, validation, accuracy = figure.axes
    assert task.get_ylim() == validation.get_ylim()
    assert accuracy.get_ylim() == (0, 1)
    np.testing.assert_allclose(task.lines[1].get_ydata(), 9.0 / np.arange(1, 7))
    np.testing.assert_allclose(validation.lines[0].get_ydata(), 3.0 + np.arange(1, 7))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["multigauss", "dat_source"]


@pytest.mark.takes(2)
def test_training_of_an_encoder_shows_how_hard_the_adversaries_pull(draw: Callable[..., Figure]) -> None:
    tables = {name: curves(1.0).assign(adversarial_gradient=height) for name, height in (("a", 0.0), ("b", 2.0))}
    figure = draw(lambda path: draw_training(tables, LOOKS, path, "squared error"))
    assert len(figure.axes) == 4
    assert figure.axes[0].get_ylabel() == "squared error"
    assert [line.get_ydata()[0] for line in figure.axes[3].lines] == [0.0, 2.0]


def test_calibration_has_a_panel_an_aspect_and_a_diagonal(draw: Callable[..., Figure]) -> None:
    table = pd.DataFrame(
        {"nominal": [0.25, 0.5, 0.75], "observed": 0.0, "PQ": [0.2, 0.4, 0.6], "CE": [0.3, 0.6, 0.9]}
    )
    figure = draw(draw_calibration, {"multigauss": table, "dat_source": table}, ASPECTS, LOOKS)
    assert [axes.get_title() for axes in figure.axes] == ASPECTS
    for axes, aspect in zip(figure.axes, ASPECTS, strict=True):
        assert axes.get_xlim() == axes.get_ylim() == (0, 1)
        perfect, *strategies = axes.lines
        assert list(perfect.get_xdata()) == list(perfect.get_ydata()) == [0, 1]
        assert len(strategies) == 2
        np.testing.assert_allclose(strategies[0].get_ydata(), table[aspect])


def error_rows(strategies: list[str]) -> pd.DataFrame:
    cells = [
        (strategy, aspect, f"system within {category}", metric, float(number + 10 * place))
        for place, strategy in enumerate(strategies)
        for aspect in ASPECTS
        for number, category in enumerate(["speech", "music"])
        for metric in ("mse", "bias", "srcc")
    ]
    rows = pd.DataFrame(cells, columns=["strategy", "aspect", "level", "metric", "mean"])
    rows["level"] = rows["level"].where(rows["metric"] != "srcc", "system within groups")
    return rows


@pytest.mark.parametrize("strategies", [["only"], NINE])
@pytest.mark.takes(1)
def test_errors_by_category(draw: Callable[..., Figure], strategies: list[str]) -> None:
    figure = draw(draw_errors, error_rows(strategies), [strategies], LOOKS)
    mse, other, bias, _ = figure.axes  # two rows, two aspects
    assert mse.get_xlim() == other.get_xlim()
    assert [label.get_text() for label in mse.get_yticklabels()] == strategies
    points = [line for line in mse.lines if line.get_marker() in ("o", "s")]
    assert [point.get_xdata()[0] for point in points] == [
        value + 10 * place for place in range(len(strategies)) for value in (0.0, 1.0)
    ]
    assert [point.get_marker() for point in points[:2]] == ["s", "o"]  # speech, music
    assert points[0].get_color() == points[1].get_color() == LOOKS[strategies[0]].colour
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["music", "speech"]
    assert "bias" in bias.get_xlabel()


def test_composition_shows_counts_and_shares(draw: Callable[..., Figure]) -> None:
    counts = pd.DataFrame([[3, 1], [0, 6]], index=["a", "b"], columns=[0, 1])
    axes = draw(draw_composition, counts).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0.0, 1.0]])
    assert [text.get_text() for text in axes.texts] == ["3", "1", "0", "6"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def granularity(low: float) -> pd.DataFrame:
    cells = [
        (strategy, k, aspect, metric, k / 10, k / 10 - low, k / 10 + low)
        for strategy in ("dat_kmeans", "dat_random")
        for k in (10, 2)
        for aspect in ASPECTS
        for metric in ("mse", "srcc")
    ]
    return pd.DataFrame(cells, columns=["strategy", "k", "aspect", "metric", "mean", "low", "high"])


@pytest.mark.parametrize("low", [0.1, np.nan])
def test_granularity_goes_by_k(draw: Callable[..., Figure], low: float) -> None:
    figure = draw(draw_granularity, granularity(low), LOOKS)
    assert len(figure.axes) == 4
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    first = figure.axes[0].containers[0]
    assert list(first.lines[0].get_ydata()) == pytest.approx([0.2, 1.0])  # K = 2, then 10
    assert [label.get_text() for label in figure.axes[2].get_xticklabels()] == ["2", "10"]
    assert ("95% intervals" in figure.get_supxlabel()) == (low == 0.1)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["dat_kmeans", "dat_random"]


def test_no_ablation_is_said_so(draw: Callable[..., Figure]) -> None:
    figure = draw(draw_granularity, granularity(0.1).iloc[:0], LOOKS)
    assert "left out" in figure.texts[0].get_text()
