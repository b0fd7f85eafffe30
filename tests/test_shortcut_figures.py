"""Pictures of the shortcut: that they show the numbers given."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from datmos import shortcut_figures
from datmos.shortcut_figures import draw_planted, draw_signature_offsets


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that was saved."""
    figures: list[Figure] = []
    real = shortcut_figures.save

    def save(figure: Figure, path: Path) -> None:
        figures.append(figure)
        real(figure, path)

    monkeypatch.setattr(shortcut_figures, "save", save)
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
    assert labels == ["mean train score\nof the source", "plain", "dat"]


def test_one_seed_has_no_error_bars(drawn: list[Figure], tmp_path: Path) -> None:
    draw_signature_offsets(offsets().assign(std=np.nan), MEANS, tmp_path / "signatures.png")
    assert [container.has_yerr for container in drawn[0].axes[0].containers] == [False, False]


def test_a_dataset_without_counterfactual_clips_gets_a_picture_that_says_so(
    drawn: list[Figure], tmp_path: Path
) -> None:
    draw_signature_offsets(offsets().query("metric == 'mse'"), MEANS, tmp_path / "signatures.png")
    assert drawn[0].texts[0].get_text() == "no counterfactual clips in this dataset"
    assert (tmp_path / "signatures.png").stat().st_size > 1000


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw_planted(manifest(), ["PQ", "CE"], tmp_path / f"{name}1.png")
        draw_signature_offsets(offsets(), MEANS, tmp_path / f"{name}2.png")
    for kind in "12":
        assert (tmp_path / f"a{kind}.png").read_bytes() == (tmp_path / f"b{kind}.png").read_bytes()
