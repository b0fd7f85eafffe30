"""Pictures of the shortcut: that they show the numbers given."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from datmos.report.figures import shortcuts
from datmos.report.figures.shortcuts import draw_planted, draw_signature_offsets


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


def offsets() -> pd.DataFrame:
    rows: list[tuple[Any, ...]] = [("plain", "PQ", "system", "mse", 9.0, 1.0, 9.0)]
    for strategy, factor in (("plain", 1.0), ("dat", 0.1)):
        for aspect in ("PQ", "CE"):
            for place, source in enumerate(["talk", "band", "street"]):
                rows.append((strategy, aspect, f"signature {source}", "offset", factor * place, 0.1, 0.0))
    return pd.DataFrame(rows, columns=["strategy", "aspect", "level", "metric", "mean", "std", "ensemble"])


MEANS = pd.DataFrame(
    {"PQ": [2.0, -1.0, -1.0, 5.0], "CE": [-1.0, 0.0, 1.0, 5.0]}, ["talk", "band", "street", "other"]
)


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


def test_offsets_are_drawn_over_sources_in_the_order_of_their_train_means(
    drawn: list[Figure], tmp_path: Path
) -> None:
    draw_signature_offsets(offsets(), MEANS, tmp_path / "signatures.png")
    pq, ce = drawn[0].axes
    assert [label.get_text() for label in pq.get_xticklabels()] == ["band", "street", "talk"]  # no offset of other
    assert [label.get_text() for label in ce.get_xticklabels()] == ["talk", "band", "street"]
    grey, plain, dat = pq.lines[1], *(container[0] for container in pq.containers)
    np.testing.assert_allclose(grey.get_ydata(), [-1.0, -1.0, 2.0])
    np.testing.assert_allclose(plain.get_ydata().astype(float), [1.0, 2.0, 0.0])
    np.testing.assert_allclose(dat.get_ydata().astype(float), [0.1, 0.2, 0.0])
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert labels == ["a predictor that\nignores signatures", "mean train score\nof the source", "plain", "dat"]


def test_one_seed_has_no_error_bars(drawn: list[Figure], tmp_path: Path) -> None:
    draw_signature_offsets(offsets().assign(std=np.nan), MEANS, tmp_path / "signatures.png")
    assert [container.has_yerr for container in drawn[0].axes[0].containers] == [False, False]


def test_a_dataset_without_counterfactual_clips_gets_a_picture_that_says_so(
    drawn: list[Figure], tmp_path: Path
) -> None:
    draw_signature_offsets(offsets().query("metric == 'mse'"), MEANS, tmp_path / "signatures.png")
    assert drawn[0].texts[0].get_text() == "no counterfactual clips in this dataset"
    assert (tmp_path / "signatures.png").stat().st_size > 1000


@pytest.mark.takes(2)
def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw_planted(manifest(), ["PQ", "CE"], tmp_path / f"{name}1.png")
        draw_signature_offsets(offsets(), MEANS, tmp_path / f"{name}2.png")
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


def test_many_strategies_stay_nearer_to_their_source_than_to_the_next(drawn: list[Figure], tmp_path: Path) -> None:
    table = offsets().query("strategy == 'plain'")
    many = pd.concat([table.assign(strategy=f"strategy_{number}") for number in range(20)])
    draw_signature_offsets(many, MEANS, tmp_path / "signatures.png")
    places = np.array([container[0].get_xdata() for container in drawn[0].axes[0].containers])
    assert np.abs(places - np.arange(3)).max() < 0.5
    assert len(np.unique(places)) == places.size


def test_offsets_of_other_levels_are_no_signatures(drawn: list[Figure], tmp_path: Path) -> None:
    other = offsets().query("metric == 'offset'").assign(level="system")
    draw_signature_offsets(other, MEANS, tmp_path / "signatures.png")
    assert drawn[0].texts[0].get_text() == "no counterfactual clips in this dataset"


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.takes(2)
def test_title_fits_and_is_clear_of_the_legend(count: int, drawn: list[Figure], tmp_path: Path) -> None:
    aspects = ["PQ", "CE"][:count]
    draw_planted(manifest(), aspects, tmp_path / "planted.png")
    draw_signature_offsets(offsets()[lambda rows: rows["aspect"].isin(aspects)], MEANS, tmp_path / "signatures.png")
    for figure in drawn:
        figure.draw_without_rendering()  # places of texts are still those of the file's resolution
        title = figure._suptitle.get_window_extent()
        assert title.x0 >= 0
        assert title.x1 <= figure.bbox.width
        assert not any(title.overlaps(legend.get_window_extent()) for legend in figure.legends)
