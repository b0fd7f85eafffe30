"""Train one strategy, one model a seed, and predict with it: `python stages/train.py dat_source`."""

import pandas as pd

from datmos.core.clips import natural_clips, predicted_clips
from datmos.core.device import pick_device
from datmos.core.errors import run_stage, stage_item
from datmos.core.files import write_parquet
from datmos.core.paths import CURVES, DOMAINS, EMBEDDINGS, MANIFEST, MODELS, PREDICTIONS, H
from datmos.core.predictions import write_h
from datmos.core.store import EmbeddingStore
from datmos.heads.model_files import load_models
from datmos.heads.predict import features_of_clips, predict_clips
from datmos.params.schema import load_params
from datmos.training.train import Study, train_strategy


def main() -> None:
    """Write models, curves, predictions, and h of the natural clips, to data/<these>/<strategy>."""
    name, params = stage_item(), load_params()
    strategy, data = params.strategies[name], params.data
    manifest, store, device = pd.read_parquet(MANIFEST), EmbeddingStore(EMBEDDINGS), pick_device()
    train_strategy(
        Study(manifest, store, data.aspects, data.scale, params.train, params.seeds),
        name,
        strategy,
        domains=pd.read_parquet(DOMAINS / f"{strategy.domains}.parquet"),
        details={
            "encoder_params": params.encoder.model_dump(mode="json"),
            "audio": params.audio.model_dump(mode="json"),
            "trained_on": data.kind,
        },
        models=MODELS / name,
        curves=CURVES / f"{name}.csv",
    )
    models, predicted, natural = load_models(MODELS / name), predicted_clips(manifest), natural_clips(manifest)
    write_parquet(PREDICTIONS / f"{name}.parquet", predict_clips(models, store, list(predicted["clip_id"]), device))
    write_h(H / f"{name}.npz", features_of_clips(models, store, list(natural["clip_id"]), device))


if __name__ == "__main__":
    run_stage(main)
