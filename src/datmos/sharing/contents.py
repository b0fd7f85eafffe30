"""What a folder of models holds, in words for the card."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from datmos.report.markdown import code, plain

WEIGHTS = {  # of frozen encoders: where they come from
    "distillmos": "they come with the Python package distillmos",
    "transformers": "they are downloaded from the Hugging Face hub",
    "torchaudio": "torchaudio downloads them",
    "aisfx": "they come with the Python package aisfx (`pip install --no-deps aisfx==0.1.2`)",
}


class Contents(NamedTuple):
    """What the card says of the models themselves. Sentences are Markdown; ``aspects`` and ``inside`` are text."""

    aspects: list[str]
    scale: tuple[float, float]
    recipe: str  # how they were trained
    inside: dict[str, str]
    encoder_weights: str
    seconds: float  # of a window
    sample_rate: int
    base_model: str | None  # on the hub
    knows_domain: bool  # whether scores come with a distance from the train clips


def describe_heads(config: Mapping[str, Any]) -> Contents:
    """Describe heads on a frozen encoder by their config.json."""
    encoder, params, audio = config["encoder"], config["encoder_params"], config["audio"]
    revision = f", revision {encoder['revision']}" if encoder["revision"] else ""
    low, high = config["head"]["scale"]
    weights = WEIGHTS.get(params["kind"], "the code of this encoder finds them")
    return Contents(
        aspects=list(config["aspects"]),
        scale=(low, high),
        recipe=_adversaries(config),
        inside={
            "Encoder (frozen)": f"{encoder['name']}{revision}{_layers(encoder['layers'])}",
            "Head": f"{config['kind']}, {len(config['seeds'])} seed(s)",
        },
        encoder_weights=f"The encoder's weights are not in this folder: {weights}.",
        seconds=audio["clip_seconds"],
        sample_rate=encoder["sample_rate"],
        base_model=params["model"] if params["kind"] == "transformers" else None,
        knows_domain=True,
    )


def describe_finetuned(config: Mapping[str, Any], encoder: str | None) -> Contents:
    """Describe fine-tuned models; ``encoder`` is what they were trained from, if that is known."""
    low, high = config["scale"]
    kind = config["encoder"]["model_type"]
    return Contents(
        aspects=list(config["model"]["aspects"]),
        scale=(low, high),
        recipe=f"{_adversaries(config)}, which reached the encoder too",
        inside={
            "Encoder (fine-tuned)": kind if encoder is None else f"{kind}, from {encoder}",
            "Heads": f"a perceptron for each aspect, {len(config['seeds'])} seed(s)",
        },
        encoder_weights="The encoder's weights are in this folder, since they were trained.",
        seconds=config["window_seconds"],
        sample_rate=config["extractor"]["sampling_rate"],
        base_model=encoder if encoder is not None and encoder.count("/") == 1 else None,
        knows_domain=False,
    )


def _adversaries(config: Mapping[str, Any]) -> str:
    lambdas = config["lambda"] if isinstance(config["lambda"], list) else [config["lambda"]]
    strategy = plain(config["strategy"])
    if not any(lambdas):
        return f"strategy {strategy}, without an adversary"
    weights = " and ".join(f"{value:g}" for value in lambdas)
    return f"strategy {strategy}, a domain adversary on {code(str(config['domains']))} (lambda {weights})"


def _layers(layers: Sequence[int | None]) -> str:
    known = [str(layer) for layer in layers if layer is not None]
    return f", layer {', '.join(known)}" if known else ""
