"""Score all strategies and references on an evaluation set: `python stages/set_evaluate.py pam`."""

import pandas as pd

from datmos.audiobox.predict import predict_rows
from datmos.comparison.results import write_results
from datmos.comparison.rivals import find_rivals
from datmos.core.device import pick_device
from datmos.core.errors import run_stage, stage_item
from datmos.core.files import write_parquet
from datmos.core.paths import EMBEDDINGS, MANIFEST, METRICS, MODELS, SETS
from datmos.core.store import EmbeddingStore
from datmos.evaluation.references import predict_reference
from datmos.heads.model_files import load_models
from datmos.heads.predict import predict_clips
from datmos.params.schema import load_params
from datmos.report.tables import write_shared_tables


def main() -> None:
    """Write predictions and details to data/sets/<set>/, and tables to metrics/sets/<set>/tables/."""
    name, params, device = stage_item(), load_params(), pick_device()
    folder, aspects, finetune = SETS / name, params.data.aspects, params.finetune
    clips, everything = pd.read_parquet(folder / "manifest.parquet"), pd.read_parquet(MANIFEST)
    train = everything[everything["split"] == "train"]
    clip_ids, store, own = list(clips["clip_id"]), EmbeddingStore(folder / "embeddings"), EmbeddingStore(EMBEDDINGS)
    predictions = {
        one: predict_clips(load_models(MODELS / one), store, clip_ids, device) for one in params.strategies
    }
    predictions |= {
        one: predict_reference(one, own, train, clip_ids, aspects, params.seeds, predicted_store=store)
        for one in params.evaluate.references
    }
    predictions |= predict_rows(
        list(finetune.strategies), finetune.published, clips, params.evaluation_sets[name].root, aspects,
        params.seeds, device,
    )  # fmt: skip
    for one, rows in predictions.items():
        write_parquet(folder / f"predictions/{one}.parquet", rows)
    write_results(folder / "details", predictions, pd.concat([train, clips]), aspects, find_rivals(params))
    write_shared_tables(METRICS / f"sets/{name}/tables", folder / "details", aspects)


if __name__ == "__main__":
    run_stage(main)
