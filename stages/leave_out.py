"""Score one strategy on every source by models that never met it: `python stages/leave_out.py dat_source`."""

import sys

import pandas as pd

from datmos.core.errors import run_stage
from datmos.core.files import write_metrics
from datmos.core.places import EMBEDDINGS, MANIFEST, METRICS
from datmos.core.store import EmbeddingStore
from datmos.params.schema import load_params
from datmos.training.strategy import Study
from datmos.trials.selection import list_candidates, score_candidates


def main() -> None:
    """Write metrics/leave_out/<strategy>.json."""
    name, params = sys.argv[1], load_params()
    manifest, store, data = pd.read_parquet(MANIFEST), EmbeddingStore(EMBEDDINGS), params.data
    study = Study(manifest, store, data.aspects, data.scale, params.train, params.seeds)
    strategy = params.strategies[name]
    (scores,) = score_candidates(
        study, name, strategy, params.domains, list_candidates(name, strategy, None, None), "leave_one_source_out"
    )
    write_metrics(METRICS / f"leave_out/{name}.json", scores)


if __name__ == "__main__":
    run_stage(main)
