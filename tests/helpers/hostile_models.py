"""Ways to make a model's folder hostile. Each takes the folder and changes one thing in it."""

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

Harm = Callable[[Path], None]
MISSING: Any = object()


class Dangerous:
    """Writes a file when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self._witness = witness

    def __reduce__(self) -> Any:
        return Path.touch, (self._witness,)


def setting(place: str, value: Any, file: str = "config.json") -> Harm:
    """Set a value of a JSON file, for example at "head.scale"; MISSING takes it away."""

    def harm(folder: Path) -> None:
        content = json.loads((folder / file).read_text())
        *outer, last = place.split(".")
        inner = content
        for key in outer:
            inner = inner[key]
        if value is MISSING:
            del inner[last]
        else:
            inner[last] = value
        (folder / file).write_text(json.dumps(content))

    return harm


def content(name: str, data: bytes) -> Harm:
    """Replace a file."""
    return lambda folder: (folder / name).write_bytes(data) and None


def gone(name: str) -> Harm:
    return lambda folder: (folder / name).unlink()


def folder_instead(name: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return harm


def pipe_instead(name: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return harm


def link_out(name: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).rename(folder.parent / "elsewhere")
        (folder / name).symlink_to(folder.parent / "elsewhere")

    return harm


def link_deep(folder: Path) -> None:
    """Put a link out of the folder three folders below it."""
    (folder / "a/b/c").mkdir(parents=True)
    (folder / "a/b/c/link").symlink_to("/etc/passwd")


def expanded(folder: Path) -> None:
    """One value stands for gigabytes of weights."""
    path = folder / "checkpoint.pt"
    content = torch.load(path, weights_only=True)
    content["state_dict"]["wavlm_model.post_extract_proj.weight"] = torch.ones(1).expand(2**31)
    torch.save(content, path)


def deflated(folder: Path) -> None:
    """Zeros take no room in a file that is compressed."""
    path = folder / "checkpoint.pt"
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data + bytes(10**7 if name.endswith("data/0") else 0))


def unnamed(folder: Path) -> None:
    """Put files there that config.json does not name: one without end, one of a terabyte, one that is damaged."""
    os.mkfifo(folder / "seed_99.safetensors")
    with (folder / "seed_98.safetensors").open("wb") as file:
        file.truncate(2**40)
    (folder / "more.safetensors").write_bytes(b"x")


def cut(name: str, kept: float) -> Harm:
    def harm(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(len(data) * kept)])

    return harm


def pickled(name: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).write_bytes(pickle.dumps(Dangerous(folder.parent / "executed")))

    return harm


def tensors(name: str, change: Callable[[dict[str, Tensor]], Any]) -> Harm:
    """Change a file of tensors; ``change`` changes the dict in place."""

    def harm(folder: Path) -> None:
        values = load_file(folder / name)
        change(values)
        save_file({key: value.contiguous() for key, value in values.items()}, folder / name)

    return harm


def tensor(name: str, key: str, change: Callable[[Tensor], Tensor]) -> Harm:
    return tensors(name, lambda values: values.update({key: change(values[key])}))


def header(name: str, entries: dict[str, Any]) -> Harm:
    """Write a file of tensors whose header claims what is not there."""
    text = json.dumps(entries).encode()
    return content(name, struct.pack("<Q", len(text)) + text)


def own_code(folder: Path) -> None:
    """Put an encoder beside the heads that brings Python, and let the config ask for it to be run."""
    encoder = folder / "encoder"
    encoder.mkdir()
    code = f"from pathlib import Path\nPath({str(folder.parent / 'executed')!r}).touch()\n"
    (encoder / "own_code.py").write_text(code + "class OwnConfig: pass\nclass OwnModel: pass\n")
    auto_map = {"AutoConfig": "own_code.OwnConfig", "AutoModel": "own_code.OwnModel"}
    (encoder / "config.json").write_text(json.dumps({"model_type": "own_model", "auto_map": auto_map}))
    setting("encoder_params", encoder_params("./encoder", trust_remote_code=True))(folder)


def encoder_at(place: str) -> Harm:
    """Let the config name an encoder in a folder."""

    def harm(folder: Path) -> None:
        setting("encoder_params", encoder_params(place.format(folder=folder, parent=folder.parent)))(folder)

    return harm


def encoder_params(model: str, **given: Any) -> dict[str, Any]:
    usual = {"kind": "transformers", "model": model, "revision": None, "layer": 1, "extra_layers": []}
    return usual | {"dtype": "auto", "trust_remote_code": False} | given


def with_nan(values: Tensor) -> Tensor:
    values = values.clone()
    values.view(-1)[0] = torch.nan
    return values
