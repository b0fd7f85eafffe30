"""Audio encoders of torchaudio's pipelines."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torchaudio
from torch import Tensor
from torch.nn import functional

from datmos.core.errors import DatmosError, first_line, nearest
from datmos.embedding.encoders.interface import describe_encoder, pick_dtype, resolve_layers
from datmos.embedding.encoders.onednn import use_onednn
from datmos.embedding.settings import EncoderParams


class TorchaudioEncoder:
    """A wav2vec2-like pipeline, for example WAV2VEC2_XLSR_2B.

    Layers are what the pipeline's ``extract_features`` returns: outputs of the blocks, for the last one too without
    the final normalisation that transformers applies.
    """

    def __init__(self, params: EncoderParams, layers: Sequence[int | None], device: torch.device) -> None:
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
        self._name = params.model
        self._bundle = getattr(torchaudio.pipelines, params.model)
        architecture = self._bundle._params
        self._device, self._dtype = device, pick_dtype(params.dtype, device)
        self.layers = resolve_layers(layers, architecture["encoder_num_layers"], params.model)
        self.sample_rate = int(self._bundle.sample_rate)
        self.hop = math.prod(stride for _, _, stride in architecture["extractor_conv_layer_config"])
        # no revision: a pipeline's weights never change
        self.identity = describe_encoder(f"torchaudio/{params.model}", None, self._dtype)
        self._model: Any = None

    def load(self) -> None:
        """Read the weights and drop the blocks that are not needed."""
        try:
            model = self._bundle.get_model()
        except OSError as error:
            raise DatmosError(
                f"encoder.model: the weights of torchaudio's '{self._name}' can't be downloaded ({error}). "
                f"Put the file into {torch.hub.get_dir()}/checkpoints on a machine with a connection and copy it "
                "here, or use encoder.kind=transformers with encoder.model set to a local folder."
            ) from None
        except Exception as error:  # whatever a damaged file, or one that lacks weights, makes torch raise
            raise DatmosError(
                f"encoder.model: the weights of torchaudio's '{self._name}' can't be read ({first_line(error)}). "
                f"Delete its file in {torch.hub.get_dir()}/checkpoints; it is downloaded again."
            ) from None
        model = getattr(model, "model", model)  # some wrap the network to normalise; `prepare` does that
        del model.encoder.transformer.layers[max(self.layers) :]
        self._model = model.eval().to(self._device, self._dtype)
        use_onednn(self._model)

    def prepare(self, waveform: Tensor) -> dict[str, Tensor]:
        """Normalise a waveform (samples,) where the pipeline does."""
        if self._bundle._normalize_waveform:
            waveform = functional.layer_norm(waveform, waveform.shape)
        return {"waveforms": waveform}

    def __call__(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Map waveforms (B, samples) to embeddings (B, D, T), one for each of ``layers``."""
        outputs, _ = self._model.extract_features(inputs["waveforms"].to(self._dtype))
        return [outputs[layer - 1].transpose(1, 2) for layer in self.layers]
