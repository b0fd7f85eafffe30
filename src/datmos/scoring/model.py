"""What a scorer needs of a model, and the models of the pipeline: heads on a frozen encoder."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor

from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError
from datmos.core.device import mixed_precision
from datmos.core.errors import DatmosError
from datmos.core.files import read_json
from datmos.core.processes import ALONE
from datmos.embedding.clip_encoder import FLOAT16_MAX
from datmos.embedding.encoders.interface import Encoder
from datmos.embedding.encoders.precision import find_checked_encoder, make_test_clip
from datmos.embedding.settings import EncoderParams
from datmos.heads.familiarity import FILE, Familiarity, load_familiarity
from datmos.heads.mixture import AspectChoice, mix
from datmos.heads.saved import Models, load_models
from datmos.scoring.windows import Windowing


class WindowScores(NamedTuple):
    """Predicted distributions of the scores of B windows, float64, rating points."""

    mean: np.ndarray  # (B, A)
    covariance: np.ndarray  # (B, A, A)
    distance: np.ndarray | None  # (B,) from the training domain, where the model knows it


class WindowModel(Protocol):
    """Audio in, Gaussian out. A model with an encoder of its own is plugged in by this and a line in `loading`.

    Attributes:
        name: what people call it.
        version: changes whenever a score may change.
        aspects: names of the scores.
        scale: lowest and highest rating.
        windowing: how long its windows are, and at which rate.
        familiarity: where its train clips lie; None if it does not know.
        device: where it computes.
    """

    name: str
    version: str
    aspects: list[str]
    scale: tuple[float, float]
    windowing: Windowing
    familiarity: Familiarity | None
    device: torch.device

    def prepare(self, waveform: Tensor) -> dict[str, Tensor]:
        """Turn the waveform of a window, float32 (samples,), into the network's inputs. Runs on the CPU."""

    def __call__(self, inputs: dict[str, Tensor]) -> WindowScores:
        """Score windows of one length, inputs (B, ...).

        Raises:
            UnusableAudioError: the network gives values that are not finite.
        """


class HeadsOnEncoder:
    """The models of one folder of the pipeline, data/models/<strategy> or data/combinations/<name>.

    The seeds are one predictor, the mixture of their Gaussians, of which mean and covariance are given.

    Attributes:
        encoder: the frozen model.
        models: heads by the name of their strategy: one, or those of a combination.
        config: of the (first) strategy, as in config.json.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Read a folder; the encoder's weights too.

        Raises:
            DatmosError: it lacks something, or the encoder can't be found.
        """
        choice = folder / "choice.json"
        self.name = folder.resolve().name
        if choice.is_file():
            chosen: dict[str, str] = read_json(choice)
            folders = {name: folder / name for name in dict.fromkeys(chosen.values())}
        else:
            config = read_config(folder)
            self.name = config["strategy"]
            chosen = dict.fromkeys(config["aspects"], self.name)
            folders = {self.name: folder}
        self.models = {name: load_models(own) for name, own in folders.items()}
        self.config = read_config(next(iter(folders.values())))
        self.version = version_of(folders.values(), chosen)
        self.aspects = list(chosen)
        aspects_of = {name: heads.config["aspects"] for name, heads in self.models.items()}
        self._choose = AspectChoice(chosen, aspects_of)
        low, high = self.config["head"]["scale"]
        self.scale = (float(low), float(high))
        self.device = device
        audio = AudioParams.model_validate(self.config["audio"])
        self.encoder: Encoder = _find_encoder(self.config, audio.clip_seconds, device)
        self.encoder.load()
        self.windowing = Windowing(self.encoder.sample_rate, audio.clip_seconds, audio.min_seconds)
        self.familiarity: Familiarity | None = load_familiarity(next(iter(folders.values())))
        for heads in self.models.values():
            heads.head.to(device)

    def prepare(self, waveform: Tensor) -> dict[str, Tensor]:
        """Make the encoder's inputs of a window."""
        return self.encoder.prepare(waveform)

    @torch.inference_mode()
    def __call__(self, inputs: dict[str, Tensor]) -> WindowScores:
        """Score windows of one length, as the stages embed and evaluate do."""
        on_device = {name: value.to(self.device, non_blocking=True) for name, value in inputs.items()}
        *layers, pooled = (layer.float() for layer in self.encoder(on_device))  # (B, D, T) each
        frames = torch.stack(layers, dim=1).half()  # (B, L, D, T), the precision of data/embeddings
        if not bool((frames.abs() < FLOAT16_MAX).all()):  # false for NaN too
            raise UnusableAudioError("the encoder gives values that are not finite or exceed float16")
        parts = {name: self._predict(heads, frames.float()) for name, heads in self.models.items()}
        mean, covariance = mix(*self._choose(parts))
        assert self.familiarity is not None
        return WindowScores(
            mean.numpy(), covariance.numpy(), self.familiarity.distance(pooled.mean(dim=2).cpu().numpy())
        )

    def _predict(self, heads: Models, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Means (M, B, A) and covariances (M, B, A, A), float64, on the CPU."""
        own = frames if heads.head.reads_layers else frames[:, 0]
        with mixed_precision(self.device):
            encoded = heads.head.encode(own)
        gaussian = heads.head.predict(encoded.h)
        return gaussian.mean.double().cpu(), gaussian.covariance.double().cpu()


def version_of(folders: Any, choice: Mapping[str, str]) -> str:
    """Fingerprint of all that a score depends on: weights, encoder, aspects; 12 hexadecimal digits."""
    digest = hashlib.sha256(json.dumps(choice).encode())
    for folder in folders:
        config = read_json(folder / "config.json")
        used = {key: config[key] for key in ("kind", "head", "encoder", "aspects", "seeds")}
        digest.update(json.dumps(used, sort_keys=True).encode())
        for file in sorted(folder.glob("*.safetensors")):
            digest.update(file.name.encode())
            tensors = load_file(file)
            for name in sorted(tensors):
                if not name.startswith("classifier."):  # adversaries score nothing; an exported folder has none
                    digest.update(name.encode())
                    digest.update(tensors[name].tobytes())
    return digest.hexdigest()[:12]


def read_config(folder: Path) -> dict[str, Any]:
    """Read the config of one strategy's models.

    Raises:
        DatmosError: it lacks what scoring needs.
    """
    config: dict[str, Any] = read_json(folder / "config.json")
    missing = [key for key in ("encoder_params", "audio", "strategy", "head") if key not in config]
    missing += [FILE] if not (folder / FILE).is_file() else []
    if missing:
        raise DatmosError(
            f"{folder}: has no {', '.join(missing)}: the model was trained by an earlier version of "
            "datmos. Run `dvc repro` to train it again."
        )
    return config


def _find_encoder(config: dict[str, Any], window_seconds: float, device: torch.device) -> Encoder:
    """Find the encoder with the layers that the store had, and see that it is the same model."""
    params, stored = EncoderParams.model_validate(config["encoder_params"]), config["encoder"]
    encoder = find_checked_encoder(
        params,
        stored["pooled_layer"],
        clip=f"a test clip of {window_seconds:g} s",
        read_clip=lambda rate: make_test_clip(window_seconds, rate),
        processes=ALONE._replace(device=device),
    )
    for key in ("name", "revision"):
        if encoder.identity[key] != stored[key]:
            raise DatmosError(
                f"encoder: the heads were trained on embeddings of {stored['name']} ({key} {stored[key]}), but "
                f"'{params.model or params.kind}' is now {encoder.identity['name']} ({key} "
                f"{encoder.identity[key]}). Scores would be wrong; get that encoder, or train again."
            )
    return encoder
