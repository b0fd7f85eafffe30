"""Train one strategy, one model a seed: `python stages/train.py dat_source`."""

import sys
from pathlib import Path

import pandas as pd

from datmos.core.errors import run_stage
from datmos.core.store import EmbeddingStore
from datmos.params.schema import load_params
from datmos.training.train import train_strategy


def main() -> None:
    """Write data/models/<strategy>/ and plots/training/<strategy>.csv."""
    name = sys.argv[1]
    params = load_params()
    train_strategy(
        params,
        name,
        manifest=pd.read_parquet("data/manifest.parquet"),
        store=EmbeddingStore(Path("data/embeddings")),
        domains=pd.read_parquet(f"data/domains/{params.strategies[name].domains}.parquet"),
        models=Path(f"data/models/{name}"),
        curves=Path(f"plots/training/{name}.csv"),
    )


if __name__ == "__main__":
    run_stage(main)
