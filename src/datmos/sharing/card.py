"""The model card: what a predictor is, what it was trained on, how good it is, and what it can't do."""

import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from datmos.report.markdown import code, code_block, plain, sentence, with_interval
from datmos.sharing.contents import Contents
from datmos.sharing.provenance import differences

TEMPLATE = Path(__file__).with_name("card.md.jinja")
TYPES = {"mse": "mse", "srcc": "spearmanr"}  # names of our metrics on the hub
SPLITS = ("train", "valid", "eval")
PYTHON = """from datmos import load

scorer = load({})
score = scorer.score("clip.wav")
score.mean, score.std    # by aspect, in points of the rating scale
"""


def write_card(
    provenance: Mapping[str, Any], contents: Contents, licence: str, reference: str, onnx: str | None = None
) -> str:
    """Write the README.md of a predictor's repository on the Hugging Face hub.

    Names from data and settings are text in it, never markup.

    Args:
        provenance: what `describe_provenance` returned.
        contents: what the folder holds.
        licence: name of a licence, as the hub spells it.
        reference: what people give to `load`.
        onnx: a sentence about the ONNX file, if there is one.

    Returns:
        Markdown with YAML front matter.
    """
    results, (low, high) = provenance["results"], contents.scale
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"plain": plain, "sentence": sentence, "code": code, "code_block": code_block}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        front_matter=_front_matter(provenance, contents, licence),
        name=provenance["name"],
        scale=(f"{low:g}", f"{high:g}"),
        aspects=contents.aspects,
        datmos=provenance["datmos"],
        recipe=contents.recipe,
        reference=reference,
        shell=f"datmos score clip.wav --model {shlex.quote(reference)}",
        python=PYTHON.format(json.dumps(reference, ensure_ascii=False)),
        onnx=onnx,
        inside=contents.inside | {"Sound": f"mono, {contents.sample_rate} Hz, windows of {contents.seconds:g} s"},
        weights=contents.encoder_weights,
        data=_data(provenance["data"], contents.aspects),
        results=[_row(plain(aspect), results[aspect]) for aspect in contents.aspects] if results else [],
        ground=_ground(results, contents.aspects[0]) if results else "",
        rivals=list(_rivals(results, contents.aspects)) if results else [],
        limits=list(_limits(provenance, contents)),
        origin=_origin(provenance),
        differences=differences(provenance),
        params=yaml.safe_dump(provenance["params"] or {}, sort_keys=False),
    )


def _front_matter(provenance: Mapping[str, Any], contents: Contents, licence: str) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    task: dict[str, Any] = {"task_type": "audio-classification", "task_name": "Prediction of listener ratings"}
    kind = _data_kind(provenance) or "ratings"
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
    data = ModelCardData(
        license=licence,
        library_name="datmos",
        pipeline_tag="audio-classification",
        tags=["mos-prediction", "audio-quality", "domain-adversarial-training", "datmos"],
        base_model=contents.base_model,
        model_name=provenance["name"],
        eval_results=results or None,
    )
    return str(data.to_yaml()).strip()


DATASETS = {
    "simulated": "simulated listening study of datmos",
    "audiomos2025": "AudioMOS Challenge 2025, track 2",
    "ratings": "listening study of the author's own",
}


def _data_kind(provenance: Mapping[str, Any]) -> str | None:
    kind: str | None = (provenance["params"] or {}).get("data", {}).get("kind")
    return kind


def _data(data: Mapping[str, Any] | None, aspects: Sequence[str]) -> dict[str, Any]:
    rows = {}
    for split in SPLITS:
        if data is None or split not in data:
            continue
        own = data[split]
        sources = ", ".join(f"{plain(name)} {count}" for name, count in own["sources"].items())
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
        mean = with_interval(_number(found["mean"]), found["interval"] or {}, ".3f")
        cells += [mean, _number(found["ensemble"]), _number(found["ceiling"])]
    coverage = own["coverage_95"]
    return [*cells, "n/a" if coverage is None else f"{100 * coverage:.0f}%"]


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _ground(results: Mapping[str, Any], aspect: str) -> str:
    ground = results[aspect]["evaluated_on"]
    return f"{ground['systems']} systems, {ground['clips']} clips"


def _rivals(results: Mapping[str, Any], aspects: Sequence[str]) -> Iterator[str]:
    """Say for each aspect whether another predictor of the same run has a lower MSE."""
    for aspect in aspects:
        own, shown = results[aspect]["mse"], plain(aspect)
        others = {name: mean for name, mean in own["others"].items() if mean is not None}
        if not others or own["mean"] is None:
            continue
        best = min(others, key=lambda name: others[name])
        if others[best] < own["mean"]:
            yield (
                f"{shown}: of {len(others) + 1} predictors compared on the same clips, {code(best)} has the lowest "
                f"MSE, {_number(others[best])}."
            )
        else:
            yield f"{shown}: this has the lowest MSE of {len(others) + 1} predictors compared on the same clips."


def _limits(provenance: Mapping[str, Any], contents: Contents) -> Iterator[str]:
    if _data_kind(provenance) == "simulated":
        yield (
            "**Trained on a simulation**: synthetic clips with simulated listeners. Its scores mean nothing for "
            "real audio; it shows how the pipeline and its files work."
        )
    yield (
        f"It was trained on windows of {contents.seconds:g} s. Longer files are cut into windows whose scores are "
        "combined, which is not how listeners judge a long piece."
    )
    yield (
        f"It hears what the encoder hears: mono, up to {contents.sample_rate / 2000:g} kHz. Stereo "
        "image and higher frequencies have no influence."
    )
    yield (
        "It predicts the taste of the listeners behind the train ratings. Other listeners, languages or kinds of "
        "sound may be rated otherwise"
        + ("; `score.distance` says how far a clip is from the train clips." if contents.knows_domain else ".")
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
