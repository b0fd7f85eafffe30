"""Turning audio into frozen SSL embeddings, once, for everything downstream."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from datmos.audio import UnusableAudioError, load_clip
from datmos.encoders import Encoder
from datmos.errors import DatmosError
from datmos.files import replacing, write_json, write_parquet
from datmos.params import AudioParams

FLOAT16_MAX = 65504.0


def embed_clips(
    manifest: pd.DataFrame,
    root: Path,
    audio: AudioParams,
    encoder: Encoder,
    batch_size: int,
    device: torch.device,
    folder: Path,
) -> None:
    """Embed every clip of the manifest and write ``folder`` (DESIGN.md, Contracts: data/embeddings).

    Memory does not grow with the number of clips: frames go straight to a memory map.

    Raises:
        DatmosError: a clip that the manifest calls usable can't be read, or an embedding is not finite or
            does not fit float16.
    """
    with replacing(folder) as temporary, torch.inference_mode():
        temporary.mkdir()
        frames: np.ndarray | None = None
        pooled = np.empty(0)
        start = 0
        progress = tqdm(total=len(manifest), desc=f"embedding with {encoder.name}", unit="clip")
        for waveforms in _batches(manifest, root, audio, encoder.sample_rate, batch_size):
            embeddings = encoder(waveforms.to(device)).float().cpu()  # (B, D, T)
            stop = start + len(embeddings)
            if frames is None:
                shape = (len(manifest), *embeddings.shape[1:])
                frames = np.lib.format.open_memmap(temporary / "frames.npy", "w+", np.float16, shape)
                pooled = np.empty(shape[:2], dtype=np.float32)
            if not embeddings.abs().max() < FLOAT16_MAX:  # also true for NaN
                raise DatmosError(
                    f"encoder '{encoder.name}' gave values that are not finite or exceed float16 for one of: "
                    + ", ".join(manifest["clip_id"].iloc[start:stop])
                )
            frames[start:stop] = embeddings.numpy()
            pooled[start:stop] = embeddings.mean(dim=2).numpy()
            progress.update(stop - start)
            start = stop
        progress.close()
        assert frames is not None  # a manifest is never empty
        np.save(temporary / "pooled.npy", pooled)
        write_parquet(temporary / "index.parquet", manifest[["clip_id"]])
        write_json(temporary / "encoder.json", _describe(encoder, audio, frames))


def _describe(encoder: Encoder, audio: AudioParams, frames: np.ndarray) -> dict[str, object]:
    return {
        "name": encoder.name,
        "sample_rate": encoder.sample_rate,
        "hop": encoder.hop,
        "dimension": frames.shape[1],
        "frames": frames.shape[2],
        "clip_seconds": audio.clip_seconds,
        "offset": audio.offset,
    }


def _batches(
    manifest: pd.DataFrame, root: Path, audio: AudioParams, sample_rate: int, batch_size: int
) -> Iterator[Tensor]:
    """Yield waveform batches (B, samples), decoded in threads one batch ahead of the encoder."""

    def load(name: str) -> Tensor:
        try:
            return load_clip(root / name, audio, sample_rate)
        except UnusableAudioError as error:
            raise DatmosError(
                f"{root / name}: {error}, though the manifest calls it usable; did the file change? "
                "Run `dvc repro manifest`"
            ) from None

    paths = list(manifest["path"])
    with ThreadPoolExecutor() as threads:
        ahead = [threads.submit(load, name) for name in paths[:batch_size]]
        for start in range(0, len(paths), batch_size):
            current = ahead
            ahead = [threads.submit(load, name) for name in paths[start + batch_size : start + 2 * batch_size]]
            yield torch.stack([future.result() for future in current])
