"""The parts of params that trainings take."""

import pandas as pd

from datmos.core.store import EmbeddingStore
from datmos.params.schema import Params
from datmos.training.strategy import Study


def study_of(params: Params, manifest: pd.DataFrame, store: EmbeddingStore) -> Study:
    """As the stages make it."""
    return Study(manifest, store, params.data.aspects, params.data.scale, params.train, params.seeds)


def details_of(params: Params) -> dict[str, object]:
    """What the stage train adds to the config of models."""
    return {"encoder_params": params.encoder.model_dump(mode="json"), "audio": params.audio.model_dump(mode="json")}
