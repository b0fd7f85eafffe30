"""Half precision on a CPU, used only where its values are right.

PyTorch gives layers in half precision on a CPU to oneDNN. On processors with AMX some of oneDNN's kernels are wrong
for some shapes (pytorch/pytorch issues 169688 and 163347, uxlfoundation/oneDNN issue 5717): no error is raised, and
the embedding has nothing to do with the right one. So one clip is computed in float32 too, before an encoder is
used. One clip is enough: the clips of a run all have one length, so they meet the same kernels.

`embed` takes its first clip. A scorer takes a made-up one as long as a window: it decides when it is loaded, before
it is given any clip.
"""

import math
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from datmos.core.processes import ALONE, Processes, add_up
from datmos.embedding.clip_encoder import one_thread
from datmos.embedding.encoders.finder import find_encoder
from datmos.embedding.encoders.interface import Encoder
from datmos.embedding.settings import EncoderParams

LIMIT = 0.01  # mean squared error over the variance; rounding to bfloat16 alone gives about 1e-4


def find_checked_encoder(
    params: EncoderParams,
    pooled_layer: int | None,
    clip: str,
    read_clip: Callable[[int], Tensor],
    processes: Processes = ALONE,
    check: Callable[[Encoder], None] = lambda encoder: None,
) -> Encoder:
    """Find the encoder that ``params`` names, but in float32 if its half precision is wrong on this CPU.

    An encoder that computes in float32, or not on a CPU, is returned at once. Else both precisions embed ``clip``.
    For that the weights are read twice, even where a cache holds all embeddings: its keys depend on the precision.
    If the mean squared error of any layer is above ``LIMIT`` of that layer's float32 variance, or not finite, one
    warning is printed to stderr and the float32 encoder is returned. Several processes take float32 if any must.

    Args:
        params: which encoder and layers.
        pooled_layer: as for `datmos.embedding.encoders.finder.find_encoder`.
        clip: what the warning calls the clip.
        read_clip: takes a sample rate in Hz, returns the waveform, float32 (samples,), as long as those that the
            encoder will be given.
        processes: those that share the work; the encoder is for the device of this one.
        check: is given the encoder before its weights are read, and raises if it is not the one that is wanted.

    Returns:
        The encoder without its weights, as `find_encoder` does; its ``identity`` says which precision it has.

    Raises:
        DatmosError: the model can't be found or loaded, or has no such layer.
    """
    device = processes.device
    encoder = find_encoder(params, pooled_layer, device)
    check(encoder)
    dtype = encoder.identity["dtype"]
    if device.type != "cpu" or dtype == "float32":
        return encoder
    in_float32 = params.model_copy(update={"dtype": "float32"})
    waveform = read_clip(encoder.sample_rate)
    # encoders of their own, gone after it, so that the weights of both are never in memory together
    expected = _embed(find_encoder(in_float32, pooled_layer, device), waveform)
    found = _embed(find_encoder(params, pooled_layer, device), waveform)
    errors = torch.zeros(processes.total)
    errors[processes.rank] = _worst_error(found, expected)
    worst = float(add_up(errors, processes).max())  # not finite if any is not
    if worst <= LIMIT:
        return encoder
    if processes.rank == 0:
        amount = f"{worst:.0%} of the variance" if math.isfinite(worst) else "not a finite number"
        print(
            f"\nwarning: encoder.dtype={dtype} gives wrong embeddings on this CPU. The embedding of {clip} was "
            f"computed in {dtype} and in float32. The mean squared error between the two is {amount}; at most "
            f"{LIMIT:.0%} of the variance is accepted. All embeddings are now computed in float32 instead. "
            "Such errors are known on processors with AMX. To compute in half precision there, try the "
            "environment variable ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16. To stay with float32 without this warning, "
            "set encoder.dtype=float32.",
            file=sys.stderr,
        )
    return find_encoder(in_float32, pooled_layer, device)


def make_test_clip(seconds: float, sample_rate: int) -> Tensor:
    """Make noise and a tone of 440 Hz, always the same: a waveform, float32 (round(seconds * sample_rate),)."""
    count = round(seconds * sample_rate)
    noise = torch.randn(count, generator=torch.Generator().manual_seed(0))
    return 0.1 * noise + 0.2 * torch.sin(2 * math.pi * 440 / sample_rate * torch.arange(count))


def _embed(encoder: Encoder, waveform: Tensor) -> list[Tensor]:
    """Embed one clip as runs do on a CPU, alone and on one thread: float32 (1, D, T) for each layer."""
    encoder.load()
    inputs = {name: value[None] for name, value in encoder.prepare(waveform).items()}
    with one_thread(torch.device("cpu")), torch.inference_mode():
        return [layer.float() for layer in encoder(inputs)]


def _worst_error(found: list[Tensor], expected: list[Tensor]) -> float:
    """Return the largest mean squared error of a layer, over its variance."""
    errors = [(one - other).square().mean() / other.var() for one, other in zip(found, expected, strict=True)]
    return float(torch.stack(errors).max())  # NaN if any is NaN
