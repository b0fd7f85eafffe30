"""The model card: what a predictor is, what it was trained on, how good it is, and what it can't do."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from datmos.sharing.provenance import differences

TEMPLATE = Path(__file__).with_name("card.md.jinja")
TYPES = {"mse": "mse", "srcc": "spearmanr"}  # names of our metrics on the hub
WEIGHTS = {  # of encoders: where they come from
    "distillmos": "they come with the Python package distillmos",
    "transformers": "they are downloaded from the Hugging Face hub",
    "torchaudio": "torchaudio downloads them",
}
SPLITS = ("train", "valid", "eval")


def write_card(
    provenance: Mapping[str, Any],
    configs: Mapping[str, Mapping[str, Any]],
    choice: Mapping[str, str],
    licence: str,
    reference: str,
    onnx: Sequence[str] = (),
) -> str:
    """Write the README.md of a predictor's repository on the Hugging Face hub.

    Args:
        provenance: what `describe_provenance` returned.
        configs: ``{strategy: config of its models}``.
        choice: ``{aspect: strategy}``.
        licence: name of a licence, as the hub spells it.
        reference: what people give to `load`.
        onnx: a sentence for each ONNX file.

    Returns:
        Markdown with YAML front matter.
    """
    config = next(iter(configs.values()))
    low, high = config["head"]["scale"]
    results = provenance["results"]
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    text = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        front_matter=_front_matter(provenance, config, licence),
        name=provenance["name"],
        scale=(f"{low:g}", f"{high:g}"),
        aspects=list(choice),
        datmos=provenance["datmos"],
        recipe=_recipe(configs, choice),
        reference=reference,
        onnx=onnx,
        inside=_inside(configs, choice),
        weights=WEIGHTS[config["encoder_params"]["kind"]],
        data=_data(provenance["data"], list(choice)),
        results=[_row(aspect, results[aspect]) for aspect in choice] if results else [],
        ground=_ground(results, next(iter(choice))) if results else "",
        rivals=list(_rivals(results, choice)) if results else [],
        limits=list(_limits(provenance, config)),
        origin=_origin(provenance),
        differences=differences(provenance),
        params=yaml.safe_dump(provenance["params"] or {}, sort_keys=False),
    )
    return text.replace("\n\n\n", "\n\n")


def _front_matter(provenance: Mapping[str, Any], config: Mapping[str, Any], licence: str) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    task: dict[str, Any] = {"task_type": "audio-classification", "task_name": "Prediction of listener ratings"}
    kind = (provenance["params"] or {}).get("data.kind", "ratings")
    results = [
        EvalResult(
            **task,
            dataset_type=kind,
            dataset_name=DATASETS.get(kind, DATASETS["ratings"]),
            metric_type=TYPES[metric],
            metric_value=own[metric]["ensemble"],
            metric_name=f"system {metric.upper()}, {aspect}",
        )
        for aspect, own in (provenance["results"] or {}).items()
        for metric in TYPES
        if own[metric]["ensemble"] is not None
    ]
    encoder = config["encoder_params"]
    data = ModelCardData(
        license=licence,
        library_name="datmos",
        pipeline_tag="audio-classification",
        tags=["mos-prediction", "audio-quality", "domain-adversarial-training", "datmos"],
        base_model=encoder["model"] if encoder["kind"] == "transformers" else None,
        model_name=provenance["name"],
        eval_results=results or None,
    )
    return str(data.to_yaml()).strip()


DATASETS = {
    "simulated": "simulated listening study of datmos",
    "audiomos2025": "AudioMOS Challenge 2025, track 2",
    "ratings": "listening study of the author's own",
}


def _recipe(configs: Mapping[str, Mapping[str, Any]], choice: Mapping[str, str]) -> str:
    if len(configs) > 1:
        own = ", ".join(f"{aspect} by {name}" for aspect, name in choice.items())
        return f"each aspect by the strategy that erred least on sources left out of its training ({own})"
    config = next(iter(configs.values()))
    lambdas = config["lambda"] if isinstance(config["lambda"], list) else [config["lambda"]]
    if not any(lambdas):
        return f"strategy {config['strategy']}, without an adversary"
    weights = " and ".join(f"{value:g}" for value in lambdas)
    return f"strategy {config['strategy']}, a domain adversary on `{config['domains']}` (lambda {weights})"


def _inside(configs: Mapping[str, Mapping[str, Any]], choice: Mapping[str, str]) -> dict[str, str]:
    config = next(iter(configs.values()))
    encoder, audio = config["encoder"], config["audio"]
    revision = f", revision {encoder['revision']}" if encoder["revision"] else ""
    layers = ", ".join(map(str, encoder["layers"]))
    heads = sorted({own["kind"] for own in configs.values()})
    return {
        "Encoder (frozen)": f"{encoder['name']}{revision}, layer {layers}",
        "Head": f"{', '.join(heads)}, {len(config['seeds'])} seed(s)",
        "Aspects": ", ".join(choice),
        "Sound": f"mono, {encoder['sample_rate']} Hz, windows of {audio['clip_seconds']:g} s",
    }


def _data(data: Mapping[str, Any] | None, aspects: Sequence[str]) -> dict[str, Any]:
    rows = {}
    for split in SPLITS:
        if data is None or split not in data:
            continue
        own = data[split]
        sources = ", ".join(f"{name} {count}" for name, count in own["sources"].items())
        rows[split] = {
            "clips": own["clips"],
            "excluded": own["excluded"],
            "hours": own["hours"],
            "from": f"{own['systems']} systems" if own["systems"] else sources,
            "ratings": {aspect: _moments(own["aspects"].get(aspect)) for aspect in aspects},
        }
    return rows


def _moments(own: Mapping[str, float | None] | None) -> str:
    if not own or own["mean"] is None or own["std"] is None:
        return "n/a"
    return f"{own['mean']:.2f} ± {own['std']:.2f}"


def _row(aspect: str, own: Mapping[str, Any]) -> list[str]:
    cells = [aspect]
    for metric in TYPES:
        found = own[metric]
        interval = found["interval"] or {}
        bounds = ", ".join(_number(interval.get(key)) for key in ("low", "high"))
        cells += [f"{_number(found['mean'])} [{bounds}]", _number(found["ensemble"]), _number(found["ceiling"])]
    coverage = own["coverage_95"]
    return [*cells, "n/a" if coverage is None else f"{100 * coverage:.0f}%"]


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _ground(results: Mapping[str, Any], aspect: str) -> str:
    ground = results[aspect]["evaluated_on"]
    return f"{ground['systems']} systems, {ground['clips']} clips"


def _rivals(results: Mapping[str, Any], choice: Mapping[str, str]) -> Iterator[str]:
    """Say for each aspect whether another predictor of the same run has a lower MSE."""
    for aspect in choice:
        own = results[aspect]["mse"]
        others = {name: mean for name, mean in own["others"].items() if mean is not None}
        if not others or own["mean"] is None:
            continue
        best = min(others, key=lambda name: others[name])
        if others[best] < own["mean"]:
            yield (
                f"{aspect}: of {len(others) + 1} predictors compared on the same clips, `{best}` has the lowest "
                f"MSE, {_number(others[best])}."
            )
        else:
            yield f"{aspect}: this has the lowest MSE of {len(others) + 1} predictors compared on the same clips."


def _limits(provenance: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    kind = (provenance["params"] or {}).get("data.kind")
    if kind == "simulated":
        yield (
            "**Trained on a simulation**: synthetic clips with simulated listeners. Its scores mean nothing for "
            "real audio; it shows how the pipeline and its files work."
        )
    seconds = config["audio"]["clip_seconds"]
    yield (
        f"It was trained on windows of {seconds:g} s. Longer files are cut into windows whose scores are combined, "
        "which is not how listeners judge a long piece."
    )
    yield (
        f"It hears what the encoder hears: mono, up to {config['encoder']['sample_rate'] / 2000:g} kHz. Stereo "
        "image and higher frequencies have no influence."
    )
    yield (
        "It predicts the taste of the listeners behind the train ratings. Other listeners, languages or kinds of "
        "sound may be rated otherwise; `score.distance` says how far a clip is from the train clips."
    )
    yield "Where there were few systems, intervals are wide: small differences between predictors mean nothing."
    coverages = [own["coverage_95"] for own in (provenance["results"] or {}).values() if own["coverage_95"]]
    if coverages and not math.isclose(min(coverages), 0.95, abs_tol=0.05):
        yield (
            f"Its standard deviations are off: 95% intervals held {100 * min(coverages):.0f}% of the eval clips' "
            "ratings in the worst aspect."
        )


def _origin(provenance: Mapping[str, Any]) -> dict[str, str]:
    git, dvc = provenance["git"], provenance["dvc"]
    return {
        "datmos": provenance["datmos"],
        "git revision": "unknown"
        if git is None
        else git["revision"] + (" (with changes)" if git["changed"] else ""),
        "DVC stage": "unknown" if dvc is None else f"{dvc['stage']}, output {dvc['md5']}",
    }
