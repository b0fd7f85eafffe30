"""A predictor as one folder: what `datmos.load` reads, the Hugging Face hub shows, and nothing of this machine."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from datmos.core.errors import DatmosError
from datmos.core.files import replacing, write_json, write_text
from datmos.core.outputs import output_folder
from datmos.core.places import find_models
from datmos.core.received import read_object
from datmos.embedding.encoders.finder import find_encoder
from datmos.embedding.settings import EncoderParams
from datmos.heads.familiarity import load_familiarity, save_familiarity
from datmos.heads.saved import load_models, save_models
from datmos.scoring.config import CHOICE, parts_of, read_config
from datmos.sharing.card import write_card
from datmos.sharing.contents import Contents, describe_finetuned, describe_heads
from datmos.sharing.onnx_export import Predictor, export_head, export_whole, why_not_whole
from datmos.sharing.provenance import describe_provenance

CONFIG, PROVENANCE, CARD = "config.json", "provenance.json", "README.md"
# what an export writes, in its folder or in that of a strategy
OWN_FILE = re.compile(r"(config|choice|provenance)\.json|README\.md|\w+\.safetensors|\w+\.onnx(\.data)?")
COMMIT = re.compile("[0-9a-f]{40}")


class Wishes(NamedTuple):
    """What the person who exports has a say in."""

    onnx: bool = False
    licence: str = "unknown"  # as the hub spells it
    reference: str | None = None  # what others will give to `load`; None: the folder's name
    encoder: str | None = None  # "hub id@commit" for an encoder that was read from a folder


class Exported(NamedTuple):
    """What came of it."""

    folder: Path
    onnx: list[str]  # a sentence for each ONNX file, or why there is none
    provenance: dict[str, Any]


def export_predictor(project: Path, name: str, output: Path, wishes: Wishes) -> Exported:
    """Write a strategy's or combination's models, with card and provenance, as a folder for others.

    The folder has the layout of the pipeline's own (config.json, seed_<n>.safetensors; for a combination
    choice.json and a folder a strategy), without the adversaries' weights, and README.md, provenance.json and ONNX
    files.

    Args:
        project: folder of the pipeline.
        name: of the strategy or combination.
        output: folder to write, and nothing outside of it; an earlier export there is replaced.
        wishes: see there.

    Raises:
        DatmosError: no such models; ``output`` holds something else; the encoder was read from a folder and
            ``wishes.encoder`` doesn't say where others find it; ONNX is not installed or computes something else.
    """
    folder = find_models(project, name)
    output = output_folder(output)
    _check_replaceable(output)
    provenance = describe_provenance(project, name, folder)
    with replacing(output) as temporary:
        temporary.mkdir()
        if (folder / CONFIG).is_file() and "extractor" in read_object(folder / CONFIG):
            contents, onnx = _copy_finetuned(folder, temporary, wishes, provenance["params"] or {}), list[str]()
        else:
            contents, onnx = _copy_heads(folder, temporary, wishes)
        write_json(temporary / PROVENANCE, provenance)
        card = write_card(provenance, contents, wishes.licence, wishes.reference or output.name, onnx)
        write_text(temporary / CARD, card)
    return Exported(output, onnx, provenance)


def _check_replaceable(output: Path) -> None:
    """Refuse a folder that holds anything that an export doesn't write: it would be lost."""
    entries = sorted(output.rglob("*")) if output.exists() else []
    for entry in entries:
        depth = len(entry.relative_to(output).parts)
        known = depth == 1 if entry.is_dir() else depth <= 2 and OWN_FILE.fullmatch(entry.name) is not None
        if not known or entry.is_symlink():
            raise DatmosError(
                f"{output}: exists and is no earlier export: {entry.relative_to(output)} is none of its files. "
                "Name another folder with --output, or move that file away."
            )
    if entries and not (output / PROVENANCE).is_file():
        raise DatmosError(f"{output}: exists and is no earlier export; name another folder with --output")


def _copy_heads(folder: Path, target: Path, wishes: Wishes) -> tuple[Contents, list[str]]:
    """Copy the heads of a strategy or combination; returns what they are, and sentences about ONNX."""
    found, choice = parts_of(folder)
    parts = dict(sorted(found.items()))
    configs = {name: _portable(read_config(path), wishes.encoder) for name, path in parts.items()}
    for name, path in parts.items():
        _copy_models(path, target / path.relative_to(folder), configs[name])
    if (folder / CHOICE).exists():
        write_json(target / CHOICE, choice)
    onnx = _write_onnx(target, parts, configs, choice) if wishes.onnx else []
    return describe_heads(configs, choice), onnx


def _copy_finetuned(folder: Path, target: Path, wishes: Wishes, params: Mapping[str, Any]) -> Contents:
    """Copy fine-tuned models, which hold their encoder."""
    if wishes.onnx or wishes.encoder is not None:
        option = "--onnx" if wishes.onnx else "--encoder"
        raise DatmosError(f"{option}: for heads on a frozen encoder; '{folder.name}' is a fine-tuned encoder")
    config = read_object(folder / CONFIG)
    for path in (folder / CONFIG, *sorted(folder.glob("seed_*.safetensors"))):
        shutil.copyfile(path, target / path.name)
    return describe_finetuned(config, params.get("finetune", {}).get("encoder"))


def _portable(config: dict[str, Any], reference: str | None) -> dict[str, Any]:
    """Make a config that means the same on another machine, and runs no code there that nobody has asked for."""
    params, encoder = dict(config["encoder_params"]), dict(config["encoder"])
    if reference is not None:
        model, _, revision = reference.partition("@")
        if params["kind"] != "transformers" or not model or not COMMIT.fullmatch(revision):
            raise DatmosError(
                "--encoder: ID@COMMIT of a transformers encoder, with all 40 digits of the commit, is expected; "
                f"got '{reference}' for kind {params['kind']}"
            )
        params["model"], encoder["name"], encoder["revision"] = model, model, revision
    elif params["kind"] == "transformers" and Path(params["model"]).is_dir():
        raise DatmosError(
            f"encoder.model: '{params['model']}' is a folder of this machine, which others don't have. Say where "
            "they find the same encoder: --encoder facebook/wav2vec2-xls-r-2b@COMMIT"
        )
    if params["kind"] == "transformers":
        params["revision"] = encoder["revision"]  # a branch may move on; this is the commit it stood for
    return config | {"encoder": encoder, "encoder_params": params | {"trust_remote_code": False}}


def _copy_models(source: Path, target: Path, config: dict[str, Any]) -> None:
    """Copy the heads without the adversaries."""
    target.mkdir(exist_ok=True)
    models = load_models(source)
    weights = {
        seed: {f"head.{key}": value[member].clone() for key, value in models.head.state_dict().items()}
        for member, seed in enumerate(models.seeds)
    }
    save_models(target, config, weights)
    save_familiarity(target, load_familiarity(source))


def _write_onnx(
    folder: Path, parts: Mapping[str, Path], configs: Mapping[str, dict[str, Any]], choice: Mapping[str, str]
) -> list[str]:
    """Write head.onnx, and model.onnx if the encoder allows; returns a sentence for each."""
    predictor = Predictor({name: load_models(path) for name, path in parts.items()}, choice)
    config = next(iter(configs.values()))
    encoder_info, seconds = config["encoder"], config["audio"]["clip_seconds"]
    shape: tuple[int, ...] = (encoder_info["dimension"], encoder_info["frames"])
    if predictor.reads_layers:
        shape = (len(encoder_info["layers"]), *shape)
    export_head(predictor, shape, folder / "head.onnx")
    outputs = "to `score_mean` (B, A) and `score_covariance` (B, A, A)"
    sentences = [
        f"`head.onnx` maps the encoder's output, `embeddings` (B, {', '.join(map(str, shape))}), {outputs}."
    ]
    params = EncoderParams(**config["encoder_params"])
    try:
        encoder = find_encoder(params, encoder_info["pooled_layer"], torch.device("cpu"))
        why = why_not_whole(encoder, params.kind)
        if why is None:
            encoder.load()
            export_whole(predictor, encoder, params.kind, seconds, folder / "model.onnx")
    except DatmosError as error:  # no connection, or no counterpart in ONNX: the head is there all the same
        why = str(error)
    if why is not None:
        return [*sentences, f"There is no `model.onnx` with the encoder in it: {why.rstrip('.')}."]
    rate = encoder.sample_rate
    return [
        *sentences,
        f"`model.onnx` maps `waveforms` (B, {round(seconds * rate)}), mono, {rate} Hz, {seconds:g} s, {outputs}.",
    ]
