"""Predict the eval and counterfactual clips with one strategy's models; score them and their uncertainty.

`python stages/evaluate.py dat_source`
"""

import sys
from pathlib import Path

import pandas as pd

from datmos.core.clips import COUNTERFACTUAL
from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import write_csv, write_metrics, write_parquet
from datmos.core.store import EmbeddingStore
from datmos.evaluation.metrics import evaluate_predictions, lowest_validation_loss
from datmos.evaluation.uncertainty import evaluate_uncertainty
from datmos.heads.predict import predict_clips
from datmos.heads.saved import load_models


def main() -> None:
    """Write predictions to data/, scores and uncertainty to metrics/, and the calibration curve to plots/."""
    name = sys.argv[1]
    manifest = pd.read_parquet("data/manifest.parquet")
    folder = Path(f"data/models/{name}")
    models, curves = load_models(folder), pd.read_csv(folder / "curves.csv")
    clip_ids = list(manifest.loc[manifest["split"].isin(["eval", COUNTERFACTUAL]), "clip_id"])
    predictions = predict_clips(models, EmbeddingStore(Path("data/embeddings")), clip_ids, pick_device())
    aspects = models.config["aspects"]
    metrics = evaluate_predictions(predictions, manifest, aspects)
    uncertainty, calibration = evaluate_uncertainty(predictions, manifest, aspects)
    write_parquet(Path(f"data/predictions/{name}.parquet"), predictions)
    write_metrics(Path(f"metrics/strategies/{name}.json"), metrics)
    write_metrics(Path(f"metrics/validation/{name}.json"), lowest_validation_loss(curves))
    write_metrics(Path(f"metrics/uncertainty/{name}.json"), uncertainty)
    write_csv(Path(f"plots/calibration/{name}.csv"), calibration)


if __name__ == "__main__":
    run_stage(main)
