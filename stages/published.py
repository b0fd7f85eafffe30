"""Predict the eval and counterfactual clips with a published predictor, as it is, and score it.

`python stages/published.py audiobox`
"""

import sys

import pandas as pd

from datmos.audiobox.predict import predict_published, published_table
from datmos.core.clips import predicted_clips
from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import write_metrics, write_parquet
from datmos.core.places import MANIFEST, METRICS, PREDICTIONS
from datmos.evaluation.metrics import evaluate_predictions
from datmos.params.schema import load_params


def main() -> None:
    """Write data/predictions/<name>.parquet and metrics/strategies/<name>.json."""
    name, params = sys.argv[1], load_params()
    published, aspects = params.finetune.published[name], params.data.aspects
    manifest = pd.read_parquet(MANIFEST)
    clips = predicted_clips(manifest)
    paths = [params.data.root / path for path in clips["path"]]
    predicted = predict_published(published.model, published.revision, aspects, paths, pick_device())
    predictions = published_table(predicted, clips["clip_id"], aspects, params.seeds)
    metrics = evaluate_predictions(predictions, manifest, aspects)
    write_parquet(PREDICTIONS / f"{name}.parquet", predictions)
    write_metrics(METRICS / f"strategies/{name}.json", metrics)


if __name__ == "__main__":
    run_stage(main)
