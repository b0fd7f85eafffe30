"""Predictors as ONNX files: the head alone, or with the encoder in front, for programs without PyTorch.

What comes out is one Gaussian a clip: the mean and covariance of the mixture of all members (seeds). Every file is
run and compared with PyTorch before it gets its name.
"""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from datmos.core.errors import DatmosError
from datmos.core.extras import needs
from datmos.core.files import replacing
from datmos.core.seeding import derive_seed
from datmos.embedding.encoders.interface import Encoder
from datmos.heads.interface import Head, as_read
from datmos.heads.mixture import AspectChoice, mix
from datmos.heads.saved import Models

LARGEST = 2**31 - 2**26  # bytes of weights; an ONNX file is a protobuf message, which ends at 2 GiB
TOLERANCE = 1e-4  # absolute and relative, between ONNX Runtime and PyTorch
OUTPUTS = ("score_mean", "score_covariance")
BATCHES = (1, 3)  # sizes that are checked; the graph is made with 2


class Predictor(nn.Module):
    """Heads as one function of embeddings.

    Args:
        parts: ``{strategy: its models}``, all of the same seeds.
        choice: ``{aspect: strategy}``, in the order of the scores; all the same for a strategy's own models.
    """

    def __init__(self, parts: Mapping[str, Models], choice: Mapping[str, str]) -> None:
        super().__init__()
        # In training mode, since what a head does in evaluation mode (it looks whether its spread is set) can't be
        # a graph. Nothing else in a head heeds the mode: dropout comes from `noise` alone.
        self.heads = nn.ModuleDict(
            {name: copy.deepcopy(models.head).cpu().train() for name, models in parts.items()}
        )
        self.choose = AspectChoice(choice, {name: models.config["aspects"] for name, models in parts.items()})
        self.spread = {name: bool(models.head.spread.any()) for name, models in parts.items()}
        self.reads_layers = any(models.head.reads == "layers" for models in parts.values())

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, D, T), or (B, L, D, T) for heads that read layers, to mean (B, A) and covariance (B, A, A)."""
        layers = embeddings if embeddings.dim() == 4 else embeddings.unsqueeze(1)
        parts = {}
        for name, head in cast(Mapping[str, Head], self.heads).items():
            gaussian = head(as_read(layers, head.reads))
            covariance = gaussian.covariance  # (M, B, A, A)
            if self.spread[name]:
                covariance = (head.spread @ head.spread.mT).unsqueeze(1).expand_as(covariance)
            parts[name] = gaussian.mean, covariance
        return mix(*self.choose(parts))


class WholeModel(nn.Module):
    """An encoder and a `Predictor` as one function of waveforms."""

    def __init__(self, encoder: Encoder, kind: str, predictor: Predictor) -> None:
        super().__init__()
        self.network = encoder._model  # type: ignore[attr-defined]
        self.predictor = predictor
        self._encoder, self._prepare = encoder, PREPARED[kind]

    def forward(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """Map mono waveforms (B, samples) of the length and rate of the training clips to mean and covariance."""
        layers = self._encoder(self._prepare(self._encoder, waveforms))[:-1]  # the last one is for clusters
        # in the precision of data/embeddings, as the scorer does
        frames = [layer.half().float() for layer in layers]
        return self.predictor(torch.stack(frames, dim=1) if len(frames) > 1 else frames[0])


def _as_clips(encoder: Any, waveforms: Tensor) -> dict[str, Tensor]:
    prepared: dict[str, Tensor] = torch.vmap(encoder.prepare)(waveforms)
    return prepared


def _as_extractor(encoder: Any, waveforms: Tensor) -> dict[str, Tensor]:
    """Do what Wav2Vec2FeatureExtractor does, which works in numpy."""
    if encoder._extractor.do_normalize:
        mean, variance = waveforms.mean(dim=1, keepdim=True), waveforms.var(dim=1, keepdim=True, correction=0)
        waveforms = (waveforms - mean) / torch.sqrt(variance + 1e-7)
    return {"input_values": waveforms, "attention_mask": torch.tensor([[1]])}  # all of it is audio


PREPARED: dict[str, Callable[[Any, Tensor], dict[str, Tensor]]] = {
    "distillmos": _as_clips,
    "torchaudio": _as_clips,
    "transformers": _as_extractor,
}


def export_head(predictor: Predictor, shape: tuple[int, ...], path: Path) -> None:
    """Write the heads: ``embeddings`` (B, ...) -> ``score_mean`` (B, A), ``score_covariance`` (B, A, A).

    Args:
        predictor: of the heads.
        shape: of one clip's embeddings.
        path: file to write.

    Raises:
        DatmosError: ONNX is not installed, or the file doesn't compute what PyTorch does.
    """
    _export(predictor, "embeddings", shape, path)


def export_whole(predictor: Predictor, encoder: Encoder, kind: str, clip_seconds: float, path: Path) -> None:
    """Write encoder and heads: ``waveforms`` (B, samples), mono, -> as `export_head`.

    Args:
        predictor: of the heads.
        encoder: loaded, in float32 on the CPU.
        kind: of the encoder, as in params.yaml.
        clip_seconds: length of a clip.
        path: file to write.

    Raises:
        DatmosError: see `export_head`; or the encoder takes something other than waveforms.
    """
    if why := why_not_whole(encoder, kind):
        raise DatmosError(why)
    model = WholeModel(encoder, kind, predictor)
    size = sum(weights.numel() * weights.element_size() for weights in model.parameters())
    if size > LARGEST:
        raise DatmosError(f"the weights, {size / 2**30:.1f} GiB, are more than one ONNX file can hold")
    for module in model.network.modules():  # kernels of oneDNN have no counterpart in ONNX
        if type(module).__module__ == "datmos.embedding.encoders.onednn":
            module.__class__ = type(module).__base__
    _export(model, "waveforms", (round(clip_seconds * encoder.sample_rate),), path)


def why_not_whole(encoder: Encoder, kind: str) -> str | None:
    """Say why an encoder can't be part of an ONNX file; None if it can."""
    name = encoder.identity["name"]
    extractor = type(getattr(encoder, "_extractor", None)).__name__
    if kind == "transformers" and extractor != "Wav2Vec2FeatureExtractor":
        return f"'{name}' takes spectra that {extractor} computes outside of the network"
    if encoder.identity["dtype"] != "float32":
        return f"'{name}' computes in {encoder.identity['dtype']}; only float32 is exported"
    return None


def _export(model: nn.Module, name: str, shape: tuple[int, ...], path: Path) -> None:
    needs("onnx", "onnx", "onnxscript", "onnxruntime")
    with torch.no_grad(), _quiet(), replacing(path) as temporary:
        with _precise_stft():
            program = torch.onnx.export(
                model,
                (_made_up(2, shape),),
                dynamo=True,
                verbose=False,
                input_names=[name],
                output_names=list(OUTPUTS),
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            )
        assert program is not None
        program.save(temporary)
        _compare(model, name, shape, temporary, path)


def _compare(model: nn.Module, name: str, shape: tuple[int, ...], written: Path, path: Path) -> None:
    """Run the file beside PyTorch, on batches of other sizes than it was made with."""
    import onnxruntime

    session = onnxruntime.InferenceSession(written.read_bytes(), providers=["CPUExecutionProvider"])
    for size in BATCHES:
        clips = _made_up(size, shape)
        found = session.run(list(OUTPUTS), {name: clips.numpy()})
        for output, expected, got in zip(OUTPUTS, model(clips), found, strict=True):
            apart = float(np.abs(expected.numpy() - got).max())
            if not np.allclose(got, expected.numpy(), rtol=TOLERANCE, atol=TOLERANCE):
                raise DatmosError(
                    f"{path.name}: ONNX Runtime differs from PyTorch by {apart:.2g} in {output} (batch of {size}); "
                    f"at most {TOLERANCE:g} is expected. It was not written; score with datmos instead."
                )


def _made_up(clips: int, shape: tuple[int, ...]) -> Tensor:
    """Make up embeddings (clips, D, T) of noise; or waveforms (clips, samples): chords that fade by 80 dB.

    A few tones and nothing between them are the hardest sound for a spectrum: what lies between is rounding.
    """
    generator = torch.Generator().manual_seed(derive_seed("onnx", clips))
    if len(shape) > 1:
        return torch.randn(clips, *shape, generator=generator)
    cycles = (
        torch.rand(clips, 5, 1, generator=generator, dtype=torch.float64) * 0.2
    )  # a sample: below 0.2 of the rate
    chords = torch.sin(2 * torch.pi * cycles * torch.arange(shape[0])).mean(dim=1)
    return (chords * torch.logspace(0, -4, shape[0], dtype=torch.float64)).float()


@contextlib.contextmanager
def _precise_stft() -> Iterator[None]:
    """Let spectra be computed in double precision.

    ONNX Runtime's STFT of single precision is so rough that quiet frames of DistillMOS, whose magnitudes are taken
    to the power of 0.3, moved scores by 0.005.
    """
    stft = torch.stft

    def in_double(x: Tensor, *rest: Any, **options: Any) -> Tensor:
        options["window"] = options["window"].double()
        found: Tensor = stft(x.double(), *rest, **options)
        return torch.view_as_complex(torch.view_as_real(found).float())

    torch.stft = in_double  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.stft = stft


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks (no torchvision, constants not folded) off the terminal."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
