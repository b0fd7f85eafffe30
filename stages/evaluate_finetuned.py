"""Predict, score and probe with one strategy's fine-tuned models, as evaluate and probe do for the others.

`python stages/evaluate_finetuned.py audiobox_dat_source`
"""

import sys

import pandas as pd

from datmos.audiobox.predict import finetuned_table, predict_finetuned
from datmos.core.clips import natural_clips, predicted_clips
from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import write_csv, write_metrics, write_parquet
from datmos.core.places import FINETUNED, MANIFEST, METRICS, PLOTS, PREDICTIONS
from datmos.evaluation.metrics import evaluate_predictions, lowest_validation_loss
from datmos.evaluation.probes import probe_seeds
from datmos.evaluation.uncertainty import evaluate_uncertainty
from datmos.params.schema import load_params


def main() -> None:
    """Write predictions to data/, scores, uncertainty and probes to metrics/, the calibration curve to plots/."""
    name, params = sys.argv[1], load_params()
    aspects, folder = params.data.aspects, FINETUNED / name
    manifest = pd.read_parquet(MANIFEST)
    paths = [params.data.root / path for path in manifest["path"]]
    predicted = predict_finetuned(folder, paths, pick_device())
    table = finetuned_table(predicted, manifest["clip_id"], aspects)
    evaluated = predicted_clips(manifest)["clip_id"]
    predictions = table[table["clip_id"].isin(evaluated)].reset_index(drop=True)
    metrics = evaluate_predictions(predictions, manifest, aspects)
    uncertainty, calibration = evaluate_uncertainty(predictions, manifest, aspects)
    natural = manifest.index.isin(natural_clips(manifest).index)
    probes = probe_seeds({seed: own.h[natural] for seed, own in predicted.items()}, manifest[natural], aspects)
    write_parquet(PREDICTIONS / f"{name}.parquet", predictions)
    write_metrics(METRICS / f"strategies/{name}.json", metrics)
    validation = lowest_validation_loss(pd.read_csv(folder / "curves.csv"))
    write_metrics(METRICS / f"validation/{name}.json", validation)
    write_metrics(METRICS / f"uncertainty/{name}.json", uncertainty)
    write_metrics(METRICS / f"probes/{name}.json", probes)
    write_csv(PLOTS / f"calibration/{name}.csv", calibration)


if __name__ == "__main__":
    run_stage(main)
