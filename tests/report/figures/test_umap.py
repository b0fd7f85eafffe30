import itertools

import numpy as np
import pytest

from datmos.core.errors import DatmosError
from datmos.report.figures import umap
from datmos.report.figures.umap import draw_embedding, umap_coordinates
from helpers.pictures import ink


@pytest.mark.takes(1)
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
    # a resource warning is of another test, whose rubbish was collected in this one
    assert not [str(one.message) for one in recwarn if one.category is not ResourceWarning]


@pytest.mark.takes(1)
def test_every_source_is_in_the_legend(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(umap, "save", lambda figure, path: figures.append(figure))
    draw_embedding(np.zeros((3, 2)), ["_own", "EARS", ""], np.ones(3), "PQ", "title", tmp_path / "a.png")
    shown = [text.get_text().strip("\u200a") for text in figures[0].axes[0].get_legend().get_texts()]
    assert shown == ["(none)", "EARS", "_own"]


def test_too_few_clips_for_the_neighbours():
    with pytest.raises(DatmosError, match=r"umap\.neighbors: 15 .* at least 16 clips, found 15.* to 14 or less"):
        umap_coordinates(np.zeros((15, 4)), neighbors=15, seed=0)


# blobs are separate parts of the graph of neighbours, which the first layout warns about
@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
@pytest.mark.takes(8)
def test_umap_repeats_itself_and_keeps_blobs_apart(recwarn):
    rng = np.random.default_rng(0)
    h = np.concatenate([rng.normal(20.0 * blob, 1.0, size=(10, 8)) for blob in range(3)])
    coordinates = umap_coordinates(h, neighbors=4, seed=0)
    assert coordinates.shape == (30, 2)
    np.testing.assert_array_equal(coordinates, umap_coordinates(h, neighbors=4, seed=0))
    assert not [warning for warning in recwarn if "n_jobs" in str(warning.message)]

    blobs = coordinates.reshape(3, 10, 2)
    centres = blobs.mean(axis=1)
    radius = np.linalg.norm(blobs - centres[:, None], axis=2).max()
    apart = min(np.linalg.norm(a - b) for a, b in itertools.combinations(centres, 2))
    assert apart > 2 * radius  # no two discs around the blobs touch
