"""What a scorer needs of a model, and the models of the pipeline: heads on a frozen encoder."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError
from datmos.core.device import mixed_precision
from datmos.core.errors import DatmosError
from datmos.core.paths import weights_file
from datmos.core.predictions import mix
from datmos.core.processes import ALONE
from datmos.core.tensors import read_tensors
from datmos.core.untrusted import read_object
from datmos.embedding.clip_encoder import FLOAT16_MAX
from datmos.embedding.encoders.interface import Encoder
from datmos.embedding.encoders.precision import find_checked_encoder, make_test_clip
from datmos.heads.familiarity import FILE, Familiarity, load_familiarity
from datmos.heads.interface import as_read
from datmos.heads.model_files import load_models
from datmos.scoring.trust import Trust, encoder_params, read_config
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
        trained_on: the kind of data, as data.kind names it; None if it does not know.
        device: where it computes.
    """

    name: str
    version: str
    aspects: list[str]
    scale: tuple[float, float]
    windowing: Windowing
    familiarity: Familiarity | None
    trained_on: str | None
    device: torch.device

    def prepare(self, waveform: Tensor) -> dict[str, Tensor]:
        """Turn the waveform of a window, float32 (samples,), into the network's inputs. Runs on the CPU."""

    def __call__(self, inputs: dict[str, Tensor]) -> WindowScores:
        """Score windows of one length, inputs (B, ...).

        Raises:
            UnusableAudioError: the network gives values that are not finite.
        """


FAR_OUTSIDE = 10.0  # widths of the rating scale; a mean farther from it is no rating
SINGULAR = 1e-12  # smallest eigenvalue of a covariance, in those of its largest


def judge(model: WindowModel, means: np.ndarray, covariances: np.ndarray, distances: np.ndarray) -> None:
    """Refuse scores that can't be believed, of windows or of a whole clip.

    Args:
        model: that gave them.
        means: (N, A).
        covariances: (N, A, A); NaN throughout where the model does not know its errors.
        distances: (N,), or none.

    Raises:
        UnusableAudioError: something is not finite, a covariance is none, or a mean is far off the scale.
    """
    known = covariances[~np.isnan(covariances).all(axis=(1, 2))]
    if not all(np.isfinite(values).all() for values in (means, known, distances)):
        raise UnusableAudioError("the model gives values that are not finite")
    eigenvalues = np.linalg.eigvalsh(known)
    symmetric = np.allclose(known, known.swapaxes(1, 2), rtol=1e-4, atol=0)
    if not symmetric or (eigenvalues[:, 0] <= SINGULAR * eigenvalues[:, -1]).any():
        raise UnusableAudioError("the model gives a covariance that is none: its scores can't be told apart")
    low, high = model.scale
    off = np.abs((means - low) / (high - low) - 0.5) - 0.5 > FAR_OUTSIDE
    if off.any():
        window, a = np.argwhere(off)[0]
        raise UnusableAudioError(
            f"the model gives {means[window, a]:.3g} for {model.aspects[a]}, on a scale from {low:g} to {high:g}"
        )


class HeadsOnEncoder:
    """The models of one folder of the pipeline, data/models/<strategy>.

    The seeds are one predictor, the mixture of their Gaussians, of which mean and covariance are given.

    Attributes:
        encoder: the frozen model.
        models: the heads of all seeds.
        config: as in config.json.
    """

    def __init__(self, folder: Path, device: torch.device, trust: Trust = Trust()) -> None:  # noqa: B008  a tuple
        """Read a folder; the encoder's weights too.

        Raises:
            DatmosError: it lacks something, or the encoder can't be found or is not allowed.
        """
        self.config = read_config(folder)
        self.name: str = self.config["strategy"]
        self.models = load_models(folder)
        self.version = version_of(folder)
        self.aspects: list[str] = self.config["aspects"]
        low, high = self.config["head"]["scale"]
        self.scale = (float(low), float(high))
        self.device = device
        audio = AudioParams.model_validate(self.config["audio"])
        self.familiarity: Familiarity | None = load_familiarity(folder)
        self.trained_on: str | None = self.config.get("trained_on")
        self._shape = (self.config["encoder"]["dimension"], self.config["encoder"]["frames"])
        if len(self.familiarity.mean) != self._shape[0]:
            raise DatmosError(f"{folder}: its familiarity is not of embeddings of {self._shape[0]} channels")
        self.encoder: Encoder = _find_encoder(self.config, folder, trust, device)
        self.encoder.load()
        self.windowing = Windowing(self.encoder.sample_rate, audio.clip_seconds, audio.min_seconds)
        self.models.head.to(device)

    def prepare(self, waveform: Tensor) -> dict[str, Tensor]:
        """Make the encoder's inputs of a window."""
        return self.encoder.prepare(waveform)

    @torch.inference_mode()
    def __call__(self, inputs: dict[str, Tensor]) -> WindowScores:
        """Score windows of one length, as the stages embed and evaluate do."""
        on_device = {name: value.to(self.device, non_blocking=True) for name, value in inputs.items()}
        *layers, pooled = (layer.float() for layer in self.encoder(on_device))  # (B, D, T) each
        if found := [shape for layer in (*layers, pooled) if (shape := tuple(layer.shape[1:])) != self._shape]:
            raise UnusableAudioError(f"the encoder gives {found[0]} values a window; the heads take {self._shape}")
        frames = torch.stack(layers, dim=1).half()  # (B, L, D, T), the precision of data/embeddings
        if not bool((frames.abs() < FLOAT16_MAX).all()):  # false for NaN too
            raise UnusableAudioError("the encoder gives values that are not finite or exceed float16")
        mean, covariance = mix(*self._predict(frames.float()))
        assert self.familiarity is not None
        return WindowScores(
            mean.numpy(), covariance.numpy(), self.familiarity.distance(pooled.mean(dim=2).cpu().numpy())
        )

    def _predict(self, layers: Tensor) -> tuple[Tensor, Tensor]:
        """Of all layers (B, L, D, T), means (M, B, A) and covariances (M, B, A, A), float64, on the CPU."""
        head = self.models.head
        with mixed_precision(self.device):
            encoded = head.encode(as_read(layers, head.reads))
        gaussian = head.predict(encoded.h)
        return gaussian.mean.double().cpu(), gaussian.covariance.double().cpu()


def version_of(folder: Path) -> str:
    """Fingerprint of all that a score depends on: weights, encoder, aspects; 12 hexadecimal digits."""
    config = read_object(folder / "config.json")
    used = {key: config[key] for key in ("kind", "head", "encoder", "aspects", "seeds")}
    digest = hashlib.sha256(json.dumps(used, sort_keys=True).encode())
    for file in sorted([folder / FILE, *(weights_file(folder, seed) for seed in config["seeds"])]):
        digest.update(file.name.encode())
        tensors = read_tensors(file, ignored="classifier.")  # they score nothing; an exported folder has none
        for name in sorted(tensors):
            digest.update(name.encode())
            digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()[:12]


def _find_encoder(config: dict[str, Any], folder: Path, trust: Trust, device: torch.device) -> Encoder:
    """Find the encoder with the layers that the store had, and see that it is the same model."""
    params, stored = encoder_params(config, folder, trust), config["encoder"]
    seconds = config["audio"]["clip_seconds"]

    def see_that_it_is_the_same(encoder: Encoder) -> None:
        frames = seconds * encoder.sample_rate / encoder.hop  # of a window, to some at its end
        if not frames / 2 <= stored["frames"] <= 2 * frames:
            raise DatmosError(
                f"encoder: a window of {seconds:g} s has about {frames:.0f} frames, and the heads were trained on "
                f"{stored['frames']}"
            )
        for key in ("name", "revision"):
            if encoder.identity[key] != stored[key]:
                raise DatmosError(
                    f"encoder: the heads were trained on embeddings of {stored['name']} ({key} {stored[key]}), but "
                    f"'{params.model or params.kind}' is now {encoder.identity['name']} ({key} "
                    f"{encoder.identity[key]}). Scores would be wrong; get that encoder, or train again."
                )

    return find_checked_encoder(
        params,
        stored["pooled_layer"],
        clip=f"a test clip of {seconds:g} s",
        read_clip=lambda rate: make_test_clip(seconds, rate),
        processes=ALONE._replace(device=device),
        check=see_that_it_is_the_same,
    )
