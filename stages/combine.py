"""Make one predictor out of several strategies and score it: `python stages/combine.py by_aspect`."""

import sys

import pandas as pd

from datmos.core.clips import predicted_clips
from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import read_json, write_metrics, write_parquet
from datmos.core.places import COMBINATIONS, EMBEDDINGS, MANIFEST, METRICS, MODELS, PREDICTIONS
from datmos.core.store import EmbeddingStore
from datmos.evaluation.combination import choose_strategies, predict_combination, save_combination
from datmos.evaluation.metrics import evaluate_predictions
from datmos.params.schema import load_params


def main() -> None:
    """Write the predictor and its predictions to data/; what was chosen, and scores, to metrics/."""
    name, params = sys.argv[1], load_params()
    aspects, folder = params.data.aspects, COMBINATIONS / name
    scores = {one: read_json(METRICS / f"leave_out/{one}.json") for one in params.combinations[name]}
    choice = choose_strategies(scores, aspects)
    save_combination(folder, choice, MODELS)
    manifest = pd.read_parquet(MANIFEST)
    clip_ids = list(predicted_clips(manifest)["clip_id"])
    predictions = predict_combination(folder, EmbeddingStore(EMBEDDINGS), clip_ids, pick_device())
    metrics = evaluate_predictions(predictions, manifest, aspects)
    write_parquet(PREDICTIONS / f"{name}.parquet", predictions)
    write_metrics(METRICS / f"combinations/{name}.json", choice)
    write_metrics(METRICS / f"strategies/{name}.json", metrics)


if __name__ == "__main__":
    run_stage(main)
