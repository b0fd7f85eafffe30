"""From params and the files of the pipeline to fine-tuned models: what the stage calls."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from datmos.audiobox.finetune import Clips, Finetuned, Finetuning
from datmos.audiobox.model_files import save_models
from datmos.audiobox.training_set import AudioStudy, read_clips, read_start
from datmos.core.errors import DatmosError
from datmos.core.files import replacing_folder, write_csv
from datmos.core.processes import Processes
from datmos.training.domain_labels import match_domains

KEPT = 2 * 2**30  # bytes of decoded clips that stay in memory: the next epoch needs them again


def finetune_strategy(
    study: AudioStudy,
    name: str,
    manifest: pd.DataFrame,
    domains: pd.DataFrame,
    details: Mapping[str, Any],
    models: Path,
    curves: Path,
    processes: Processes,
) -> None:
    """Fine-tune the strategy ``name``, one model for every seed of the study, one after another.

    A training that was killed goes on after its last finished epoch, and ends with the same bytes.

    Args:
        study: what to learn from.
        name: a key of ``finetune.strategies``.
        manifest: all clips.
        domains: table of the train clips: clip_id, and a column of labels for each adversary.
        details: what the models' config.json has to say besides.
        models: folder that the first process writes, as `save_models` does.
        curves: CSV that the first process writes, by seed: per epoch task loss and validation loss
            (`audiobox_loss`), adversarial loss (nats), domain accuracy (0..1), and the norms of both losses'
            gradients at the encoder.
        processes: this process among those that share the work.

    Raises:
        DatmosError: the train or valid split is empty; see also `load_start`, `match_domains`, `Finetuning.run`.
    """
    start, strategy = read_start(study), study.finetune.strategies[name]
    labels = match_domains(manifest, domains, strategy)
    sets, digests = {}, []
    for split in ("train", "valid"):
        clips = manifest[manifest["split"] == split]
        if clips.empty:
            raise DatmosError(f"the {split} split is empty: the manifest has no usable clip in it")
        scores = torch.from_numpy(clips[study.aspects].to_numpy(dtype=np.float32, copy=True))
        sets[split] = Clips(read_clips(study, clips, start.recipe.extractor.sampling_rate, KEPT), scores)
        digests.append(list(clips["sha256"]))
    results: dict[int, Finetuned] = {}
    states = []
    for seed in study.seeds:
        session = Finetuning(
            seed,
            start,
            sets["train"],
            sets["valid"],
            labels,
            strategy,
            study.finetune,
            study.reversal,
            processes,
            depends_on=[digests, study.audio.model_dump()],
        )
        results[seed] = session.run(f"fine-tuning {name}, seed {seed}")
        states.append(session.state)
        del session  # its optimiser needs the device's memory no longer
    if processes.rank > 0:
        return
    every_seed = pd.concat({seed: result.curves for seed, result in results.items()}, names=["seed", None])
    config = {
        "strategy": name,
        **strategy.model_dump(by_alias=True, mode="json"),
        **details,
        "scale": study.scale,
        "window_seconds": study.audio.clip_seconds,
        "offset": study.audio.offset,
        "best_epochs": {str(seed): result.best_epoch for seed, result in results.items()},
    }
    with replacing_folder(models) as folder:
        save_models(folder, start.recipe, config, {seed: result.weights for seed, result in results.items()})
    write_csv(curves, every_seed.reset_index("seed"))
    for state in states:
        state.remove()
