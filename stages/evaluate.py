"""Predict the eval and counterfactual clips with one strategy's models; score them, their uncertainty, and h.

`python stages/evaluate.py dat_source`
"""

import sys

import pandas as pd

from datmos.core.clips import natural_clips, predicted_clips
from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import write_csv, write_metrics, write_parquet
from datmos.core.places import EMBEDDINGS, MANIFEST, METRICS, MODELS, PLOTS, PREDICTIONS
from datmos.core.store import EmbeddingStore
from datmos.evaluation.metrics import evaluate_predictions, lowest_validation_loss
from datmos.evaluation.probes import probe_seeds
from datmos.evaluation.uncertainty import evaluate_uncertainty
from datmos.heads.predict import features_of_clips, predict_clips
from datmos.heads.saved import load_models


def main() -> None:
    """Write predictions to data/, scores, uncertainty and probes to metrics/, the calibration curve to plots/."""
    name, device = sys.argv[1], pick_device()
    manifest, store = pd.read_parquet(MANIFEST), EmbeddingStore(EMBEDDINGS)
    models, curves = load_models(MODELS / name), pd.read_csv(MODELS / name / "curves.csv")
    aspects = models.config["aspects"]
    predictions = predict_clips(models, store, list(predicted_clips(manifest)["clip_id"]), device)
    uncertainty, calibration = evaluate_uncertainty(predictions, manifest, aspects)
    natural = natural_clips(manifest)
    h_of_seeds = features_of_clips(models, store, list(natural["clip_id"]), device)
    write_parquet(PREDICTIONS / f"{name}.parquet", predictions)
    write_metrics(METRICS / f"strategies/{name}.json", evaluate_predictions(predictions, manifest, aspects))
    write_metrics(METRICS / f"validation/{name}.json", lowest_validation_loss(curves))
    write_metrics(METRICS / f"uncertainty/{name}.json", uncertainty)
    write_metrics(METRICS / f"probes/{name}.json", probe_seeds(h_of_seeds, natural, aspects))
    write_csv(PLOTS / f"calibration/{name}.csv", calibration)


if __name__ == "__main__":
    run_stage(main)
