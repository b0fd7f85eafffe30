"""A model that scores how loud a window is, and sounds for it."""

import numpy as np
import torch

from datmos.heads.familiarity import Familiarity
from datmos.scoring.model import WindowScores
from datmos.scoring.windows import Windowing

CPU = torch.device("cpu")
RATE, SECONDS = 16_000, 1.0


def sound(generator: np.random.Generator, seconds: float, rate: int = RATE) -> np.ndarray:
    """Noise of random colour and a tone."""
    count = round(seconds * rate)
    noise = generator.normal(0, 0.1, count)
    colour = generator.uniform(0, 0.9)
    tone = 0.2 * np.sin(2 * np.pi * generator.uniform(200, 2000) * np.arange(count) / rate)
    return np.append(noise[:1], noise[1:] + colour * noise[:-1]) + tone


class LoudnessModel:
    """Audio in, Gaussian out, without an encoder or a training domain."""

    name, version, aspects, scale = "loudness", "1", ["level", "peak"], (0.0, 1.0)
    familiarity: Familiarity | None = None
    trained_on: str | None = None
    device = CPU

    def __init__(self, seconds: float = SECONDS, repeats: bool = True) -> None:
        self.windowing = Windowing(RATE, seconds, 0.1, repeats)
        self.lengths: list[int] = []

    def prepare(self, waveform: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"waveforms": waveform}

    def __call__(self, inputs: dict[str, torch.Tensor]) -> WindowScores:
        x = inputs["waveforms"].double().numpy()
        self.lengths.append(x.shape[1])
        mean = np.stack([np.square(x).mean(axis=1), np.abs(x).max(axis=1)], axis=1)
        return WindowScores(mean, np.stack([np.diag([0.25, 1.0])] * len(x)), None)
