"""Label the train clips for one fine-tuned strategy: `python stages/finetune_domains.py audiobox_dat_kmeans`."""

import pandas as pd

from datmos.audiobox.domains import label_train_clips
from datmos.audiobox.training_set import AudioStudy
from datmos.core.device import pick_device
from datmos.core.errors import run_stage, stage_item
from datmos.core.files import write_parquet
from datmos.core.paths import FINETUNE_DOMAINS, MANIFEST
from datmos.params.schema import load_params


def main() -> None:
    """Write data/finetune_domains/<strategy>.parquet."""
    name, params = stage_item(), load_params()
    data = params.data
    study = AudioStudy(
        params.finetune, params.audio, data.root, data.aspects, data.scale, params.seeds, params.train.reversal
    )
    manifest = pd.read_parquet(MANIFEST)
    train_clips = manifest[manifest["split"] == "train"]
    labels, _ = label_train_clips(study, params.domains, name, train_clips, pick_device())
    write_parquet(FINETUNE_DOMAINS / f"{name}.parquet", labels)


if __name__ == "__main__":
    run_stage(main)
