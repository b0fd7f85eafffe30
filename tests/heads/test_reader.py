"""The right embeddings, for a batch that all members share and for one each."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from datmos.core.store import EmbeddingStore, write_store
from datmos.heads.reader import EmbeddingReader
from helpers.embedding import clip_arrays

CPU = torch.device("cpu")


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    generator = np.random.default_rng(0)
    clips = (clip_arrays(*generator.normal(size=(2, 3, 5)).astype(np.float16)) for _ in range(6))
    ids = pd.Series([f"c{n}" for n in range(6)])
    write_store(tmp_path / "embeddings", ids, clips, {"layers": [9, 7]})
    return EmbeddingStore(tmp_path / "embeddings")


@pytest.mark.parametrize("places", [[[2, 0]], [[2, 0], [1, 1]]])
def test_reads_by_place_among_its_rows(store: EmbeddingStore, places: list[list[int]]) -> None:
    rows = np.array([5, 3, 1])
    found = EmbeddingReader(store, rows, CPU, "frames").read(torch.tensor(places))
    expected = torch.from_numpy(store.frames[rows][np.array(places)].astype(np.float32))
    assert torch.equal(found, expected[0] if len(places) == 1 else expected)
    layers = EmbeddingReader(store, rows, CPU, "layers").read(torch.tensor(places))
    both = np.stack([store.read(rows), store.read(rows, 7)], axis=1)[np.array(places)]
    expected = torch.from_numpy(both.astype(np.float32))
    assert torch.equal(layers, expected[0] if len(places) == 1 else expected)
    statistics = EmbeddingReader(store, rows, CPU, "statistics").read(torch.tensor(places))
    expected = torch.from_numpy(store.statistics[rows][np.array(places)])
    assert torch.equal(statistics, expected[0] if len(places) == 1 else expected)
