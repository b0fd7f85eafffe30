"""Predict, score and probe with one strategy's fine-tuned models, as evaluate and probe do for the others.

`python stages/evaluate_finetuned.py audiobox_dat_source`
"""

import sys
from pathlib import Path

import pandas as pd

from datmos.audiobox.predict import finetuned_table, predict_finetuned
from datmos.core.clips import COUNTERFACTUAL
from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import write_csv, write_metrics, write_parquet
from datmos.evaluation.metrics import evaluate_predictions, lowest_validation_loss
from datmos.evaluation.probes import probe_seeds
from datmos.evaluation.uncertainty import evaluate_uncertainty
from datmos.params.schema import load_params


def main() -> None:
    """Write predictions to data/, scores, uncertainty and probes to metrics/, the calibration curve to plots/."""
    name, params = sys.argv[1], load_params()
    aspects, folder = params.data.aspects, Path(f"data/finetuned/{name}")
    manifest = pd.read_parquet("data/manifest.parquet")
    paths = [params.data.root / path for path in manifest["path"]]
    predicted = predict_finetuned(folder, paths, pick_device())
    table = finetuned_table(predicted, manifest["clip_id"], aspects)
    evaluated = manifest.loc[manifest["split"].isin(["eval", COUNTERFACTUAL]), "clip_id"]
    predictions = table[table["clip_id"].isin(evaluated)].reset_index(drop=True)
    metrics = evaluate_predictions(predictions, manifest, aspects)
    uncertainty, calibration = evaluate_uncertainty(predictions, manifest, aspects)
    natural = manifest["split"].isin(["train", "valid"])
    probes = probe_seeds({seed: own.h[natural] for seed, own in predicted.items()}, manifest[natural], aspects)
    write_parquet(Path(f"data/predictions/{name}.parquet"), predictions)
    write_metrics(Path(f"metrics/strategies/{name}.json"), metrics)
    validation = lowest_validation_loss(pd.read_csv(folder / "curves.csv"))
    write_metrics(Path(f"metrics/validation/{name}.json"), validation)
    write_metrics(Path(f"metrics/uncertainty/{name}.json"), uncertainty)
    write_metrics(Path(f"metrics/probes/{name}.json"), probes)
    write_csv(Path(f"plots/calibration/{name}.csv"), calibration)


if __name__ == "__main__":
    run_stage(main)
