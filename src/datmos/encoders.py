"""Frozen SSL encoders behind one small interface.

An encoder turns a waveform batch (B, samples) at its own sample rate into embeddings (B, D, T). A new kind is
one class and one line of `ENCODERS`.
"""

import contextlib
import io
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from datmos.errors import DatmosError, nearest
from datmos.params import EncoderParams


class Encoder(Protocol):
    """What `datmos.embed` needs of an encoder."""

    name: str  # model id, as stored in encoder.json
    sample_rate: int  # of the waveforms it takes, Hz
    hop: int  # samples between two frames

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Map float32 waveforms (B, samples) to embeddings (B, D, T), on the waveforms' device."""


class DistillmosEncoder:
    """The convolutional front of DistillMOS ("Distillation and Pruning for Scalable Self-Supervised
    Representation-Based Speech Quality Assessment"): D = 1024, 25 frames a second.

    Its weights come with the ``distillmos`` wheel, so it needs no download. The waveform is scaled by its peak,
    as the model itself does. Its 50 frames a second are averaged in pairs: half the disk and training time, and
    no worse on validation clips.
    """

    name = "distillmos-v7/cnn"
    sample_rate = 16_000
    hop = 640
    # The features' standard deviation on speech and music is about 1/64. Scaled to about 1 they meet the first
    # weights of a head, and float16, in the range those were made for.
    scale = 64.0

    def __init__(self, params: EncoderParams, device: torch.device) -> None:
        from distillmos import ConvTransformerSQAModel

        with contextlib.redirect_stdout(io.StringIO()):  # it prints where its weights lie
            self._cnn = ConvTransformerSQAModel().cnn.eval().to(device)

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Map waveforms (B, samples) to embeddings (B, 1024, T)."""
        peaks = waveforms.abs().amax(dim=1, keepdim=True)
        frames = self._cnn(waveforms / (peaks + 1e-8))  # (B, 1024, 50 a second)
        return self.scale * functional.avg_pool1d(frames, 2)


class TransformersEncoder:
    """Any wav2vec2-like speech encoder of Hugging Face transformers, from the hub or a local folder.

    ``layer`` n is the output of the n-th transformer block (``hidden_states[n]``), counted from 1; the authors'
    "index 11" is layer 12. Null is the last layer.
    """

    def __init__(self, params: EncoderParams, device: torch.device) -> None:
        from transformers import AutoFeatureExtractor, AutoModel

        assert params.model is not None  # the params schema sees to it
        local = Path(params.model).is_dir()
        if not local and params.revision is None:
            raise DatmosError(
                f"encoder.revision: '{params.model}' is not a folder here, so it is taken as a hub model, and a "
                "hub model needs its revision pinned. Set encoder.revision to a commit hash or tag."
            )
        revision = {} if local else {"revision": params.revision}
        try:
            self._extractor = AutoFeatureExtractor.from_pretrained(params.model, **revision)
            self._model = AutoModel.from_pretrained(params.model, **revision).eval().to(device)
        except (OSError, ValueError) as error:
            raise DatmosError(_cannot_load(params, local, error)) from None
        blocks = self._model.config.num_hidden_layers
        self._layer = blocks if params.layer is None else params.layer
        _check_layer(self._layer, blocks, params)
        self.name = params.model if local else f"{params.model}@{params.revision}"
        self.sample_rate = int(self._extractor.sampling_rate)
        self.hop = int(self._model.config.inputs_to_logits_ratio)

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Map waveforms (B, samples) to embeddings (B, D, T)."""
        # the extractor normalises as the model was trained (do_normalize); all clips have the same length, so
        # no padding and no mask is needed
        inputs = self._extractor(
            [waveform.numpy() for waveform in waveforms.cpu()],
            sampling_rate=self.sample_rate,
            return_tensors="pt",
        )
        output = self._model(inputs["input_values"].to(waveforms.device), output_hidden_states=True)
        return output.hidden_states[self._layer].transpose(1, 2)


class TorchaudioEncoder:
    """A wav2vec2-like pipeline of torchaudio, for example WAV2VEC2_XLSR_2B; layers as in `TransformersEncoder`."""

    def __init__(self, params: EncoderParams, device: torch.device) -> None:
        import torchaudio

        assert params.model is not None  # the params schema sees to it
        bundles = [
            name
            for name in dir(torchaudio.pipelines)
            if isinstance(getattr(torchaudio.pipelines, name), torchaudio.pipelines.Wav2Vec2Bundle)
        ]
        if params.model not in bundles:
            raise DatmosError(
                f"encoder.model: torchaudio has no pipeline '{params.model}'{nearest(params.model, bundles)} "
                f"Expected one of: {', '.join(bundles)}"
            )
        bundle = getattr(torchaudio.pipelines, params.model)
        try:
            self._model = bundle.get_model().eval().to(device)
        except OSError as error:
            raise DatmosError(
                f"encoder.model: the weights of torchaudio's '{params.model}' can't be downloaded ({error}). "
                f"Put the file into {torch.hub.get_dir()}/checkpoints on a machine with a connection and copy it "
                "here, or use encoder.kind=transformers with encoder.model set to a local folder."
            ) from None
        self._normalise = bool(getattr(bundle, "_normalize_waveform", False))
        backbone = getattr(self._model, "model", self._model)  # normalising pipelines wrap the network
        blocks = len(backbone.encoder.transformer.layers)
        self._layer = blocks if params.layer is None else params.layer
        _check_layer(self._layer, blocks, params)
        self.name = f"torchaudio/{params.model}"
        self.sample_rate = int(bundle.sample_rate)
        self.hop = 1
        for convolution in backbone.feature_extractor.conv_layers:
            self.hop *= int(convolution.stride)

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Map waveforms (B, samples) to embeddings (B, D, T)."""
        # one clip at a time where the wrapper normalises: it takes the statistics of the whole batch
        batches = waveforms.split(1) if self._normalise else (waveforms,)
        layers = [self._model.extract_features(batch, num_layers=self._layer)[0][-1] for batch in batches]
        return torch.cat(layers).transpose(1, 2)


ENCODERS: dict[str, Any] = {
    "distillmos": DistillmosEncoder,
    "transformers": TransformersEncoder,
    "torchaudio": TorchaudioEncoder,
}


def load_encoder(params: EncoderParams, device: torch.device) -> Encoder:
    """Build the encoder that ``params`` names, in evaluation mode, on ``device``.

    Raises:
        DatmosError: the model can't be found or loaded, or has no such layer.
    """
    encoder: Encoder = ENCODERS[params.kind](params, device)
    return encoder


def _check_layer(layer: int, blocks: int, params: EncoderParams) -> None:
    if layer > blocks:
        raise DatmosError(f"encoder.layer: {params.model} has {blocks} layers, got {layer}")


def _cannot_load(params: EncoderParams, local: bool, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0]
    if local:
        return f"encoder.model: the folder '{params.model}' holds no speech encoder of transformers ({reason})"
    return (
        f"encoder.model: '{params.model}' (revision {params.revision}) can't be loaded from the hub ({reason}). "
        "Check the name and the connection, or use a local folder: on a machine with a connection run "
        f"`hf download {params.model} --revision {params.revision} --local-dir FOLDER`, copy FOLDER here and set "
        "encoder.model=FOLDER"
    )
