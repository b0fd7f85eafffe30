"""Score all strategies and references on an evaluation set: `python stages/set_evaluate.py pam`."""

import sys

import pandas as pd

from datmos.audiobox.predict import predict_rows
from datmos.comparison.differences import compare
from datmos.comparison.rivals import find_rivals
from datmos.comparison.significance import compare_strategies
from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import rounded, write_metrics, write_parquet
from datmos.core.places import EMBEDDINGS, MANIFEST, METRICS, MODELS, SETS
from datmos.core.store import EmbeddingStore
from datmos.evaluation.ceilings import noise_ceilings
from datmos.evaluation.metrics import evaluate_predictions
from datmos.evaluation.references import predict_reference
from datmos.evaluation.uncertainty import evaluate_uncertainty
from datmos.heads.predict import predict_clips
from datmos.heads.saved import load_models
from datmos.params.schema import load_params
from datmos.report.tables import write_shared_tables


def main() -> None:
    """Write data/sets/<set>/predictions/, and scores and tables to metrics/sets/<set>/."""
    name, params = sys.argv[1], load_params()
    rivals = find_rivals(params)
    data, out, aspects = SETS / name, METRICS / "sets" / name, params.data.aspects
    clips, everything = pd.read_parquet(data / "manifest.parquet"), pd.read_parquet(MANIFEST)
    train = everything[everything["split"] == "train"]
    device, finetune = pick_device(), params.finetune
    clip_ids, store, train_store = (
        list(clips["clip_id"]),
        EmbeddingStore(data / "embeddings"),
        EmbeddingStore(EMBEDDINGS),
    )
    predictions = {
        one: predict_clips(load_models(MODELS / one), store, clip_ids, device) for one in params.strategies
    }
    predictions |= {
        one: predict_reference(one, train_store, train, clip_ids, aspects, params.seeds, predicted_store=store)
        for one in params.evaluate.references
    }
    predictions |= predict_rows(
        list(finetune.strategies), finetune.published, clips, params.evaluation_sets[name].root, aspects,
        params.seeds, device,
    )  # fmt: skip
    predictions = {one: predictions[one] for one in rivals.all}
    manifest = pd.concat([train, clips])
    metrics = {one: evaluate_predictions(rows, manifest, aspects) for one, rows in predictions.items()}
    uncertainty = {one: evaluate_uncertainty(predictions[one], manifest, aspects)[0] for one in rivals.trained}
    significance = compare_strategies(predictions, clips, aspects, rivals.against, rivals.of)
    ceilings = noise_ceilings(clips, aspects)
    for one, rows in predictions.items():
        write_parquet(data / f"predictions/{one}.parquet", rows)
    write_metrics(out / "strategies.json", metrics)
    write_metrics(out / "uncertainty.json", uncertainty)
    write_metrics(out / "significance.json", significance)
    write_metrics(out / "ceilings.json", ceilings)
    write_metrics(out / "comparison.json", compare(metrics, params.evaluate.baseline, aspects))
    metrics, uncertainty, significance, ceilings = rounded([metrics, uncertainty, significance, ceilings])
    write_shared_tables(out / "tables", aspects, metrics, uncertainty, significance, ceilings)


if __name__ == "__main__":
    run_stage(main)
