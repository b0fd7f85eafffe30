"""Make one predictor out of several strategies and score it: `python stages/combine.py by_aspect`."""

import sys
from pathlib import Path

import pandas as pd

from datmos.core.clips import COUNTERFACTUAL
from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import read_json, write_metrics, write_parquet
from datmos.core.store import EmbeddingStore
from datmos.evaluation.combination import choose_strategies, predict_combination, save_combination
from datmos.evaluation.metrics import evaluate_predictions
from datmos.params.schema import load_params


def main() -> None:
    """Write the predictor and its predictions to data/; what was chosen, and scores, to metrics/."""
    name, params = sys.argv[1], load_params()
    aspects, folder = params.data.aspects, Path(f"data/combinations/{name}")
    scores = {one: read_json(Path(f"metrics/leave_out/{one}.json")) for one in params.combinations[name]}
    choice = choose_strategies(scores, aspects)
    save_combination(folder, choice, Path("data/models"))
    manifest = pd.read_parquet("data/manifest.parquet")
    clip_ids = list(manifest.loc[manifest["split"].isin(["eval", COUNTERFACTUAL]), "clip_id"])
    predictions = predict_combination(folder, EmbeddingStore(Path("data/embeddings")), clip_ids, pick_device())
    metrics = evaluate_predictions(predictions, manifest, aspects)
    write_parquet(Path(f"data/predictions/{name}.parquet"), predictions)
    write_metrics(Path(f"metrics/combinations/{name}.json"), choice)
    write_metrics(Path(f"metrics/strategies/{name}.json"), metrics)


if __name__ == "__main__":
    run_stage(main)
