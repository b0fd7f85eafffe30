"""Scoring with models that predict from audio directly: fine-tuned ones, and what Meta has published.

All of a clip is heard, in windows one after another without overlap, as by Meta's own predictor
(`audiobox_aesthetics.infer.AesPredictor`): the last window is what is left, and counts by its length.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from datmos.audiobox.model import AudioboxModel, count_frames, samples_of
from datmos.audiobox.model_files import Recipe, load_model, load_recipe, load_weights, make_model
from datmos.audiobox.waveforms import collate
from datmos.audiobox.weights import WINDOW, load_published
from datmos.core.files import file_digest
from datmos.core.paths import weights_file
from datmos.core.predictions import mix
from datmos.core.settings import Name
from datmos.core.untrusted import Finite, Text, Untrusted, checked
from datmos.embedding.encoders.onednn import use_onednn
from datmos.heads.familiarity import Familiarity
from datmos.scoring.model import WindowScores
from datmos.scoring.trust import LONGEST_WINDOW, Trust
from datmos.scoring.windows import Windowing

MIN_SECONDS = 0.1
PUBLISHED_SCALE = (1.0, 10.0)
# encoders for which frames of padding leave those of the audio alone, but for the group norm (`_WindowNorm`)
EXACT_WITHOUT_PADDING = ("wav2vec2", "hubert", "wavlm")


class AudioboxWindows:
    """Models of one recipe, one or one a seed (then the mixture of their Gaussians, as for other heads).

    A window shorter than the model's is padded, since the model was made so. On a CPU, where every window is
    computed by itself, most of the padding is left out of the computation, with the same result to rounding.

    Attributes:
        networks: of the seeds, in evaluation mode.
    """

    familiarity: Familiarity | None = None  # these models do not know theirs

    def __init__(
        self,
        name: str,
        version: str,
        recipe: Recipe,
        networks: Sequence[AudioboxModel],
        seconds: float,
        scale: tuple[float, float],
        device: torch.device,
        trained_on: str | None = None,
    ) -> None:
        self.name, self.version, self.scale, self.device = name, version, scale, device
        self.trained_on = trained_on
        self.aspects = list(recipe.shape.aspects)
        self.windowing = Windowing(int(recipe.extractor.sampling_rate), seconds, MIN_SECONDS, repeats=False)
        self.networks = [network.eval().requires_grad_(False).to(device) for network in networks]
        self._extractor, self._config = recipe.extractor, recipe.config
        self._leaves_out = device.type == "cpu" and recipe.config.model_type in EXACT_WITHOUT_PADDING
        for network in self.networks:
            if self._leaves_out:
                _norm_over_window(network.encoder, self.windowing.length)
            use_onednn(network.encoder)

    def prepare(self, waveform: Tensor) -> dict[str, Tensor]:
        """Make the encoder's inputs of a window of at most the model's length."""
        length = self._needed(len(waveform)) if self._leaves_out else self.windowing.length
        inputs = collate([waveform], length, self._extractor, torch.device("cpu"))
        if self._leaves_out:  # all frames that are left count
            inputs["attention_mask"] = torch.ones_like(inputs["attention_mask"])
        return {name: value.squeeze(0) for name, value in inputs.items()}

    @torch.inference_mode()
    def __call__(self, inputs: dict[str, Tensor]) -> WindowScores:
        """Score windows of one length."""
        on_device = {name: value.to(self.device, non_blocking=True) for name, value in inputs.items()}
        means = np.stack([network(on_device).double().cpu().numpy() for network in self.networks])  # (M, B, A)
        spreads = torch.stack([network.spread for network in self.networks]).double().cpu().numpy()
        known = (spreads @ spreads.transpose(0, 2, 1))[:, None]  # (M, 1, A, A)
        mean, covariance = mix(means, np.broadcast_to(known, (*means.shape, means.shape[-1])))
        if not known.any():
            covariance = np.full_like(covariance, np.nan)  # a model that does not know its errors
        return WindowScores(mean, covariance, None)

    def _needed(self, samples: int) -> int:
        """Return how long a window must be for the model to find all frames that hold any audio, in samples."""
        window = self.windowing.length
        total = int(self.networks[0].encoder._get_feat_extract_output_lengths(window))
        frames = count_frames(torch.tensor([samples]), window, total)
        return min(window, max(int(samples_of(frames, self._config)), samples + self._config.conv_kernel[0]))


class FinetunedConfig(Untrusted):
    """What scoring needs of a fine-tuned model's config.json, besides its recipe."""

    strategy: Name
    scale: Annotated[list[Finite], Field(min_length=2, max_length=2)]
    window_seconds: Annotated[Finite, Field(ge=MIN_SECONDS, le=LONGEST_WINDOW)]
    trained_on: Text | None = None  # data.kind; models of earlier versions don't say it

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.scale[0] >= self.scale[1]:
            raise ValueError(f"scale: the lowest and the highest rating are expected, got {self.scale}")
        return self


def load_finetuned(folder: Path, device: torch.device, trust: Trust) -> AudioboxWindows:
    """Load a folder that `datmos.audiobox.train` wrote; it needs no trust.

    Raises:
        DatmosError: a file is missing, or is not what `datmos.audiobox.train` writes.
    """
    recipe, config = load_recipe(folder)
    known: FinetunedConfig = checked(FinetunedConfig, folder / "config.json", config)
    networks = [load_model(folder, recipe, seed) for seed in config["seeds"]]
    files = [folder / "config.json", *sorted(weights_file(folder, seed) for seed in config["seeds"])]
    low, high = known.scale
    return AudioboxWindows(
        known.strategy,
        _version(files),
        recipe,
        networks,
        known.window_seconds,
        (low, high),
        device,
        known.trained_on,
    )


def load_meta(source: Path, device: torch.device, trust: Trust) -> AudioboxWindows:
    """Load Audiobox-Aesthetics weights as Meta publishes them: a folder, or a checkpoint.pt; it needs no trust.

    Raises:
        DatmosError: see `datmos.audiobox.weights.load_published`.
    """
    recipe, weights = load_published(str(source), None)
    network = load_weights(make_model(recipe), weights, whole=True)
    files = [source / "config.json", source / "model.safetensors"] if source.is_dir() else [source]
    return AudioboxWindows(
        "audiobox-aesthetics", _version(files), recipe, [network], WINDOW, PUBLISHED_SCALE, device
    )


def _version(files: Sequence[Path]) -> str:
    return hashlib.sha256("\n".join(file_digest(file) for file in files).encode()).hexdigest()[:12]


def _norm_over_window(encoder: Any, length: int) -> None:
    """Let the group norm of an encoder's first convolution know of the padding that is left out."""
    first: Any = encoder.feature_extractor.conv_layers[0]
    if isinstance(getattr(first, "layer_norm", None), nn.GroupNorm):
        frames = (length - first.conv.kernel_size[0]) // first.conv.stride[0] + 1
        first.layer_norm = _WindowNorm(first.layer_norm, first.conv.bias, frames)


class _WindowNorm(nn.Module):
    """The group norm of every channel over time, (B, C, T), where the frames after T are those of silence."""

    def __init__(self, norm: nn.GroupNorm, silence: Tensor | None, frames: int) -> None:
        super().__init__()
        assert norm.num_groups == norm.num_channels
        self.weight, self.bias, self.eps, self.frames = norm.weight, norm.bias, norm.eps, frames
        self.silence = silence  # (C,), what the convolution makes of it; None: 0

    def forward(self, x: Tensor) -> Tensor:
        absent = self.frames - x.shape[2]
        value = 0.0 if self.silence is None else self.silence[:, None]
        mean = (x.sum(dim=2, keepdim=True) + absent * value) / self.frames
        squares = (x - mean).square().sum(dim=2, keepdim=True) + absent * (value - mean).square()
        gain = self.weight[:, None] * (squares / self.frames + self.eps).rsqrt()
        return torch.addcmul(self.bias[:, None] - mean * gain, x, gain)
