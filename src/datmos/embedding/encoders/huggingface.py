"""Audio encoders of Hugging Face transformers, from the hub or a local folder."""

import copy
import hashlib
import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from datmos.core.errors import DatmosError
from datmos.core.files import file_digest
from datmos.core.hub import HubError, hub_commit, why_not_loaded
from datmos.core.tensors import check_complete
from datmos.embedding.encoders.interface import describe_encoder, pick_dtype, resolve_layers
from datmos.embedding.encoders.onednn import use_onednn
from datmos.embedding.settings import EncoderParams

MOST_BLOCKS = 1000
ROOM = 2**24  # bytes that weights may have more or less than expected: headers, and models of a test
CONSENT = (
    "Read it. If you trust it, set encoder.trust_remote_code=true; to score, add --trust (in Python: trust=True)."
)


class TransformersEncoder:
    """Wav2vec2 / XLS-R, HuBERT, WavLM, data2vec-audio, w2v-BERT 2, Whisper's encoder, MERT and their like.

    The model's own feature extractor makes the inputs, so that a waveform is normalised (or not) as in training.
    Clips of a run have one length, so nothing is padded and no attention mask is needed, with two exceptions that
    the extractors themselves make: w2v-BERT wants an even number of mel frames, Whisper always 30 s. There the
    padded frames are cut off again.

    Blocks above the highest layer are neither loaded nor run.
    """

    def __init__(self, params: EncoderParams, layers: Sequence[int | None], device: torch.device) -> None:
        from transformers import AutoConfig, AutoFeatureExtractor

        assert params.model is not None  # the params schema sees to it
        self._params, self._name = params, params.model
        self._local = Path(params.model).is_dir()
        if not self._local and params.revision is None:
            raise DatmosError(
                f"encoder.revision: '{params.model}' is not a folder here, so it is taken as a hub model, and a "
                "hub model needs its revision pinned. Set encoder.revision to a commit hash or tag."
            )
        try:
            self._revision = None if self._local else hub_commit(params.model, params.revision)
            self._config = AutoConfig.from_pretrained(params.model, **self._source())
            self._extractor = AutoFeatureExtractor.from_pretrained(params.model, **self._source())
        except (OSError, ValueError, ImportError, HubError) as error:
            raise DatmosError(self._explain(error)) from None
        self._device, self._dtype = device, pick_dtype(params.dtype, device)
        self._blocks: int = self._config.num_hidden_layers
        self._check()
        if self._local:
            self._check_size(Path(params.model))
        self.layers = resolve_layers(layers, self._blocks, params.model)
        self.sample_rate = int(self._extractor.sampling_rate)
        self.hop = _hop(self._config, self._extractor)
        self.identity = describe_encoder(
            name=Path(params.model).name if self._local else params.model,
            revision=self._revision or _digest(Path(params.model)),
            dtype=self._dtype,
        )
        self._model: Any = None
        self._outputs = threading.local()  # several threads may be in the network at a time

    def load(self) -> None:
        """Read the weights up to the highest layer, and listen to the layers that are wanted."""
        from transformers import AutoModel
        from transformers.utils import logging

        config = copy.deepcopy(self._config)
        config.num_hidden_layers = max(self.layers)  # Whisper's name for it, encoder_layers, is an alias
        level = logging.get_verbosity()
        logging.set_verbosity_error()  # else it lists the weights of every block that is left out
        try:
            model, loaded = AutoModel.from_pretrained(
                self._name, config=config, dtype=self._dtype, output_loading_info=True, **self._source()
            )
        except (OSError, ValueError, ImportError) as error:
            raise DatmosError(self._explain(error)) from None
        finally:
            logging.set_verbosity(level)
        try:
            check_complete(self._name, loaded, "encoder." if self._config.is_encoder_decoder else "")
        except DatmosError as error:
            raise DatmosError(f"encoder.model: {error}") from None
        if self._config.is_encoder_decoder:
            model = model.encoder
        stack = _find_stack(model, max(self.layers))
        if stack is None:
            raise DatmosError(
                f"encoder.model: '{self._name}' ({type(model).__name__}) has no list of {max(self.layers)} "
                "transformer blocks called 'layers', so its layers can't be read"
            )
        for layer in set(self.layers):
            # as in transformers' hidden_states, Whisper's last layer is taken after the final normalisation, and
            # the others' before
            after_all = layer == self._blocks and self._config.is_encoder_decoder
            module = stack if after_all else stack.layers[layer - 1]
            module.register_forward_hook(self._listener(layer))
        self._model = model.eval().to(self._device)
        use_onednn(self._model)

    def prepare(self, waveform: Tensor) -> dict[str, Tensor]:
        """Make the model's inputs from a waveform (samples,) with its own feature extractor.

        Raises:
            DatmosError: the waveform is longer than the model takes.
        """
        limit = getattr(self._extractor, "n_samples", math.inf)
        if len(waveform) > limit:
            raise DatmosError(
                f"audio.clip_seconds: {self._name} takes at most {limit / self.sample_rate:g} s, "
                f"got {len(waveform) / self.sample_rate:g} s"
            )
        inputs = self._extractor(
            waveform.numpy(), sampling_rate=self.sample_rate, return_attention_mask=True, return_tensors="pt"
        )
        return {name: value.squeeze(0) for name, value in inputs.items()}

    def __call__(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Map the inputs of B clips to embeddings (B, D, T), one for each of ``layers``."""
        name = self._model.main_input_name
        mask = inputs["attention_mask"]  # (B, positions), 1 where there is audio
        real, positions = int(mask[0].sum()), mask.shape[1]
        options = {} if real == positions or name == "input_values" else {"attention_mask": mask}
        self._outputs.of_layer = {}
        self._model(inputs[name].to(self._dtype), **options)
        outputs = vars(self._outputs).pop("of_layer")
        frames = [outputs[layer].transpose(1, 2) for layer in self.layers]  # (B, D, T)
        return [frame[:, :, : frame.shape[2] * real // positions] for frame in frames]

    def _check(self) -> None:
        """Refuse a config that asks for code of the hub (kernels of attention), or for too many layers."""
        attention = self._config._attn_implementation
        if attention is not None and "/" in str(attention) and not self._params.trust_remote_code:
            raise DatmosError(f"encoder.model: '{self._name}' asks for the code '{attention}'. {CONSENT}")
        if not 1 <= self._blocks <= MOST_BLOCKS:
            raise DatmosError(
                f"encoder.model: '{self._name}' has {self._blocks} layers; 1 to {MOST_BLOCKS} can be read"
            )

    def _check_size(self, folder: Path) -> None:
        """Compare what the config implies with the files that are there, before any of it is made or read."""
        from transformers import AutoModel

        try:
            with torch.device("meta"):  # sizes that nobody has checked cost nothing there
                model = AutoModel.from_config(self._config, trust_remote_code=self._params.trust_remote_code)
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            raise DatmosError(self._explain(error)) from None
        implied = sum(value.numel() * 4 for value in model.state_dict().values())
        there = sum(path.stat().st_size for path in _weight_files(folder))
        # weights of four times that precision, and of a quarter; several formats side by side
        if not implied / 4 - ROOM <= there <= 8 * implied + ROOM:
            raise DatmosError(
                f"encoder.model: '{self._name}' holds {there / 1e6:.1f} MB of weights, where its config implies "
                f"{implied / 1e6:.1f} MB in single precision. They do not belong together."
            )

    def _listener(self, layer: int) -> Any:
        def keep(module: nn.Module, arguments: Any, output: Any) -> None:
            self._outputs.of_layer[layer] = output if isinstance(output, Tensor) else output[0]

        return keep

    def _source(self) -> dict[str, Any]:
        trust = {"trust_remote_code": self._params.trust_remote_code}
        return trust if self._local else trust | {"revision": self._revision}

    def _explain(self, error: Exception) -> str:
        if "trust_remote_code" in str(error):
            return f"encoder.model: '{self._name}' brings its own code, which would run on this machine. {CONSENT}"
        reason = why_not_loaded(self._name, self._params.revision, error, "set encoder.model=FOLDER")
        return f"encoder.model: {reason}"


def _find_stack(model: nn.Module, blocks: int) -> Any:
    """The module whose ``layers`` are the transformer blocks."""
    for module in model.modules():
        layers = getattr(module, "layers", None)
        if isinstance(layers, nn.ModuleList) and len(layers) == blocks:
            return module
    return None


def _hop(config: Any, extractor: Any) -> int:
    """Samples between two frames."""
    if hasattr(extractor, "stride"):  # w2v-BERT: mel frames of 10 ms, stacked
        return extractor.sampling_rate // 100 * int(extractor.stride)
    if hasattr(extractor, "hop_length"):  # Whisper: mel frames, halved by its second convolution
        return int(extractor.hop_length) * 2
    return math.prod(config.conv_stride)


def _weight_files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if path.suffix in {".safetensors", ".bin"} and path.is_file()]


def _digest(folder: Path) -> str:
    """Fingerprint of a model folder: the same wherever it lies, another one for other weights."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        relative = file.relative_to(folder)
        if relative.suffix in {".json", ".safetensors", ".bin", ".py"} and not relative.parts[0].startswith("."):
            digest.update(f"{relative.as_posix()} {file_digest(file)}\n".encode())
    return digest.hexdigest()
