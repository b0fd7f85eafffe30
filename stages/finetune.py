"""Fine-tune an encoder by one strategy, one model a seed: `python stages/finetune.py audiobox_dat_source`.

`accelerate launch stages/finetune.py ...` shares every batch among processes.
"""

import sys
from pathlib import Path

import pandas as pd

from datmos.audiobox.train import finetune_strategy
from datmos.core.errors import run_stage
from datmos.core.processes import join_processes
from datmos.params.schema import load_params


def main() -> None:
    """Write data/finetuned/<strategy>/ and plots/training/<strategy>.csv."""
    name = sys.argv[1]
    finetune_strategy(
        load_params(),
        name,
        manifest=pd.read_parquet("data/manifest.parquet"),
        domains=pd.read_parquet(f"data/finetune_domains/{name}.parquet"),
        models=Path(f"data/finetuned/{name}"),
        curves=Path(f"plots/training/{name}.csv"),
        processes=join_processes(),
    )


if __name__ == "__main__":
    run_stage(main)
