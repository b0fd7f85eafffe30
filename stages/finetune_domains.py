"""Label the train clips for one fine-tuned strategy: `python stages/finetune_domains.py audiobox_dat_kmeans`."""

import sys
from pathlib import Path

import pandas as pd

from datmos.audiobox.domains import label_train_clips
from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import write_metrics, write_parquet
from datmos.params.schema import load_params


def main() -> None:
    """Write data/finetune_domains/<strategy>.parquet and metrics/finetune_domains/<strategy>.json."""
    name = sys.argv[1]
    manifest = pd.read_parquet("data/manifest.parquet")
    train_clips = manifest[manifest["split"] == "train"]
    labels, summary = label_train_clips(load_params(), name, train_clips, pick_device())
    write_parquet(Path(f"data/finetune_domains/{name}.parquet"), labels)
    write_metrics(Path(f"metrics/finetune_domains/{name}.json"), summary)


if __name__ == "__main__":
    run_stage(main)
