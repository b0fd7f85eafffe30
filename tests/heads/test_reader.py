"""Batches: every clip once an epoch, and the right embeddings."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from datmos.core.store import EmbeddingStore, write_store
from datmos.heads.reader import FrameReader, shuffled

CPU = torch.device("cpu")


def streams(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_every_clip_once_in_an_order_of_each_streams_own() -> None:
    batches = list(shuffled(10, 4, streams(0, 1)))
    assert [tuple(batch.shape) for batch in batches] == [(2, 4), (2, 4), (2, 2)]
    orders = torch.cat(batches, dim=1)
    for order in orders:
        assert sorted(order.tolist()) == list(range(10))
    assert not torch.equal(orders[0], orders[1])
    alone = torch.cat(list(shuffled(10, 4, streams(1))), dim=1)
    assert torch.equal(alone[0], orders[1])


def test_epochs_differ() -> None:
    stream = streams(0)
    first, second = (torch.cat(list(shuffled(10, 4, stream)), dim=1) for _ in range(2))
    assert not torch.equal(first, second)


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    generator = np.random.default_rng(0)
    clips = (
        {
            "0": generator.normal(size=(3, 5)).astype(np.float16),
            "1": generator.normal(size=(3, 5)).astype(np.float16),
            "pooled": generator.normal(size=3).astype(np.float32),
        }
        for _ in range(6)
    )
    ids = pd.Series([f"c{n}" for n in range(6)])
    write_store(tmp_path / "embeddings", ids, clips, {"layers": [9, 7]})
    return EmbeddingStore(tmp_path / "embeddings")


@pytest.mark.parametrize("places", [[[2, 0]], [[2, 0], [1, 1]]])
def test_reads_by_place_among_its_rows(store: EmbeddingStore, places: list[list[int]]) -> None:
    rows = np.array([5, 3, 1])
    found = FrameReader(store, rows, CPU, every_layer=False).read(torch.tensor(places))
    expected = torch.from_numpy(store.frames[rows][np.array(places)].astype(np.float32))
    assert torch.equal(found, expected[0] if len(places) == 1 else expected)
    layers = FrameReader(store, rows, CPU, every_layer=True).read(torch.tensor(places))
    both = np.stack([store.read(rows), store.read(rows, 7)], axis=1)[np.array(places)]
    expected = torch.from_numpy(both.astype(np.float32))
    assert torch.equal(layers, expected[0] if len(places) == 1 else expected)
