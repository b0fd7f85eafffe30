"""Score one strategy with other numbers of domains: `python stages/granularity.py dat_kmeans`."""

import sys
from pathlib import Path

import pandas as pd

from datmos.core.errors import run_stage
from datmos.core.files import write_metrics
from datmos.core.store import EmbeddingStore
from datmos.params.schema import load_params
from datmos.trials.granularity import score_every_k


def main() -> None:
    """Write metrics/granularity/<strategy>.json."""
    name = sys.argv[1]
    manifest, store = pd.read_parquet("data/manifest.parquet"), EmbeddingStore(Path("data/embeddings"))
    scores = score_every_k(load_params(), name, manifest, store)
    write_metrics(Path(f"metrics/granularity/{name}.json"), scores)


if __name__ == "__main__":
    run_stage(main)
