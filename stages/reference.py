"""Predict the eval and counterfactual clips with one plain reference and score it as the strategies are.

`python stages/reference.py ridge`
"""

import sys

import pandas as pd

from datmos.core.clips import predicted_clips
from datmos.core.errors import run_stage
from datmos.core.files import write_metrics, write_parquet
from datmos.core.places import EMBEDDINGS, MANIFEST, METRICS, PREDICTIONS
from datmos.core.store import EmbeddingStore
from datmos.evaluation.metrics import evaluate_predictions
from datmos.evaluation.references import predict_reference
from datmos.params.schema import load_params


def main() -> None:
    """Write data/predictions/<reference>.parquet and metrics/strategies/<reference>.json."""
    name = sys.argv[1]
    params = load_params()
    manifest = pd.read_parquet(MANIFEST)
    clip_ids = list(predicted_clips(manifest)["clip_id"])
    store = EmbeddingStore(EMBEDDINGS)
    predictions = predict_reference(name, store, manifest, clip_ids, params.data.aspects, params.seeds)
    metrics = evaluate_predictions(predictions, manifest, params.data.aspects)
    write_parquet(PREDICTIONS / f"{name}.parquet", predictions)
    write_metrics(METRICS / f"strategies/{name}.json", metrics)


if __name__ == "__main__":
    run_stage(main)
