"""Pictures of the shortcut: that they show the numbers given."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from datmos.report.figures import shortcuts
from datmos.report.figures.shortcuts import draw_planted, draw_slopes
from datmos.report.figures.style import make_looks


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that was saved."""
    figures: list[Figure] = []
    real = shortcuts.save

    def save(figure: Figure, path: Path) -> None:
        figures.append(figure)
        real(figure, path)

    monkeypatch.setattr(shortcuts, "save", save)
    return figures


def manifest() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    natural = pd.DataFrame({"source": np.repeat(["talk", "band", "street"], 8), "split": "train", "system": ""})
    natural["category"] = natural["source"].map({"talk": "speech", "band": "music", "street": "sound"})
    generated = pd.DataFrame({"system": np.repeat(["s1", "s2", "s3", "s4"], 2), "split": "eval"})
    generated["category"] = np.repeat(["speech", "music"], 4)
    generated["source"] = "gen_" + generated["system"]
    twins = pd.DataFrame({"source": ["talk", "band"], "split": "counterfactual", "system": "", "category": "music"})
    table = pd.concat([natural, generated, twins], ignore_index=True)
    return table.assign(PQ=rng.uniform(1, 10, len(table)), CE=rng.uniform(1, 10, len(table)), ZZ=1.0)


def slopes() -> pd.DataFrame:
    rows: list[tuple[Any, ...]] = [("plain", "PQ", "system", "mse", 9.0, 1.0, 9.0)]
    for strategy, slope in (("plain", 0.5), ("dat", -0.125)):
        rows += [(strategy, aspect, "shortcut", "shortcut_slope", slope, 0.0625, 0.0) for aspect in ("PQ", "CE")]
    return pd.DataFrame(rows, columns=["strategy", "aspect", "level", "metric", "mean", "std", "ensemble"])


BLOCKS, LOOKS = [["plain"], ["dat"]], make_looks("plain", ["plain", "dat"], [])


@pytest.mark.parametrize("aspects", [["PQ"], ["PQ", "CE", "ZZ"]])
@pytest.mark.takes(2)
def test_planted_scores_show_train_clips_by_source_and_systems_by_category(
    aspects: list[str], drawn: list[Figure], tmp_path: Path
) -> None:
    table = manifest()
    draw_planted(table, aspects, tmp_path / "planted.png")
    panels = drawn[0].axes
    assert [axes.get_title() for axes in panels] == aspects
    names = [label.get_text() for label in panels[0].get_xticklabels()]
    assert names == ["band", "street", "talk", "music", "speech"]  # by category: music, sound, speech | eval
    spots = {round(float(np.mean(line.get_xdata()))): line.get_ydata() for line in panels[0].lines
             if line.get_marker() == "o" and len(line.get_xdata()) == 2}  # fmt: skip
    music = table[table["system"].isin(["s3", "s4"])].groupby("system")["PQ"].mean()
    np.testing.assert_allclose(sorted(spots[3]), sorted(music))


def test_a_slope_is_a_point_in_the_row_of_its_strategy(drawn: list[Figure], tmp_path: Path) -> None:
    draw_slopes(slopes(), BLOCKS, LOOKS, tmp_path / "slopes.png")
    pq, ce = drawn[0].axes
    assert [axes.get_title() for axes in (pq, ce)] == ["PQ", "CE"]
    heights = dict(zip([label.get_text() for label in pq.get_yticklabels()], pq.get_yticks(), strict=True))
    points = [(container[0].get_xdata()[0], container[0].get_ydata()[0]) for container in pq.containers]
    assert points == [(0.5, heights["plain"]), (-0.125, heights["dat"])]
    assert [container.has_xerr for container in pq.containers] == [True, True]
    assert "standard deviation" in drawn[0].get_supxlabel()


def test_one_seed_has_no_error_bars(drawn: list[Figure], tmp_path: Path) -> None:
    draw_slopes(slopes().assign(std=np.nan), BLOCKS, LOOKS, tmp_path / "slopes.png")
    assert [container.has_xerr for container in drawn[0].axes[0].containers] == [False, False]
    assert "standard deviation" not in drawn[0].get_supxlabel()


def test_a_dataset_without_counterfactual_clips_gets_a_picture_that_says_so(
    drawn: list[Figure], tmp_path: Path
) -> None:
    draw_slopes(slopes().query("metric == 'mse'"), BLOCKS, LOOKS, tmp_path / "slopes.png")
    assert drawn[0].texts[0].get_text() == "no counterfactual clips in this dataset"
    assert (tmp_path / "slopes.png").stat().st_size > 1000


@pytest.mark.takes(2)
def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw_planted(manifest(), ["PQ", "CE"], tmp_path / f"{name}1.png")
        draw_slopes(slopes(), BLOCKS, LOOKS, tmp_path / f"{name}2.png")
    for kind in "12":
        assert (tmp_path / f"a{kind}.png").read_bytes() == (tmp_path / f"b{kind}.png").read_bytes()


def test_planted_boxes_hold_the_clips_that_have_a_score(drawn: list[Figure], tmp_path: Path) -> None:
    table = manifest()
    band = table.index[(table["source"] == "band") & (table["split"] == "train")]
    table.loc[band, "PQ"] = [np.nan, np.nan, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    draw_planted(table, ["PQ"], tmp_path / "planted.png")
    box = drawn[0].axes[0].patches[0].get_path().vertices[:, 1]  # sources in order: band is first
    np.testing.assert_allclose([box.min(), box.max()], np.percentile([2, 3, 4, 5, 6, 7], [25, 75]))


def test_the_only_system_of_a_category_is_in_the_middle_of_its_box(drawn: list[Figure], tmp_path: Path) -> None:
    table = manifest()
    table = table[~table["system"].isin(["s2", "s4"])]
    draw_planted(table, ["PQ"], tmp_path / "planted.png")
    spots = [line.get_xdata()[0] for line in drawn[0].axes[0].lines if line.get_markersize() == 2.5]
    assert spots == [3, 4]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.takes(2)
def test_the_title_fits(count: int, drawn: list[Figure], tmp_path: Path) -> None:
    draw_planted(manifest(), ["PQ", "CE"][:count], tmp_path / "planted.png")
    drawn[0].draw_without_rendering()  # places of texts are still those of the file's resolution
    title = drawn[0]._suptitle.get_window_extent()
    assert title.x0 >= 0
    assert title.x1 <= drawn[0].bbox.width
