"""Domains: by source, by cluster, by chance, and by several rules at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datmos.core.errors import DatmosError
from datmos.core.store import EmbeddingStore, write_store
from datmos.domains.rules import clip_points, label_domains, label_points
from datmos.domains.settings import RULES, DomainParams
from datmos.params.schema import load_params
from helpers.embedding import clip_arrays
from helpers.places import REPOSITORY

PARAMS = load_params(REPOSITORY / "params.yaml").domains
SINGLE = [name for name, rule in RULES.items() if len(rule.labels) == 1]
SEVERAL = [name for name in RULES if name not in SINGLE]


def changed(entry: str, **values: Any) -> DomainParams:
    return PARAMS._replace(**{entry: getattr(PARAMS, entry).model_copy(update=values)})


def with_k(k: int) -> DomainParams:
    return changed("kmeans", k=k)


def clips(count: int = 30) -> pd.DataFrame:
    sources = [("wind", "sound"), ("read", "speech"), ("talk", "speech")]
    rows = [(f"{i:03d}", *sources[i % 3]) for i in range(count)]
    return pd.DataFrame(rows, columns=["clip_id", "source", "category"])


def blobs(labels: np.ndarray) -> np.ndarray:
    """Points (N, 4) around far-apart centres, one a label."""
    noise = np.random.default_rng(0).normal(size=(len(labels), 4))
    return (100 * np.eye(4)[labels] + noise).astype(np.float32)


TRUTH = np.arange(30) % 3


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    """Time means of the clips are blobs by `TRUTH`; channel means tell even from odd clips."""
    frames = np.zeros((30, 4, 6), np.float16)
    frames[::2, :, :3] = 5.0
    embedded = (clip_arrays(own, pooled=point) for own, point in zip(frames, blobs(TRUTH), strict=True))
    write_store(tmp_path / "embeddings", clips()["clip_id"], embedded, {"layers": [1]})
    return EmbeddingStore(tmp_path / "embeddings")


@pytest.mark.parametrize("rule", SINGLE)
def test_every_rule_labels_every_clip_from_zero_and_repeats_itself(rule: str, store: EmbeddingStore) -> None:
    table, summary = label_domains(rule, clips(), store, with_k(3))
    again, _ = label_domains(rule, clips(), store, with_k(3))
    assert list(table["clip_id"]) == list(clips()["clip_id"])
    assert sorted(set(table["domain"])) == [0, 1, 2]
    assert table["domain"].dtype == np.int32
    pd.testing.assert_frame_equal(table, again)
    assert summary["domains"] == 3
    assert list(summary["sizes"]) == [10, 10, 10]


@pytest.mark.parametrize("rule", SEVERAL)
def test_several_rules_at_once_are_each_as_alone(rule: str, store: EmbeddingStore) -> None:
    table, summary = label_domains(rule, clips(), store, with_k(4))
    assert list(table) == ["clip_id", *RULES[rule].labels]
    for one in RULES[rule].labels:
        alone, own_summary = label_domains(one, clips(), store, with_k(4))
        assert table[one].tolist() == alone["domain"].tolist()
        assert str(summary[one]) == str(own_summary)


def test_source_names_are_in_alphabetical_order(store: EmbeddingStore) -> None:
    table, summary = label_domains("source", clips(), store, PARAMS)
    assert summary["names"] == ["read", "talk", "wind"]
    assert list(table["domain"][:3]) == [2, 0, 1]
    assert summary["nmi_source"] == pytest.approx(1)
    assert 0 < summary["nmi_category"] < 1


def test_kmeans_finds_the_clusters_and_says_how_they_lie(store: EmbeddingStore) -> None:
    table, summary = label_domains("kmeans", clips(), store, with_k(3))
    assert len({(a, b) for a, b in zip(table["domain"], TRUTH, strict=True)}) == 3
    assert summary["silhouette"] > 0.9
    assert summary["nmi_source"] == pytest.approx(1)
    centred = blobs(TRUTH) - np.stack([blobs(TRUTH)[label == TRUTH].mean(axis=0) for label in TRUTH])
    assert summary["inertia"] == pytest.approx(np.square(centred).sum(), rel=1e-4)


def test_the_authors_points_are_means_over_channels(store: EmbeddingStore) -> None:
    theirs = changed("kmeans", k=2, average_over="channels")
    points = clip_points(clips(), store, theirs)
    np.testing.assert_allclose(points, store.frames.astype(np.float32).mean(axis=1))
    table, _ = label_domains("kmeans", clips(), store, theirs)
    assert len({(label, n % 2) for n, label in enumerate(table["domain"])}) == 2
    np.testing.assert_array_equal(clip_points(clips(), store, PARAMS), store.pooled)


def test_random_is_balanced_and_has_as_many_domains_as_clusters_unless_told(
    store: EmbeddingStore,
) -> None:
    table, summary = label_domains("random", clips(29), store, with_k(3))
    assert sorted(summary["sizes"]) == [9, 10, 10]
    assert not np.array_equal(table["domain"], np.arange(29) % 3)
    assert label_domains("random", clips(), store, changed("random", k=4))[1]["domains"] == 4


def test_random_labels_may_be_drawn_one_by_one(store: EmbeddingStore) -> None:
    _, summary = label_domains("random", clips(), store, changed("random", k=4, balanced=False))
    assert sum(summary["sizes"]) == 30
    assert max(summary["sizes"]) - min(summary["sizes"]) > 1


def test_fewer_clips_that_differ_than_clusters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    """One sentence, and the control gets as many domains as there are clusters."""
    points = ((np.arange(30) % 3)[:, None] * np.ones((30, 4))).astype(np.float32)
    embedded = (clip_arrays(np.zeros((4, 6), np.float16), pooled=point) for point in points)
    write_store(tmp_path / "copies", clips()["clip_id"], embedded, {"layers": [1]})
    copies = EmbeddingStore(tmp_path / "copies")
    found, summary = label_domains("kmeans", clips(), copies, with_k(8))
    assert capsys.readouterr().err == (
        "kmeans.k: 8 clusters asked for, but only 3 of the 30 train clips differ in what is clustered: there are 3 "
        "clusters.\n"
    )
    assert len(set(zip(found["domain"], TRUTH, strict=True))) == 3
    assert list(summary["sizes"]) == [10, 10, 10]
    assert label_domains("random", clips(), copies, with_k(8))[1]["domains"] == 3
    assert label_domains("random", clips(), copies, changed("random", k=4))[1]["domains"] == 4
    assert not recwarn.list


def test_a_label_that_several_rules_have_is_made_once(capsys: pytest.CaptureFixture[str]) -> None:
    points = ((np.arange(30) % 3)[:, None] * np.ones((30, 4))).astype(np.float32)
    together = label_points(RULES, clips(), points, with_k(8))
    assert capsys.readouterr().err.count("only 3 of the 30 train clips differ") == 1
    for rule, (table, summary) in together.items():
        alone, own = label_points([rule], clips(), points, with_k(8))[rule]
        pd.testing.assert_frame_equal(table, alone)
        assert str(summary) == str(own)


@pytest.mark.parametrize("rule", ["kmeans", "random"])
def test_more_domains_than_clips(rule: str, store: EmbeddingStore) -> None:
    with pytest.raises(DatmosError, match=rf"{rule}\.k: 31 .* only 30 train clips"):
        label_domains(rule, clips(), store, changed(rule, k=31))
