"""Both backbones side by side: bars where the numbers are, a star where they are separable."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from datmos.report.figures import backbones
from datmos.report.figures.backbones import draw_backbones


@pytest.mark.takes(2)
def test_bars_stars_and_gaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pd.DataFrame(
        [
            (baseline, strategy, aspect, metric, value, value - 0.1, high, separable)
            for aspect in ("PQ", "CE")
            for metric in ("mse", "srcc")
            for baseline, strategy, value, high, separable in (
                ("plain", "dat_source", -0.5, -0.2, True),
                ("plain", "dat_kmeans", 0.25, 0.5, False),
                ("tuned", "tuned_dat", np.nan, np.nan, False),
            )
        ],
        columns=["baseline", "strategy", "aspect", "metric", "difference", "low", "high", "separable"],
    )
    figures: list[Figure] = []
    save = backbones.save
    monkeypatch.setattr(backbones, "save", lambda figure, path: (figures.append(figure), save(figure, path)))
    draw_backbones(rows, tmp_path / "a.png")
    draw_backbones(rows, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert len(figures[0].axes) == 4
    axes = figures[0].axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    assert heights[:2] == [-0.5, 0.25]
    assert np.isnan(heights[2])
    assert [text.get_text() for text in axes.texts] == ["*", "", ""]
    names = [label.get_text() for label in figures[0].axes[2].get_xticklabels()]
    assert names == ["dat_source", "dat_kmeans", "tuned_dat"]
    places = axes.get_xticks()
    assert places[2] - places[1] > places[1] - places[0]
    assert [text.get_text() for text in figures[0].legends[0].get_texts()] == ["plain", "tuned"]
