"""A predictor as one folder: what `datmos.load` reads, the Hugging Face hub shows, and nothing of this machine."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from datmos.core.errors import DatmosError
from datmos.core.files import file_digest, replacing_folder, write_json, write_text
from datmos.core.paths import find_models, weights_file
from datmos.core.untrusted import read_object
from datmos.heads.familiarity import load_familiarity, save_familiarity
from datmos.heads.model_files import Models, load_models, save_models
from datmos.scoring.trust import read_config
from datmos.scoring.user_outputs import output_folder
from datmos.sharing.card import write_card
from datmos.sharing.contents import Contents, describe_finetuned, describe_heads
from datmos.sharing.onnx_export import Predictor, export_head
from datmos.sharing.provenance import describe_provenance

CONFIG, PROVENANCE, CARD = "config.json", "provenance.json", "README.md"
FILES = "files"  # of the provenance: what else was written, and its digests
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
    onnx: str | None  # a sentence about the ONNX file, if there is one
    provenance: dict[str, Any]


def export_predictor(project: Path, name: str, output: Path, wishes: Wishes) -> Exported:
    """Write a strategy's models, with card and provenance, as a folder for others.

    The folder has the layout of the pipeline's own (config.json, seed_<n>.safetensors), without the adversaries'
    weights, and README.md, provenance.json and head.onnx.

    Args:
        project: folder of the pipeline.
        name: of the strategy.
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
    with replacing_folder(output) as temporary:
        if (folder / CONFIG).is_file() and "extractor" in read_object(folder / CONFIG):
            contents, onnx = _copy_finetuned(folder, temporary, wishes, provenance["params"] or {}), None
        else:
            contents, onnx = _copy_heads(folder, temporary, wishes)
        card = write_card(provenance, contents, wishes.licence, wishes.reference or output.name, onnx)
        write_text(temporary / CARD, card)
        write_json(temporary / PROVENANCE, provenance | {FILES: _digests(temporary)})
        _check_replaceable(output)  # once more: a while has passed
    return Exported(output, onnx, provenance)


def _check_replaceable(output: Path) -> None:
    """Refuse a folder that holds anything but what an earlier export wrote, unchanged: it would be lost."""
    entries = {entry.name for entry in output.iterdir()} if output.exists() else set()
    if not entries:
        return
    known = read_object(output / PROVENANCE).get(FILES) if (output / PROVENANCE).is_file() else None
    if not isinstance(known, dict):
        raise DatmosError(f"{output}: exists and is no earlier export; name another folder with --output")
    for name in sorted(entries - {PROVENANCE}):
        entry = output / name
        if entry.is_symlink() or not entry.is_file() or file_digest(entry) != known.get(name):
            raise DatmosError(
                f"{output}: {name} is not what an earlier export wrote there, and would be lost. Name another "
                "folder with --output, or move it away."
            )


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: file_digest(path) for path in sorted(folder.iterdir())}


def _copy_heads(folder: Path, target: Path, wishes: Wishes) -> tuple[Contents, str | None]:
    """Copy the heads of a strategy; returns what they are, and a sentence about ONNX."""
    config, models = _portable(read_config(folder), wishes.encoder), load_models(folder)
    weights = {
        seed: {f"head.{key}": value[member].clone() for key, value in models.head.state_dict().items()}
        for member, seed in enumerate(models.seeds)
    }  # without the adversaries
    save_models(target, config, weights)
    save_familiarity(target, load_familiarity(folder))
    return describe_heads(config), _write_onnx(target, models, config) if wishes.onnx else None


def _copy_finetuned(folder: Path, target: Path, wishes: Wishes, params: Mapping[str, Any]) -> Contents:
    """Copy fine-tuned models, which hold their encoder."""
    if wishes.onnx or wishes.encoder is not None:
        option = "--onnx" if wishes.onnx else "--encoder"
        raise DatmosError(f"{option}: for heads on a frozen encoder; '{folder.name}' is a fine-tuned encoder")
    config = read_object(folder / CONFIG)
    for path in (folder / CONFIG, *(weights_file(folder, seed) for seed in config["seeds"])):
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


def _write_onnx(folder: Path, models: Models, config: Mapping[str, Any]) -> str:
    """Write head.onnx; returns a sentence about it."""
    encoder = config["encoder"]
    shape: tuple[int, ...] = (encoder["dimension"], encoder["frames"])
    if models.head.reads == "layers":
        shape = (len(encoder["layers"]), *shape)
    export_head(Predictor(models), shape, folder / "head.onnx")
    return (
        f"`head.onnx` maps the encoder's output, `embeddings` (B, {', '.join(map(str, shape))}), to `score_mean` "
        "(B, A) and `score_covariance` (B, A, A)."
    )
