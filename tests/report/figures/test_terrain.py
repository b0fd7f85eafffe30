"""The terrain: heights by hand, and a picture that depends on nothing but its data."""

from pathlib import Path

import numpy as np
import pytest

from datmos.report.figures.terrain import draw_terrain, quality_surface


def cloud(n: int = 400) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 2))


def test_a_constant_is_flat_and_a_slope_rises() -> None:
    points = cloud()
    _, _, flat = quality_surface(points, np.full(len(points), 3.5))
    assert np.nanmin(flat) == pytest.approx(3.5)
    assert np.nanmax(flat) == pytest.approx(3.5)
    x, _, slope = quality_surface(points, points[:, 1])
    column = slope[:, np.abs(x).argmin()]  # heights go by y, then x
    known = np.isfinite(column)
    assert np.all(np.diff(column[known]) > 0)
    assert column[known][-1] - column[known][0] > 1.0


def test_a_height_by_hand() -> None:
    points, scores = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 2.0]]), np.array([1.0, 2.0, 3.0, 5.0])
    x, y, height = quality_surface(points, scores)
    bandwidth = np.sqrt(5)  # from each to its farthest neighbour, the third
    row, column = 20, 41
    distance = (points - [x[column], y[row]]) / bandwidth
    weights = np.exp(-0.5 * (distance**2).sum(axis=1))
    assert height[row, column] == pytest.approx(weights @ scores / weights.sum())
    assert x[0] == pytest.approx(-bandwidth)
    assert y[-1] == pytest.approx(2 + bandwidth)


def test_where_nobody_is_there_is_no_ground() -> None:
    far = np.concatenate([cloud(200), cloud(200) + np.array([30.0, 0.0])])
    x, _, height = quality_surface(far, far[:, 0])
    middle = np.abs(x - 15).argmin()
    assert np.isnan(height[:, middle]).all()
    assert np.isfinite(height[:, np.abs(x).argmin()]).any()


@pytest.mark.takes(2)
def test_the_same_data_give_the_same_bytes_and_one_strategy_is_enough(tmp_path: Path) -> None:
    points = cloud()
    two = {"multigauss": (points, points[:, 0]), "dat_source": (2 * points, points[:, 1])}
    for name, terrains in {"a": two, "b": two, "c": {"only": two["multigauss"]}}.items():
        draw_terrain(terrains, "PQ", tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "c.png").stat().st_size > 10_000


def test_few_points_still_make_a_picture(tmp_path: Path) -> None:
    draw_terrain({"few": (cloud(5), np.arange(5.0))}, "PQ", tmp_path / "few.png")
    assert (tmp_path / "few.png").is_file()
