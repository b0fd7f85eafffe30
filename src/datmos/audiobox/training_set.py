"""What fine-tuning starts from, and what it reads, by the params."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from datmos.audio.settings import AudioParams
from datmos.audiobox.settings import FinetuneParams
from datmos.audiobox.waveforms import Hearing, Waveforms
from datmos.audiobox.weights import Start, load_start
from datmos.core.errors import DatmosError


class AudioStudy(NamedTuple):
    """What all fine-tuned strategies of a run learn from, and how."""

    finetune: FinetuneParams
    audio: AudioParams
    root: Path  # of the clips
    aspects: list[str]
    scale: tuple[float, float]  # lowest and highest rating
    seeds: list[int]
    reversal: str  # ``train.reversal``


def read_start(study: AudioStudy) -> Start:
    """Read what ``finetune.encoder`` names.

    Raises:
        DatmosError: see `load_start`.
    """
    finetune = study.finetune
    try:
        return load_start(finetune.encoder, finetune.revision, study.aspects, finetune.mlp_layers)
    except DatmosError as error:
        raise DatmosError(f"finetune.encoder: {error}") from None


def read_clips(study: AudioStudy, clips: pd.DataFrame, sample_rate: int, keep: int = 0) -> Waveforms:
    """Read the part of each clip that ``audio`` asks for; ``keep``: bytes that may stay in memory."""
    hearing = Hearing(study.audio.clip_seconds, study.audio.offset)
    return Waveforms([study.root / path for path in clips["path"]], hearing, sample_rate, keep)
