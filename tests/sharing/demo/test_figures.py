"""What the demo's pictures show, read from their axes."""

import numpy as np
import pandas as pd
import pytest

from datmos.sharing.demo.figures import WIDE, draw_aspects, draw_time
from datmos.sharing.demo.spectrogram import Spectrogram

SCALE = (1.0, 10.0)
PICTURE = Spectrogram(np.zeros((513, 10)), 0.6, 22_050.0)


def windows(**changed: list[float]) -> pd.DataFrame:
    table = {"start_s": [0.0, 3.0], "end_s": [3.0, 6.0], "PQ": [2.0, 4.0], "PQ_std": [0.5, 1.0]}
    return pd.DataFrame(table | {"CE": [5.0, 6.0], "CE_std": [1.0, 1.0]} | changed)


def test_bars_are_one_standard_deviation_and_95_per_cent() -> None:
    (axes,) = draw_aspects({"PQ": 6.0, "CE": 3.0}, {"PQ": 0.5, "CE": 1.0}, SCALE).axes
    bars = [collection.get_segments()[0][:, 0] for collection in axes.collections]
    expected = [[6 - WIDE * 0.5, 6 + WIDE * 0.5], [5.5, 6.5], [3 - WIDE, 3 + WIDE], [2.0, 4.0]]
    np.testing.assert_allclose(bars, expected)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["PQ", "CE"]
    assert {text.get_text() for text in axes.texts} == {"6.00 ± 0.50", "3.00 ± 1.00"}
    assert axes.get_xlim() == SCALE


def test_a_model_that_gives_no_spread_has_points_alone() -> None:
    (axes,) = draw_aspects({"PQ": 6.0}, {"PQ": float("nan")}, SCALE).axes
    assert [text.get_text() for text in axes.texts] == ["6.00"]
    draw_time(windows(PQ_std=[float("nan")] * 2), ["PQ", "CE"], SCALE, PICTURE, 8000.0)


def test_a_strip_an_aspect_above_the_spectrogram_on_one_time_axis() -> None:
    first, second, picture = draw_time(windows(), ["PQ", "CE"], SCALE, PICTURE, 8000.0).axes[:3]
    steps = first.patches[0].get_data()
    np.testing.assert_allclose(steps.values, [2.0, 4.0])
    np.testing.assert_allclose(steps.edges, [0.0, 3.0, 6.0])
    band = first.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == pytest.approx((1.5, 5.0))
    assert second.get_ylabel() == "CE"
    assert picture.get_xlim() == first.get_xlim() == (0.0, 6.0)
    assert picture.lines[0].get_ydata()[0] == 8.0  # kHz that the model hears
    assert "2 windows" in first.get_title(loc="left")


def test_a_silent_window_leaves_a_gap_and_a_low_rate_no_line() -> None:
    silent = windows(PQ=[2.0, float("nan")], PQ_std=[0.5, float("nan")])
    first, _, picture = draw_time(silent, ["PQ", "CE"], SCALE, PICTURE._replace(nyquist=4000.0), 8000.0).axes[:3]
    assert np.isnan(first.patches[0].get_data().values[1])
    assert len(picture.lines) == 0
