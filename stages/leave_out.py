"""Score one strategy on every source by models that never met it: `python stages/leave_out.py dat_source`."""

import sys
from pathlib import Path

import pandas as pd

from datmos.core.errors import run_stage
from datmos.core.files import write_metrics
from datmos.core.store import EmbeddingStore
from datmos.params.schema import load_params
from datmos.trials.selection import list_candidates, score_candidates


def main() -> None:
    """Write metrics/leave_out/<strategy>.json."""
    name, params = sys.argv[1], load_params()
    manifest, store = pd.read_parquet("data/manifest.parquet"), EmbeddingStore(Path("data/embeddings"))
    candidates = list_candidates(params, name, None, None)
    (scores,) = score_candidates(params, name, candidates, "leave_one_source_out", manifest, store)
    write_metrics(Path(f"metrics/leave_out/{name}.json"), scores)


if __name__ == "__main__":
    run_stage(main)
