"""A trained model of the pipeline, small enough for a test, with everything that the pipeline made on the way."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import soundfile

from datmos.core.files import file_digest
from datmos.core.store import EmbeddingStore
from datmos.embedding.clip_encoder import EmbeddingPlan
from datmos.embedding.embed import embed_clips
from datmos.embedding.encoders.finder import find_encoder
from datmos.heads.model_files import load_models
from datmos.heads.predict import predict_clips
from datmos.params.schema import Params
from datmos.training.train import train_strategy
from helpers.loudness import CPU, RATE, SECONDS, sound
from helpers.made_up_task import details_of, params, study_of
from helpers.tiny_encoders import checkpoint

CLIPS = 24
STRATEGIES = {"plain": {}, "layers": {"head": "aesa"}}


class Trained(NamedTuple):
    folder: Path  # of the project: data/models/<strategy>, clips/, params.yaml
    manifest: pd.DataFrame
    store: EmbeddingStore
    settings: Params

    def clip(self, number: int) -> str:
        return str(self.folder / "clips" / self.manifest["path"][number])

    def predictions(self, strategy: str) -> pd.DataFrame:
        """What the stage evaluate writes, of every clip."""
        models = load_models(self.folder / "data/models" / strategy)
        return predict_clips(models, self.store, list(self.manifest["clip_id"]), CPU)


def train(folder: Path) -> Trained:
    """Render clips of several lengths, up to a window; embed them; train; as the stages do."""
    generator = np.random.default_rng(0)
    clips = folder / "clips"
    clips.mkdir(parents=True)
    names = [f"{number:02}.wav" for number in range(CLIPS)]
    for number, name in enumerate(names):
        rate = (RATE, 44_100, 8000)[number % 3]
        seconds = SECONDS if number % 2 else generator.uniform(0.3, SECONDS)
        soundfile.write(clips / name, sound(generator, seconds, rate), rate, subtype="FLOAT")
    split = np.where(np.arange(CLIPS) < 14, "train", np.where(np.arange(CLIPS) < 20, "valid", "eval"))
    scores = {aspect: generator.uniform(2, 9, CLIPS).astype(np.float32) for aspect in ("A", "B")}
    manifest = pd.DataFrame(
        {"clip_id": names, "path": names, "split": split, "source": "x", "category": "music"}
        | {"sha256": [file_digest(clips / name) for name in names], **scores}
    )
    settings = made_params(folder)
    encoder = find_encoder(settings.encoder, settings.kmeans.layer, CPU)
    embed_clips(manifest, clips, settings.audio, encoder, None, EmbeddingPlan(1, 1, 1), folder / "data/embeddings")
    store = EmbeddingStore(folder / "data/embeddings")
    domains = pd.DataFrame({"clip_id": names[:14], "domain": np.int32(np.arange(14) % 2)})
    study = study_of(settings, manifest, store)
    for name in STRATEGIES:
        models = folder / "data/models" / name
        strategy = settings.strategies[name]
        train_strategy(study, name, strategy, domains, details_of(settings), models, folder / f"{name}.csv")
    return Trained(folder, manifest, store, settings)


def made_params(folder: Path) -> Params:
    made = params(STRATEGIES, epochs=1)
    model = str(checkpoint(folder / "encoder", "wav2vec2"))
    encoder: dict[str, Any] = {"kind": "transformers", "layer": 2, "extra_layers": [3], "model": model}
    return made.model_copy(
        update={
            "encoder": made.encoder.model_copy(update=encoder),
            "audio": made.audio.model_copy(update={"clip_seconds": SECONDS}),
            "kmeans": made.kmeans.model_copy(update={"layer": 1}),
        }
    )
