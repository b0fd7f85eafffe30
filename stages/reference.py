"""Predict the clips with every plain reference."""

import pandas as pd

from datmos.core.clips import predicted_clips
from datmos.core.errors import run_stage
from datmos.core.files import write_parquet
from datmos.core.paths import EMBEDDINGS, MANIFEST, REFERENCES
from datmos.core.store import EmbeddingStore
from datmos.evaluation.references import predict_reference
from datmos.params.schema import load_params


def main() -> None:
    """Write data/references/<reference>.parquet."""
    params, manifest, store = load_params(), pd.read_parquet(MANIFEST), EmbeddingStore(EMBEDDINGS)
    clip_ids = list(predicted_clips(manifest)["clip_id"])
    REFERENCES.mkdir(parents=True, exist_ok=True)  # for DVC, even if there are none
    for name in params.evaluate.references:
        predictions = predict_reference(name, store, manifest, clip_ids, params.data.aspects, params.seeds)
        write_parquet(REFERENCES / f"{name}.parquet", predictions)


if __name__ == "__main__":
    run_stage(main)
