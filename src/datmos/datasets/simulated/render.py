"""One clip from its numbers: content -> signature -> degradation -> level.

Imports neither torch nor pandas: worker processes load this module, and start in half a second.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from datmos.datasets.simulated.content import render_content
from datmos.datasets.simulated.degrade import degrade
from datmos.datasets.simulated.signature import RATE, Signature, apply_signature, rms
from datmos.datasets.simulated.truth import Truth

LEVEL = 10 ** (-26 / 20)  # RMS of every clip, full scale 1: loudness tells nothing
PEAK = 0.95  # a clip with a higher peak is turned down, never clipped


class Seeds(NamedTuple):
    """Separate streams of randomness of one clip, so that one can change and the others stay."""

    content: int
    hiss: int
    degradation: int


class Job(NamedTuple):
    """Everything a worker needs to render one clip."""

    path: str  # relative to the study's root
    truth: Truth
    category: str
    signature: Signature
    seeds: Seeds
    seconds: float


def render_clip(truth: Truth, category: str, signature: Signature, seeds: Seeds, seconds: float) -> np.ndarray:
    """Return the clip, (samples,) at 16 kHz, |x| <= 0.95, RMS -26 dBFS unless the peak forbids it.

    The same truth and seeds under another signature are the same content, equally degraded.
    """
    dry = render_content(truth, category, signature.timbre, seeds.content, round(seconds * RATE))
    recorded = apply_signature(dry, signature, np.random.default_rng(seeds.hiss))
    return normalise(degrade(recorded / rms(recorded), truth.pq, seeds.degradation))


def normalise(x: np.ndarray) -> np.ndarray:
    """Scale ``x`` (samples,) to the common level, lower where a peak would exceed the limit."""
    return x * min(LEVEL / rms(x), PEAK / (float(np.abs(x).max()) + 1e-12))


def write_clip(job: Job, root: Path) -> None:
    """Render a job and write it as 16-bit WAV; its folder exists."""
    audio = render_clip(job.truth, job.category, job.signature, job.seeds, job.seconds)
    soundfile.write(root / job.path, audio, RATE, subtype="PCM_16")
