"""Which encoders of transformers are fine-tuned, and what their configs may say in a file from anybody.

A config is more than sizes: it can name code on the hub, and numbers that nothing could hold.
"""

import math
from collections.abc import Mapping
from typing import Any

FAMILIES = frozenset(
    ("data2vec-audio", "hubert", "sew", "unispeech", "unispeech-sat", "wav2vec2", "wav2vec2-bert",
     "wav2vec2-conformer", "wavlm", "whisper")
)  # fmt: skip
EXTRACTORS = frozenset(("SeamlessM4TFeatureExtractor", "Wav2Vec2FeatureExtractor", "WhisperFeatureExtractor"))
CODE = ("attn_implementation", "auto_map", "experts_implementation", "quantization_config")  # can bring code along
LARGEST, MOST = 2**20, 1000  # of a whole number; layers, entries of a list, sizes of a spectrogram
RATES = (1_000, 192_000)  # Hz


def check_family(encoder: str, extractor: str) -> None:
    """Refuse encoders that were never tried.

    Args:
        encoder: ``model_type`` of its config.
        extractor: class of its feature extractor.

    Raises:
        ValueError: it is none of those.
    """
    if not isinstance(encoder, str) or encoder not in FAMILIES:
        raise ValueError(
            f"encoder.model_type: one of {', '.join(sorted(FAMILIES))} is expected, got {encoder!r:.60}"
        )
    if not isinstance(extractor, str) or extractor not in EXTRACTORS:
        raise ValueError(
            f"extractor.feature_extractor_type: one of {', '.join(sorted(EXTRACTORS))} is expected, got "
            f"{extractor!r:.60}"
        )


def check_configs(encoder: Mapping[str, Any], extractor: Mapping[str, Any]) -> None:
    """Refuse configs, as JSON has them, that name code or sizes beyond any encoder.

    Raises:
        ValueError: what is wrong.
    """
    check_family(encoder.get("model_type"), extractor.get("feature_extractor_type"))  # type: ignore[arg-type]
    _check_values("encoder", encoder)
    _check_values("extractor", extractor)
    rate = extractor.get("sampling_rate")
    if not isinstance(rate, int) or not RATES[0] <= rate <= RATES[1]:
        raise ValueError(f"extractor.sampling_rate: {RATES[0]} to {RATES[1]} Hz are expected, got {rate!r:.60}")
    for key, value in encoder.items():
        if "layers" in key and isinstance(value, int) and value > MOST:
            raise ValueError(f"encoder.{key}: at most {MOST} layers are expected, got {value}")
    for key in ("feature_size", "num_mel_bins", "n_fft", "hop_length", "chunk_length", "stride"):
        value = extractor.get(key, 1)
        if not isinstance(value, int) or not 1 <= value <= MOST:
            raise ValueError(f"extractor.{key}: 1 to {MOST} is expected, got {value!r:.60}")


def _check_values(place: str, value: Any) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if any(word in key for word in CODE):
                raise ValueError(f"{place}.{key}: could bring code along, which no model may")
            _check_values(f"{place}.{key}", inner)
    elif isinstance(value, list):
        if len(value) > MOST and place != "extractor.mel_filters":
            raise ValueError(f"{place}: at most {MOST} entries are expected, got {len(value)}")
        for inner in value:
            _check_values(place, inner)
    elif isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError(f"{place}: at most {LARGEST} is expected, got {value:.3g}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place}: a finite number is expected, got {value}")
