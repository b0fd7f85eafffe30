"""Domains: by source, by cluster, by chance."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datmos.domains import DOMAIN_RULES, label_domains
from datmos.errors import DatmosError
from datmos.params import Params, load_params

PARAMS = load_params(Path(__file__).resolve().parents[1] / "params.yaml")


def with_k(k: int) -> Params:
    return PARAMS.model_copy(update={"kmeans": PARAMS.kmeans.model_copy(update={"k": k})})


def clips(count: int = 30) -> pd.DataFrame:
    sources = [("wind", "sound"), ("read", "speech"), ("talk", "speech")]
    rows = [(f"{i:03d}", *sources[i % 3]) for i in range(count)]
    return pd.DataFrame(rows, columns=["clip_id", "source", "category"])


def blobs(labels: np.ndarray) -> np.ndarray:
    """Points (N, 4) around far-apart centres, one a label."""
    noise = np.random.default_rng(0).normal(size=(len(labels), 4))
    return (100 * np.eye(4)[labels] + noise).astype(np.float32)


@pytest.mark.parametrize("rule", DOMAIN_RULES)
def test_every_rule_labels_every_clip_from_zero_and_repeats_itself(rule: str) -> None:
    table, summary = label_domains(rule, clips(), blobs(np.arange(30) % 3), with_k(3))
    again, _ = label_domains(rule, clips(), blobs(np.arange(30) % 3), with_k(3))
    assert list(table["clip_id"]) == list(clips()["clip_id"])
    assert sorted(set(table["domain"])) == [0, 1, 2]
    assert table["domain"].dtype == np.int32
    pd.testing.assert_frame_equal(table, again)
    assert summary["domains"] == 3
    assert list(summary["sizes"]) == [10, 10, 10]


def test_source_names_are_in_alphabetical_order() -> None:
    table, summary = label_domains("source", clips(), blobs(np.arange(30) % 3), PARAMS)
    assert summary["names"] == ["read", "talk", "wind"]
    assert list(table["domain"][:3]) == [2, 0, 1]
    assert summary["nmi_source"] == pytest.approx(1)
    assert 0 < summary["nmi_category"] < 1


def test_kmeans_finds_the_clusters_and_says_how_they_lie() -> None:
    truth = np.arange(30) % 3
    table, summary = label_domains("kmeans", clips(), blobs(truth), with_k(3))
    assert len({(a, b) for a, b in zip(table["domain"], truth, strict=True)}) == 3
    assert summary["silhouette"] > 0.9
    assert summary["nmi_source"] == pytest.approx(1)
    centred = blobs(truth) - np.stack([blobs(truth)[truth == label].mean(axis=0) for label in truth])
    assert summary["inertia"] == pytest.approx(np.square(centred).sum(), rel=1e-4)


def test_random_is_balanced_and_has_as_many_domains_as_clusters_unless_told_otherwise() -> None:
    table, summary = label_domains("random", clips(29), blobs(np.arange(29) % 3), with_k(3))
    assert sorted(summary["sizes"]) == [9, 10, 10]
    assert not np.array_equal(table["domain"], np.arange(29) % 3)
    four = PARAMS.model_copy(update={"random": PARAMS.random.model_copy(update={"k": 4})})
    assert label_domains("random", clips(), blobs(np.arange(30) % 3), four)[1]["domains"] == 4


@pytest.mark.parametrize("rule", ["kmeans", "random"])
def test_more_domains_than_clips(rule: str) -> None:
    with pytest.raises(DatmosError, match=rf"{rule}\.k: 31 .* only 30 train clips"):
        label_domains(rule, clips(), blobs(np.arange(30) % 3), with_k(31))
