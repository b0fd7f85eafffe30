"""Fine-tune an encoder by one strategy, one model a seed, and predict.

`python stages/finetune.py audiobox_dat_source`; `accelerate launch stages/finetune.py ...` shares every batch
among processes.
"""

import pandas as pd

from datmos.audiobox.predict import finetuned_table, predict_finetuned
from datmos.audiobox.train import finetune_strategy
from datmos.audiobox.training_set import AudioStudy
from datmos.core.clips import natural_clips, predicted_clips
from datmos.core.errors import run_stage, stage_item
from datmos.core.files import write_parquet
from datmos.core.paths import CURVES, FINETUNE_DOMAINS, FINETUNED, MANIFEST, PREDICTIONS, H
from datmos.core.predictions import write_h
from datmos.core.processes import join_processes
from datmos.params.schema import load_params


def main() -> None:
    """Write models to data/finetuned/, and curves, predictions, and h of the natural clips, as `train` does."""
    name, params, processes = stage_item(), load_params(), join_processes()
    data, manifest = params.data, pd.read_parquet(MANIFEST)
    study = AudioStudy(
        params.finetune, params.audio, data.root, data.aspects, data.scale, params.seeds, params.train.reversal
    )
    finetune_strategy(
        study,
        name,
        manifest=manifest,
        domains=pd.read_parquet(FINETUNE_DOMAINS / f"{name}.parquet"),
        details={"trained_on": data.kind},
        models=FINETUNED / name,
        curves=CURVES / f"{name}.csv",
        processes=processes,
    )
    if processes.rank > 0:
        return
    paths = [data.root / path for path in manifest["path"]]
    predicted = predict_finetuned(FINETUNED / name, paths, processes.device)
    table = finetuned_table(predicted, manifest["clip_id"], data.aspects)
    kept = table["clip_id"].isin(predicted_clips(manifest)["clip_id"])
    natural = manifest.index.isin(natural_clips(manifest).index)
    write_parquet(PREDICTIONS / f"{name}.parquet", table[kept].reset_index(drop=True))
    write_h(H / f"{name}.npz", {seed: own.h[natural] for seed, own in predicted.items()})


if __name__ == "__main__":
    run_stage(main)
