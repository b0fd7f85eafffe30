"""The sections ``encoder`` and ``embed`` of params.yaml."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import model_validator

from datmos.core.registry import one_of
from datmos.core.settings import Count, Launcher, Layer, Section

ENCODERS = {  # a new kind is a class (see `datmos.embedding.encoders.interface.Encoder`) and a line here
    "distillmos": "datmos.embedding.encoders.distillmos.DistillmosEncoder",
    "transformers": "datmos.embedding.encoders.huggingface.TransformersEncoder",
    "torchaudio": "datmos.embedding.encoders.torchaudio_pipelines.TorchaudioEncoder",
    "aisfx": "datmos.embedding.encoders.aisfx.AisfxEncoder",
}
ONE_MODEL = ("distillmos", "aisfx")  # kinds that are one model, which comes with a Python package
EXAMPLES = {"transformers": "facebook/wav2vec2-xls-r-2b", "torchaudio": "WAV2VEC2_XLSR_2B"}  # of encoder.model


class EncoderParams(Section):
    """The frozen SSL model."""

    kind: Annotated[str, one_of(ENCODERS)]
    model: str | None
    revision: str | None
    layer: Layer | None
    extra_layers: list[Layer]
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    trust_remote_code: bool

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind in ONE_MODEL:
            given = [name for name in ("model", "revision") if getattr(self, name) is not None]
            if given:
                raise ValueError(f"kind {self.kind} is one model: set {given[0]} to null")
        elif self.model is None:
            example = f", for example {EXAMPLES[self.kind]}" if self.kind in EXAMPLES else ""
            raise ValueError(f"kind {self.kind} needs model{example}")
        if len({self.layer, *self.extra_layers}) <= len(self.extra_layers):
            raise ValueError(f"extra_layers: every layer once, and not layer itself, got {self.extra_layers}")
        return self


class EmbedParams(Section):
    """How embeddings are computed on this machine, which does not change what they are; and what is stored."""

    frames: bool
    batch_size: Count | None
    workers: Count | None
    cache: Path | None
    launcher: Launcher
