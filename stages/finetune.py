"""Fine-tune an encoder by one strategy, one model a seed: `python stages/finetune.py audiobox_dat_source`.

`accelerate launch stages/finetune.py ...` shares every batch among processes.
"""

import sys

import pandas as pd

from datmos.audiobox.train import finetune_strategy
from datmos.audiobox.training_set import AudioStudy
from datmos.core.errors import run_stage
from datmos.core.places import FINETUNE_DOMAINS, FINETUNED, MANIFEST, PLOTS
from datmos.core.processes import join_processes
from datmos.params.schema import load_params


def main() -> None:
    """Write data/finetuned/<strategy>/ and plots/training/<strategy>.csv."""
    name, params = sys.argv[1], load_params()
    data = params.data
    study = AudioStudy(
        params.finetune, params.audio, data.root, data.aspects, data.scale, params.seeds, params.train.reversal
    )
    finetune_strategy(
        study,
        name,
        manifest=pd.read_parquet(MANIFEST),
        domains=pd.read_parquet(FINETUNE_DOMAINS / f"{name}.parquet"),
        models=FINETUNED / name,
        curves=PLOTS / f"training/{name}.csv",
        processes=join_processes(),
    )


if __name__ == "__main__":
    run_stage(main)
