"""What a folder of models says of itself. It may come from anybody: it is checked, and gives no leave."""

import re
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, model_validator

from datmos.audio.settings import AudioParams
from datmos.core.errors import DatmosError
from datmos.core.settings import Name
from datmos.core.untrusted import Size, Text, Untrusted, checked, read_object
from datmos.embedding.settings import EncoderParams
from datmos.heads.familiarity import FILE

LONGEST_WINDOW = 600.0  # seconds
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")  # of a model on the Hugging Face hub


class Trust(NamedTuple):
    """What a model is allowed to do on this machine."""

    code: bool = False  # have code run that its encoder brings
    paths: bool = False  # name an encoder that lies outside of its own folder


class StoredEncoder(Untrusted):
    """What the heads were trained on."""

    name: Text
    revision: Text | None
    pooled_layer: Annotated[int, Field(ge=0, le=1000)] | None
    dimension: Size
    frames: Size


class StrategyConfig(Untrusted):
    """What scoring needs of a strategy's config.json, besides its heads."""

    strategy: Name
    aspects: Annotated[list[Text], Field(min_length=1, max_length=100)]
    encoder: StoredEncoder
    encoder_params: EncoderParams
    audio: AudioParams
    trained_on: Text | None = None  # data.kind; models of earlier versions don't say it

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.audio.min_seconds <= self.audio.clip_seconds <= LONGEST_WINDOW:
            raise ValueError(
                f"audio: min_seconds <= clip_seconds <= {LONGEST_WINDOW:g} is expected, got {self.audio}"
            )
        return self


def read_config(folder: Path) -> dict[str, Any]:
    """Read the config of one strategy's models.

    Raises:
        DatmosError: it lacks what scoring needs, or holds something else.
    """
    path = folder / "config.json"
    config = read_object(path)
    missing = [key for key in ("encoder_params", "audio", "strategy", "head") if key not in config]
    missing += [FILE] if not (folder / FILE).is_file() else []
    if missing:
        raise DatmosError(
            f"{folder}: has no {', '.join(missing)}: the model was trained by an earlier version of "
            "datmos. Run `dvc repro` to train it again."
        )
    known: StrategyConfig = checked(StrategyConfig, path, config)
    head = config["head"] if isinstance(config["head"], dict) else {}
    for key in ("dimension", "frames"):
        if head.get(key) != getattr(known.encoder, key):
            raise DatmosError(f"{path}: head.{key} is {head.get(key)}, encoder.{key} {getattr(known.encoder, key)}")
    return config


def encoder_params(config: dict[str, Any], folder: Path, trust: Trust) -> EncoderParams:
    """Return which encoder a model of ``folder`` needs, with no more leave than ``trust`` gives.

    Raises:
        DatmosError: it is a folder of this machine that the model may not name.
    """
    params = EncoderParams.model_validate(config["encoder_params"])
    found: dict[str, Any] = {"trust_remote_code": trust.code}
    if params.kind == "transformers":
        found["model"] = _encoder_source(str(params.model), folder, trust)
    return params.model_copy(update=found)


def _encoder_source(model: str, folder: Path, trust: Trust) -> str:
    own = folder / model
    if own.is_dir() and own.resolve().is_relative_to(folder.resolve()):
        return str(own)
    if trust.paths:
        return model
    if HUB_ID.fullmatch(model) and not Path(model).exists():
        return model
    raise DatmosError(
        f"{folder / 'config.json'}: its encoder is '{model}', a folder outside of the model's own. If you trust "
        "the model's author, add --trust (in Python: trust=True). Else ask for an export whose encoder is on the "
        "Hugging Face hub (`datmos export --encoder`)."
    )
