"""Score one strategy with other numbers of domains: `python stages/granularity.py dat_kmeans`."""

import sys
from pathlib import Path

import pandas as pd

from datmos.errors import run_stage
from datmos.files import write_metrics
from datmos.granularity import score_every_k
from datmos.params import load_params
from datmos.store import EmbeddingStore


def main() -> None:
    """Write metrics/granularity/<strategy>.json."""
    name = sys.argv[1]
    manifest, store = pd.read_parquet("data/manifest.parquet"), EmbeddingStore(Path("data/embeddings"))
    scores = score_every_k(load_params(), name, manifest, store)
    write_metrics(Path(f"metrics/granularity/{name}.json"), scores)


if __name__ == "__main__":
    run_stage(main)
