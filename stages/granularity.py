"""Train one strategy with other numbers of domains, and predict: `python stages/granularity.py dat_kmeans`."""

import pandas as pd

from datmos.ablations.granularity import predict_every_k
from datmos.core.errors import run_stage, stage_item
from datmos.core.files import write_parquet
from datmos.core.paths import EMBEDDINGS, GRANULARITY, MANIFEST
from datmos.core.store import EmbeddingStore
from datmos.params.schema import load_params
from datmos.training.train import Study


def main() -> None:
    """Write data/granularity/<strategy>.parquet: predictions of the eval clips; evaluate scores them."""
    name, params = stage_item(), load_params()
    manifest, store, data = pd.read_parquet(MANIFEST), EmbeddingStore(EMBEDDINGS), params.data
    seeds = sorted(params.seeds)[: params.granularity.seeds]
    study = Study(manifest, store, data.aspects, data.scale, params.train, seeds)
    predictions = predict_every_k(study, name, params.strategies[name], params.domains, params.granularity.k)
    write_parquet(GRANULARITY / f"{name}.parquet", predictions)


if __name__ == "__main__":
    run_stage(main)
