"""What fine-tuning starts from, and what it reads, by the params."""

import pandas as pd

from datmos.audiobox.waveforms import Hearing, Waveforms
from datmos.audiobox.weights import Start, load_start
from datmos.core.errors import DatmosError
from datmos.params.schema import Params


def read_start(params: Params) -> Start:
    """Read what ``finetune.encoder`` names.

    Raises:
        DatmosError: see `load_start`.
    """
    finetune = params.finetune
    try:
        return load_start(finetune.encoder, finetune.revision, params.data.aspects, finetune.mlp_layers)
    except DatmosError as error:
        raise DatmosError(f"finetune.encoder: {error}") from None


def read_clips(params: Params, clips: pd.DataFrame, sample_rate: int, keep: int = 0) -> Waveforms:
    """Read the part of each clip that ``audio`` asks for; ``keep``: bytes that may stay in memory."""
    hearing = Hearing(params.audio.clip_seconds, params.audio.offset)
    return Waveforms([params.data.root / path for path in clips["path"]], hearing, sample_rate, keep)
