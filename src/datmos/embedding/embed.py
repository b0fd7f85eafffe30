"""Turning audio into frozen SSL embeddings, once, for everything downstream.

Every clip's embedding goes to the cache as soon as it is there; when all are, the store is written from it in one
pass. So a killed run continues where it stopped, a changed clip is the only one that is computed, processes on many
machines need no more than a common folder, and memory does not grow with the number of clips.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from datmos.audio.settings import AudioParams
from datmos.core.processes import ALONE, Processes
from datmos.core.store import write_store
from datmos.embedding.cache import ClipCache
from datmos.embedding.cached_clips import CachedClips
from datmos.embedding.clip_encoder import ClipEncoder, EmbeddingPlan, load_unchanged
from datmos.embedding.encoders.interface import Encoder
from datmos.embedding.encoders.precision import find_checked_encoder
from datmos.embedding.settings import EncoderParams

RECIPE = 3  # raise it when the same settings begin to give other values: old cache entries are then not used


def choose_encoder(
    manifest: pd.DataFrame,
    root: Path,
    audio: AudioParams,
    params: EncoderParams,
    pooled_layer: int | None,
    processes: Processes = ALONE,
) -> Encoder:
    """Find the encoder for `embed_clips`, without its weights.

    Half precision on a CPU is tried on the manifest's first clip (`find_checked_encoder`). That must come first:
    the encoder's precision is part of the names in the cache and of the store's description.

    Args:
        manifest, root, audio: as for `embed_clips`.
        params: which encoder and layers.
        pooled_layer: as for `datmos.embedding.encoders.finder.find_encoder`.
        processes: this process among those that share the work; all get an encoder of one precision.

    Raises:
        DatmosError: the model can't be found or loaded, or has no such layer, or the first clip has changed.
    """
    path, digest = root / manifest["path"].iloc[0], manifest["sha256"].iloc[0]
    return find_checked_encoder(
        params, pooled_layer, str(path), lambda rate: load_unchanged(path, digest, audio, rate), processes
    )


def embed_clips(
    manifest: pd.DataFrame,
    root: Path,
    audio: AudioParams,
    encoder: Encoder,
    cache_folder: Path | None,
    plan: EmbeddingPlan,
    folder: Path,
    processes: Processes = ALONE,
    frames: bool = True,
) -> None:
    """Embed every clip of the manifest and write ``folder``, as `write_store` does.

    Args:
        manifest: the clips; clip_id, path and sha256 are used.
        root: folder that the paths are relative to.
        audio: which part of a clip is used.
        encoder: from `choose_encoder`; its weights are read only if a clip needs them.
        cache_folder: where embeddings of single clips are kept; None: beside ``folder``, until that is written.
        plan: how the work is laid out.
        folder: the store to write, by the first process.
        processes: this process among those that share the work. All must see the same files.
        frames: whether to keep them; without them the store has what heads read that pool over time, and is small.

    Raises:
        DatmosError: a clip changed since the manifest was made, or an embedding is not finite or does not fit
            float16, or not even one clip fits the device's memory, or the cache can't be written.
    """
    recipe = {"recipe": RECIPE, "kept": frames, **describe(encoder, audio)}
    work_folder = folder.with_name(f".{folder.name}.work") if cache_folder is None else cache_folder
    cache = ClipCache(work_folder, recipe, layers=len(encoder.layers) - 1 if frames else 0)
    work = ClipEncoder(manifest, root, audio, encoder, cache, plan, processes.device)
    clips = CachedClips(manifest, root, cache, work)
    clips.fill(range(processes.rank, len(manifest), processes.total), show=processes.rank == 0)
    processes.wait()
    if processes.rank == 0:
        write_store(folder, manifest["clip_id"], clips.collect(), describe(encoder, audio))
    clips.report_damage()
    if processes.rank == 0 and cache_folder is None:
        cache.remove()


def describe(encoder: Encoder, audio: AudioParams) -> dict[str, Any]:
    """Everything but the clip that an embedding depends on."""
    return {
        **encoder.identity,
        "layers": list(encoder.layers[:-1]),
        "pooled_layer": encoder.layers[-1],
        "sample_rate": encoder.sample_rate,
        "hop": encoder.hop,
        "clip_seconds": audio.clip_seconds,
        "offset": audio.offset,
    }
