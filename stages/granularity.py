"""Score one strategy with another number of domains: `python stages/granularity.py dat_kmeans 4`."""

import sys
from pathlib import Path

import pandas as pd

from datmos.errors import run_stage
from datmos.files import write_metrics
from datmos.granularity import score_with_k
from datmos.params import load_params
from datmos.store import EmbeddingStore


def main() -> None:
    """Write metrics/granularity/<strategy>-<k>.json."""
    name, k = sys.argv[1], int(sys.argv[2])
    manifest, store = pd.read_parquet("data/manifest.parquet"), EmbeddingStore(Path("data/embeddings"))
    scores = score_with_k(load_params(), name, k, manifest, store)
    write_metrics(Path(f"metrics/granularity/{name}-{k}.json"), scores)


if __name__ == "__main__":
    run_stage(main)
