"""Predict the clips with a published predictor, as it is: `python stages/published.py audiobox`."""

import pandas as pd

from datmos.audiobox.predict import predict_published, published_table
from datmos.core.clips import predicted_clips
from datmos.core.device import pick_device
from datmos.core.errors import run_stage, stage_item
from datmos.core.files import write_parquet
from datmos.core.paths import MANIFEST, PREDICTIONS
from datmos.params.schema import load_params


def main() -> None:
    """Write data/predictions/<name>.parquet."""
    name, params = stage_item(), load_params()
    published, aspects = params.finetune.published[name], params.data.aspects
    clips = predicted_clips(pd.read_parquet(MANIFEST))
    paths = [params.data.root / path for path in clips["path"]]
    predicted = predict_published(published.model, published.revision, aspects, paths, pick_device())
    write_parquet(
        PREDICTIONS / f"{name}.parquet", published_table(predicted, clips["clip_id"], aspects, params.seeds)
    )


if __name__ == "__main__":
    run_stage(main)
