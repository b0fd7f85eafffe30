"""Train one strategy, one model a seed: `python stages/train.py dat_source`."""

import sys

import pandas as pd

from datmos.core.errors import run_stage
from datmos.core.places import DOMAINS, EMBEDDINGS, MANIFEST, MODELS, PLOTS
from datmos.core.store import EmbeddingStore
from datmos.params.schema import load_params
from datmos.training.strategy import Study, train_strategy


def main() -> None:
    """Write data/models/<strategy>/ and plots/training/<strategy>.csv."""
    name, params = sys.argv[1], load_params()
    strategy, data = params.strategies[name], params.data
    manifest, store = pd.read_parquet(MANIFEST), EmbeddingStore(EMBEDDINGS)
    train_strategy(
        Study(manifest, store, data.aspects, data.scale, params.train, params.seeds),
        name,
        strategy,
        domains=pd.read_parquet(DOMAINS / f"{strategy.domains}.parquet"),
        details={
            "encoder_params": params.encoder.model_dump(mode="json"),
            "audio": params.audio.model_dump(mode="json"),
        },
        models=MODELS / name,
        curves=PLOTS / f"training/{name}.csv",
    )


if __name__ == "__main__":
    run_stage(main)
