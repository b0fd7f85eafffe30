"""Models of the hub, from a stand-in for it on this machine: downloads, revisions, gates, and no connection."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from datmos import load
from datmos.embedding.encoders.finder import find_encoder
from helpers.finished_run import write_models
from helpers.hub_server import Hub, Repository, commit_of, serve_hub
from helpers.tiny_encoders import checkpoint, encode, encoder_params

pytestmark = [pytest.mark.e2e, pytest.mark.takes(30)]
# each asks for models as a user does, in a process of its own: the hub's address is read when it is imported
PROGRAM = """
import json, sys, time
import torch
from datmos import load
from datmos.core.errors import DatmosError
from datmos.embedding.encoders.finder import find_encoder
from datmos.embedding.settings import EncoderParams

time.sleep = lambda seconds: None  # the hub's client waits before it asks again, for half a minute in all
found = {}
for name, revision in json.loads(sys.argv[1]):
    try:
        if name.endswith("predictor"):
            found[f"{name}@{revision}"] = load(name, revision=revision).version
            continue
        params = EncoderParams(
            kind="transformers", model=name, revision=revision, layer=None, extra_layers=[], dtype="auto",
            trust_remote_code=False,
        )
        encoder = find_encoder(params, None, torch.device("cpu"))
        encoder.load()
        with torch.inference_mode():
            inputs = encoder.prepare(torch.linspace(-1, 1, 16_000).sin())
            frames = encoder({key: value[None] for key, value in inputs.items()})[0]
        found[f"{name}@{revision}"] = [encoder.identity["revision"], float(frames.std())]
    except DatmosError as error:
        found[f"{name}@{revision}"] = str(error)
print(json.dumps(found))
"""


def ask(hub: Hub, home: Path, *models: tuple[str, str | None], **environment: str) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(models)],
        env=os.environ | {"HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"} | environment,
        cwd=home.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def spread(folder: Path) -> float:
    """What a folder on this machine gives for the same sound."""
    encoder = find_encoder(encoder_params(model=str(folder)), None, torch.device("cpu"))
    encoder.load()
    return float(encode(encoder, torch.linspace(-1, 1, 16_000).sin()[None])[0].std())


def test_downloads_revisions_gates_and_no_connection(tmp_path: Path) -> None:
    home = tmp_path / "home"
    old, new = checkpoint(tmp_path / "old", "wavlm"), checkpoint(tmp_path / "new", "hubert")
    write_models(tmp_path / "predictor")
    with serve_hub() as hub:
        hub.repositories["me/encoder"] = Repository({"v1": old, "main": new})
        hub.repositories["me/gated"] = Repository({"main": old}, gated=True)
        hub.repositories["me/predictor"] = Repository({"main": tmp_path / "predictor"})
        found = ask(
            hub, home, ("me/encoder", "v1"), ("me/encoder", commit_of(new)), ("me/encoder", "v7"),
            ("me/gated", "main"), ("me/nothing", "main"), ("me/predictor", None), ("me/predictor", "v7"),
        )  # fmt: skip
        # a tag is recorded as the commit that it stands for
        assert found["me/encoder@v1"] == [commit_of(old), pytest.approx(spread(old), rel=1e-5)]
        assert found[f"me/encoder@{commit_of(new)}"] == [commit_of(new), pytest.approx(spread(new), rel=1e-5)]
        assert found["me/predictor@None"] == load(tmp_path / "predictor").version
        for case, expected in {
            "me/encoder@v7": "encoder.model: 'me/encoder' (revision v7) can't be had from the Hugging Face hub: "
            "it has no commit, tag or branch 'v7'. You can also use a local folder",
            "me/gated@main": "its owner decides who may read it. Ask on https://huggingface.co/me/gated, then type "
            "`hf auth login`.",
            "me/nothing@main": "there is no such model; or it is private",
            "me/predictor@v7": "it has no commit, tag or branch 'v7'. You can also give a folder.",
        }.items():
            assert expected in found[case], found[case]
        asked = len(hub.requests)
        again = ask(hub, home, ("me/encoder", "v1"), ("me/predictor", None), HF_HUB_OFFLINE="1")
        assert again == {key: found[key] for key in again}
        assert len(hub.requests) == asked
    # the hub is gone, and nobody said so
    gone = ask(hub, home, ("me/encoder", "v1"), ("me/predictor", None), ("me/gated", "main"))
    assert gone["me/encoder@v1"] == found["me/encoder@v1"]
    assert gone["me/predictor@None"] == found["me/predictor@None"]
    assert "Check the name and the connection." in gone["me/gated@main"]
