"""Forest plots: points, intervals and marks are where the numbers are."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from datmos.report.figures import forest
from datmos.report.figures.forest import draw_forest
from datmos.report.figures.style import make_looks
from helpers.pictures import ink

LOOKS = make_looks("plain", ["plain", "dat", "other"], ["ridge"])
CEILINGS = {(aspect, metric): gap for aspect in ("PQ", "CE") for metric, gap in (("mse", -0.75), ("srcc", 0.25))}


def rows(**changed: Any) -> pd.DataFrame:
    cells = [
        {"strategy": name, "aspect": aspect, "metric": metric, "difference": value, "low": value - 0.0625,
         "high": value + 0.0625, "separable": name == "dat", "detectable": 0.125, "ensemble": value / 2}
        for name, value in (("dat", 0.1875), ("other", math.nan), ("ridge", -5.0))
        for aspect in ("PQ", "CE")
        for metric in ("mse", "srcc")
    ]  # fmt: skip
    return pd.DataFrame(cells).assign(baseline="plain", **changed)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    save = forest.save
    monkeypatch.setattr(forest, "save", lambda figure, path: (figures.append(figure), save(figure, path)))
    return figures


@pytest.mark.takes(2)
def test_points_intervals_and_ensembles(drawn: list[Figure], tmp_path: Path) -> None:
    blocks = [["dat", "other"], [], ["ridge"]]
    for name in ("a", "b"):
        draw_forest(rows(), blocks, CEILINGS, LOOKS, tmp_path / f"{name}.png")
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    assert b"tEXt" not in content  # neither software nor time
    assert ink(tmp_path / "a.png") > 0.02
    panels = drawn[0].axes
    assert [axes.get_title() for axes in panels] == ["PQ", "CE", "", ""]
    names = [label.get_text() for label in panels[0].get_yticklabels()]
    assert names == ["dat", "other", "ridge"]
    dat, other, ridge = panels[0].get_yticks()
    assert dat < other < ridge
    assert ridge - other > other - dat  # a gap between the blocks
    marks = {line.get_marker(): line for line in panels[0].lines if line.get_marker() in ("o", "|")}
    assert list(marks["o"].get_xdata()) == [0.1875]
    assert marks["o"].get_markerfacecolor() == LOOKS["dat"].colour  # separable
    assert list(marks["|"].get_xdata()) == [0.09375]
    intervals = [list(line.get_xdata()) for line in panels[0].lines if list(line.get_ydata()) == [dat, dat]]
    assert intervals == [[0.125, 0.25]]
    np.testing.assert_allclose(panels[0].get_xlim(), (-0.27, 0.27))  # to the ceiling, on both sides
    assert [text.get_text() for text in panels[0].texts] == ["-5"]  # an arrow at the edge


def test_what_is_not_separable_is_hollow(drawn: list[Figure], tmp_path: Path) -> None:
    draw_forest(rows(separable=False), [["dat"]], CEILINGS, LOOKS, tmp_path / "a.png")
    (mark,) = [line for line in drawn[0].axes[0].lines if line.get_marker() == "o"]
    assert mark.get_markerfacecolor() == "white"


def test_without_a_ceiling_a_panel_holds_the_intervals(drawn: list[Figure], tmp_path: Path) -> None:
    draw_forest(rows(detectable=math.nan), [["dat"]], {}, LOOKS, tmp_path / "a.png")
    assert drawn[0].axes[0].get_xlim()[1] == pytest.approx(1.08 * 0.25)
    assert "noise ceiling" not in [text.get_text() for text in drawn[0].legends[0].get_texts()]


def test_one_aspect_without_any_number(tmp_path: Path) -> None:
    table = rows().query("aspect == 'PQ'").assign(difference=math.nan, low=math.nan, high=math.nan)
    draw_forest(table, [["dat", "other"], ["ridge"]], {}, LOOKS, tmp_path / "a.png")
    assert ink(tmp_path / "a.png") > 0.005
