"""Fonts for names of the data, in pictures."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from datmos.report.figures import names
from datmos.report.figures.names import prepare_names
from datmos.report.figures.umap import draw_embedding

STRANGE = "\U0010fffd"  # for private use, and in no font


@pytest.fixture(autouse=True)
def fonts() -> Iterator[None]:
    before = matplotlib.rcParams["font.family"]
    yield
    matplotlib.rcParams["font.family"] = before


def test_names_stand_as_they_are_if_a_font_has_their_letters() -> None:
    assert prepare_names(["LJ Speech", "\u00fc", ""]) == {"LJ Speech": "LJ Speech", "\u00fc": "\u00fc", "": ""}
    assert matplotlib.rcParams["font.family"] == ["DejaVu Sans"]
    # the Japanese letter no, which matplotlib's STIX fonts have
    assert prepare_names(["\u306e", "a"]) == {"\u306e": "\u306e", "a": "a"}
    assert len(matplotlib.rcParams["font.family"]) == 2


def test_other_names_are_numbered() -> None:
    wanted = ["b", f"{STRANGE}z", "\u306e", f"a{STRANGE}", f"{STRANGE}z"]
    shown = prepare_names(wanted)
    assert shown == {"b": "b", "\u306e": "\u306e", f"a{STRANGE}": "no. 1", f"{STRANGE}z": "no. 2"}


def test_pictures_are_drawn_with_these_fonts(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    sources = [prepare_names(["\u306e", STRANGE])[name] for name in ("\u306e", STRANGE) * 3]
    points = np.random.default_rng(0).normal(size=(6, 2))
    draw_embedding(points, sources, np.arange(6.0), "PQ", "h", tmp_path / "a.png")
    assert not [warning for warning in recwarn.list if "Glyph" in str(warning.message)]


def test_a_font_that_is_gone_or_damaged_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "damaged.ttf").write_bytes(b"no font")
    fonts = [
        names.FontEntry(str(tmp_path / name), name="Sans A", weight=400) for name in ("damaged.ttf", "gone.ttf")
    ]
    monkeypatch.setattr(names.fontManager, "ttflist", [*names.fontManager.ttflist, *fonts])
    assert prepare_names(["\u306e", STRANGE]) == {"\u306e": "\u306e", STRANGE: "no. 1"}
