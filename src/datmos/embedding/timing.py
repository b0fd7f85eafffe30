"""How long `embed` would take, by trying its encoder on this machine."""

import time
from importlib.util import find_spec
from pathlib import Path

import torch

from datmos.audio.settings import AudioParams
from datmos.core.processes import join_processes
from datmos.embedding.clip_encoder import one_thread, plan_work
from datmos.embedding.encoders.finder import find_encoder
from datmos.embedding.settings import EmbedParams, EncoderParams

TRIED = 2  # batches that are timed, after one that warms up


def has_weights(params: EncoderParams) -> bool:
    """Tell whether the encoder's weights are on this machine, so that nothing is downloaded to try it."""
    if params.kind == "distillmos":
        return find_spec("distillmos") is not None
    if params.kind == "torchaudio":
        return False  # it does not say where it keeps them
    model = str(params.model)
    if Path(model).is_dir():
        return True
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(model, revision=params.revision, local_files_only=True)
    except (OSError, ValueError):  # not there, or not a hub id
        return False
    return True


def seconds_a_clip(
    audio: AudioParams, encoder_params: EncoderParams, pooled_layer: int | None, embed: EmbedParams
) -> float:
    """Time the encoder on noise; decoding is not in it.

    Args:
        audio: how long a clip is.
        encoder_params: which encoder and layers.
        pooled_layer: the layer that is clustered, which may be above the others; None: the head's.
        embed: how many clips at once.

    Returns:
        Seconds a clip of ``audio.clip_seconds`` takes when the machine has many of them to do.

    Raises:
        DatmosError: the encoder can't be loaded.
    """
    processes = join_processes()
    device, plan = processes.device, plan_work(embed, processes)
    encoder = find_encoder(encoder_params, pooled_layer, device)
    encoder.load()
    samples = round(audio.clip_seconds * encoder.sample_rate)
    clip = encoder.prepare(torch.randn(samples, generator=torch.Generator().manual_seed(0)))
    count = plan.batch_size if device.type == "cpu" else embed.batch_size or 8
    batch = {name: value.expand(count, *value.shape).to(device) for name, value in clip.items()}
    with one_thread(device), torch.inference_mode():  # as `embed`: a core takes one clip
        for number in range(1 + TRIED):
            if number == 1:
                started = time.perf_counter()
            encoder(batch)[0].cpu()  # waits for a GPU
    return (time.perf_counter() - started) / (TRIED * count * plan.at_once)
