"""Probe h of one strategy's models for sources and scores: `python stages/probe.py dat_source`."""

import sys
from pathlib import Path

import pandas as pd

from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import write_metrics
from datmos.core.store import EmbeddingStore
from datmos.evaluation.probes import probe_seeds
from datmos.heads.predict import features_of_clips
from datmos.heads.saved import load_models


def main() -> None:
    """Write metrics/probes/<strategy>.json."""
    name = sys.argv[1]
    manifest = pd.read_parquet("data/manifest.parquet")
    clips = manifest[manifest["split"].isin(["train", "valid"])]
    models, store = load_models(Path(f"data/models/{name}")), EmbeddingStore(Path("data/embeddings"))
    h_of_seeds = features_of_clips(models, store, list(clips["clip_id"]), pick_device())
    write_metrics(Path(f"metrics/probes/{name}.json"), probe_seeds(h_of_seeds, clips, models.config["aspects"]))


if __name__ == "__main__":
    run_stage(main)
