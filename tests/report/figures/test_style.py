import itertools
import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from datmos.core.errors import DatmosError
from datmos.report.figures import style
from datmos.report.figures.style import draw_comparison, draw_embedding, umap_coordinates


def rows(strategies=("plain", "dat"), aspects=("PQ", "CE"), std=0.1):
    cells = itertools.product(strategies, aspects, ("system", "utterance"), ("mse", "srcc", "lcc"))
    table = pd.DataFrame(cells, columns=["strategy", "aspect", "level", "metric"])
    return table.assign(mean=np.linspace(-0.5, 0.9, len(table)), std=std, ensemble=0.5)


def ink(path):
    """Fraction of the pixels of a PNG that aren't white."""
    return float((imread(path)[..., :3].min(axis=2) < 0.99).mean())


@pytest.mark.parametrize(
    "table",
    [
        rows(),
        rows(aspects=("PQ",)),
        rows(strategies=[f"strategy_{number}" for number in range(9)]),
        rows(std=math.nan),  # one seed
        rows().assign(mean=lambda table: table["mean"].where(table["strategy"] == "plain", math.nan)),
    ],
    ids=["two aspects", "one aspect", "more strategies than colours", "one seed", "a strategy without numbers"],
)
def test_comparison_is_drawn_alike_every_time(table, tmp_path, recwarn):
    draw_comparison(table, tmp_path / "first.png")
    draw_comparison(table, tmp_path / "second.png")
    content = (tmp_path / "first.png").read_bytes()
    assert content == (tmp_path / "second.png").read_bytes()
    assert b"tEXt" not in content  # neither software nor time
    assert ink(tmp_path / "first.png") > 0.05
    assert not [str(warning.message) for warning in recwarn]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.png", "second.png"]


def test_comparison_shows_system_mse_and_srcc_only(tmp_path):
    table = rows()
    other = table["level"].eq("utterance") | table["metric"].eq("lcc")
    draw_comparison(table, tmp_path / "all.png")
    draw_comparison(table[~other], tmp_path / "shown.png")
    assert (tmp_path / "all.png").read_bytes() == (tmp_path / "shown.png").read_bytes()
    draw_comparison(table.assign(mean=table["mean"].where(other, 0.3)), tmp_path / "changed.png")
    assert (tmp_path / "all.png").read_bytes() != (tmp_path / "changed.png").read_bytes()


@pytest.mark.parametrize("marks", [style.HATCHES, style.MARKERS])
def test_no_two_names_look_alike(marks):
    count = len(marks) * len(style.COLOURS)
    looks = {(marks[n % len(marks)], style.COLOURS[n % len(style.COLOURS)]) for n in range(count)}
    assert len(looks) == count


def test_embedding_is_drawn_alike_every_time(tmp_path, recwarn):
    rng = np.random.default_rng(0)
    coordinates, scores = rng.normal(size=(60, 2)), rng.uniform(1, 10, 60)
    sources = ["AudioSet", "EARS", ""] * 20
    for name in ("first.png", "second.png"):
        draw_embedding(coordinates, sources, scores, "PQ", "plain, seed 0", tmp_path / name)
    draw_embedding(coordinates, sources, scores[::-1], "PQ", "plain, seed 0", tmp_path / "other.png")
    first, second, other = ((tmp_path / f"{name}.png").read_bytes() for name in ("first", "second", "other"))
    assert first == second != other
    assert ink(tmp_path / "first.png") > 0.02
    assert not [str(warning.message) for warning in recwarn]


def test_too_few_clips_for_the_neighbours():
    with pytest.raises(DatmosError, match=r"umap\.neighbors: 15 .* at least 16 clips, found 15.* to 14 or less"):
        umap_coordinates(np.zeros((15, 4)), neighbors=15, seed=0)


# blobs are separate parts of the graph of neighbours, which the first layout warns about
@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
def test_umap_repeats_itself_and_keeps_blobs_apart(recwarn):
    rng = np.random.default_rng(0)
    h = np.concatenate([rng.normal(20.0 * blob, 1.0, size=(30, 8)) for blob in range(3)])
    coordinates = umap_coordinates(h, neighbors=10, seed=0)
    assert coordinates.shape == (90, 2)
    np.testing.assert_array_equal(coordinates, umap_coordinates(h, neighbors=10, seed=0))
    assert not np.array_equal(coordinates, umap_coordinates(h, neighbors=10, seed=1))
    assert not [warning for warning in recwarn if "n_jobs" in str(warning.message)]

    blobs = coordinates.reshape(3, 30, 2)
    centres = blobs.mean(axis=1)
    radius = np.linalg.norm(blobs - centres[:, None], axis=2).max()
    apart = min(np.linalg.norm(a - b) for a, b in itertools.combinations(centres, 2))
    assert apart > 2 * radius  # no two discs around the blobs touch
