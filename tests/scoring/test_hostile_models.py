"""Folders of models from anybody: loading ends in one sentence, and nothing is run or written."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datmos import load
from datmos.audiobox.model_files import load_weights, make_model, save_models
from datmos.audiobox.weights import load_start
from datmos.core.errors import DatmosError
from helpers.finished_run import write_models
from helpers.hostile_models import (
    MISSING,
    Harm,
    content,
    cut,
    deflated,
    encoder_at,
    expanded,
    folder_instead,
    gone,
    header,
    link_deep,
    link_out,
    own_code,
    pickled,
    pipe_instead,
    setting,
    tensor,
    tensors,
    unnamed,
    with_nan,
)
from helpers.meta_model import meta_model, save_checkpoint_pt, save_for_hub
from helpers.tiny_encoders import checkpoint, encoder_params
from helpers.trained import Trained

SEED, NEAR, CONFIG = "seed_3.safetensors", "familiarity.safetensors", "config.json"
WEIGHT = "head.quality.0.weight"

BROKEN_FILES: dict[str, Harm] = {  # of any kind of model
    "no JSON": content(CONFIG, b"{"),
    "nothing": content(CONFIG, b""),
    "a list": content(CONFIG, b"[1, 2]"),
    "not UTF-8": content(CONFIG, b'{"a": "\xff"}'),
    "nested a million times": content(CONFIG, b'{"a":' + b"[" * 1_000_000),
    "a closed nest": content(CONFIG, b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "a huge number": content(CONFIG, b'{"strategy":' + b"9" * 10_000 + b"}"),
    "11 MB": content(CONFIG, b'{"strategy": "' + b"a" * 11_000_000 + b'"}'),
    "a folder": folder_instead(CONFIG),
    "a pipe": pipe_instead(CONFIG),
    "a link out": link_out(CONFIG),
    "a link out, far below": link_deep,
    "no config": gone(CONFIG),
    "another model's": content(CONFIG, b'{"architectures": ["GPT2LMHeadModel"]}'),
}
HEADS: dict[str, Harm] = {
    **{f"no {key}": setting(key, MISSING) for key in
       ("kind", "aspects", "seeds", "head", "encoder", "encoder_params", "audio", "strategy")},
    **{f"head.{key} {value}": setting(f"head.{key}", value) for key, value in [
        ("dimension", 10**9), ("dimension", -1), ("dimension", 1024.5), ("dimension", "1024"), ("dimension", 512),
        ("frames", 3), ("frames", 2**40), ("frames", True), ("layers", 10**7), ("layers", 0),
        ("scale", [10.0, 1.0]), ("scale", [1.0, 1.0]), ("scale", [1.0]), ("scale", [float("nan"), 10.0]),
        ("scale", [1.0, float("inf")]), ("scale", "x"), ("scale", [[1], 2]), ("dropout", 1.0), ("dropout", -0.1),
        ("dropout", "0.3"), ("groups", [["X"]]), ("groups", [["PQ"], ["PQ", "CE"]]), ("aspects", ["PQ"]),
        ("more", 1),
    ]},
    **{f"{key} {value}": setting(key, value) for key, value in [
        ("aspects", "PQ"), ("aspects", []), ("aspects", ["PQ", "PQ"]), ("aspects", [1, 2]), ("aspects", None),
        ("seeds", {}), ("seeds", [3, 4]), ("seeds", {"x": 1}), ("seeds", {"../../3": 1}), ("seeds", {"7": 1}),
        ("kind", "system"), ("kind", 3), ("kind", None), ("head", []), ("head", None),
        ("encoder", 3), ("encoder.dimension", 7), ("encoder.name", 3), ("encoder.name", "another"),
        ("encoder.revision", "another"), ("encoder.pooled_layer", 0), ("encoder.pooled_layer", 10**7),
        ("encoder_params.kind", "evil"), ("encoder_params.more", 1), ("encoder_params.model", "x"),
        ("encoder_params", []), ("audio.clip_seconds", 1e9), ("audio.clip_seconds", -1),
        ("audio.clip_seconds", float("nan")), ("audio.clip_seconds", "a"), ("audio.min_seconds", 100),
        ("audio", None), ("strategy", "../x"), ("strategy", "a b"), ("strategy", 5), ("strategy", "\x1b[2J"),
        ("trained_on", 7), ("trained_on", ""),
    ]},
    "weights are cut": cut(SEED, 0.5),
    "weights are nothing": content(SEED, b""),
    "weights are gone": gone(SEED),
    "weights are a folder": folder_instead(SEED),
    "weights are a pipe": pipe_instead(SEED),
    "weights lie elsewhere": link_out(SEED),
    "weights are a pickle": pickled(SEED),
    "weights of a lying header": header(SEED, {WEIGHT: {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 8]}}),
    "weights of an endless header": content(SEED, b"\xff" * 64),
    "a weight is of another shape": tensor(SEED, WEIGHT, lambda w: w[:-1]),
    "a weight is flat": tensor(SEED, WEIGHT, torch.flatten),
    "a weight has no values": tensor(SEED, WEIGHT, lambda w: w[:0]),
    "a weight is in half precision": tensor(SEED, WEIGHT, torch.Tensor.half),
    "a weight is whole numbers": tensor(SEED, WEIGHT, torch.Tensor.long),
    "a weight is NaN": tensor(SEED, WEIGHT, with_nan),
    "a weight is infinite": tensor(SEED, WEIGHT, lambda w: w / 0),
    "a gain is NaN": tensor(SEED, "head.gain", with_nan),
    "a weight is missing": tensors(SEED, lambda values: values.pop(WEIGHT)),
    "a weight too many": tensors(SEED, lambda values: values.update({"head.more": torch.ones(1)})),
    "no familiarity": gone(NEAR),
    "familiarity is cut": cut(NEAR, 0.9),
    "familiarity is NaN": tensor(NEAR, "mean", with_nan),
    "familiarity std of 0": tensor(NEAR, "std", torch.zeros_like),
    "familiarity std below 0": tensor(NEAR, "std", torch.neg),
    "familiarity of other channels": tensors(
        NEAR, lambda values: values.update({key: values[key][..., :7] for key in ("mean", "std", "centres")})
    ),
    "familiarity without centres": tensor(NEAR, "centres", lambda c: c[:0]),
    "familiarity of flat centres": tensor(NEAR, "centres", torch.flatten),
    "familiarity of no clips": tensor(NEAR, "validation", lambda v: v[:0]),
    "familiarity in no order": tensor(NEAR, "validation", lambda v: v.flip(0)),
    "familiarity in float32": tensor(NEAR, "mean", torch.Tensor.float),
    "familiarity of something else": tensors(NEAR, lambda values: values.pop("std")),
    "an encoder that brings code": own_code,
    "an encoder above": encoder_at("../encoder"),
    "an encoder anywhere": encoder_at("{parent}/encoder"),
    "an encoder that is a folder here": encoder_at("models/encoder"),
    "an encoder in a file": encoder_at("./config.json"),
    "windows of many more frames": setting("audio.clip_seconds", 600.0),
    "windows of many fewer frames": setting("audio.clip_seconds", 1.0),
}  # fmt: skip
FINETUNED: dict[str, Harm] = {
    **{f"no {key}": setting(key, MISSING) for key in
       ("strategy", "scale", "window_seconds", "seeds", "model", "encoder", "model.aspects", "encoder.model_type",
        "extractor.feature_extractor_type", "extractor.sampling_rate")},
    **{f"{key} {value}": setting(key, value) for key, value in [
        ("scale", [5, 1]), ("scale", [float("nan"), 5]), ("scale", 3), ("window_seconds", 0),
        ("window_seconds", 1e9), ("window_seconds", float("nan")), ("seeds", []),
        ("seeds", ["../3"]), ("seeds", [7]), ("seeds", [3.5]), ("trained_on", ["simulated"]),
        ("model.layers", 10**7), ("model.layers", 3), ("model.dropout", 2.0), ("model.aspects", ["A", "A"]),
        ("model.aspects", ["A"]), ("model.layer_norm", "yes"), ("encoder", []),
        ("encoder.model_type", "timm_backbone"), ("encoder.model_type", "gpt2"), ("encoder.model_type", ["wavlm"]),
        ("encoder.num_hidden_layers", 10**7), ("encoder.num_hidden_layers", 900), ("encoder.num_hidden_layers", -1),
        ("encoder.num_hidden_layers", "3"), ("encoder.hidden_size", 2**40), ("encoder.hidden_size", 2**20),
        ("encoder.hidden_size", 17), ("encoder.hidden_size", 0), ("encoder.conv_dim", [32] * 10_000),
        ("encoder.conv_stride", [0, 0]), ("encoder.num_buckets", 2**30), ("encoder.layer_norm_eps", float("nan")),
        ("encoder.attn_implementation", "evil/kernels"), ("encoder._attn_implementation", "evil/kernels"),
        ("encoder.auto_map", {"AutoModel": "evil/code--x.Y"}), ("encoder.hidden_act", "os.system"),
        ("extractor.feature_extractor_type", "pipeline"), ("extractor.feature_extractor_type", 3),
        ("extractor.sampling_rate", 10**9), ("extractor.sampling_rate", 0), ("extractor.feature_size", 10**9),
    ]},
    "weights are cut": cut(SEED, 0.5),
    "weights are a pickle": pickled(SEED),
    "weights are gone": gone(SEED),
    "a weight is NaN": tensor(SEED, "heads.0.0.weight", with_nan),
    "a weight is missing": tensors(SEED, lambda values: values.pop("heads.0.0.weight")),
    "a weight too many": tensors(SEED, lambda values: values.update({"more": torch.ones(1)})),
    "a weight is of another shape": tensor(SEED, "target_mean", lambda w: w[:1]),
    "a std of 0": tensor(SEED, "target_std", torch.zeros_like),
}  # fmt: skip
PUBLISHED: dict[str, Harm] = {
    **{f"no {key}": setting(key, MISSING) for key in
       ("proj_ln", "proj_dropout", "normalize_embed", "target_transform", "target_transform.CE")},
    **{f"{key} {value}": setting(key, value) for key, value in [
        ("proj_num_layer", 10**7), ("proj_num_layer", 2), ("proj_num_layer", 0), ("proj_num_layer", "3"),
        ("proj_dropout", 2), ("target_transform.CE.std", 0), ("target_transform.CE.mean", float("nan")),
        ("target_transform", 3), ("target_transform.CE", [1, 2]),
    ]},
    "weights are cut": cut("model.safetensors", 0.5),
    "weights are a pickle": pickled("model.safetensors"),
    "weights are gone": gone("model.safetensors"),
    "a weight is NaN": tensor("model.safetensors", "layer_weights.CE", with_nan),
    "a head is missing": tensors("model.safetensors", lambda values: values.pop("proj_layer.CE.0.weight")),
    "a wide layer of few values": tensor(
        "model.safetensors", "wavlm_model.post_extract_proj.weight", lambda w: torch.ones(2**20, 1)
    ),
    "a kernel without channels": tensor(
        "model.safetensors", "wavlm_model.encoder.pos_conv.0.weight_v", lambda w: w[:, :0]
    ),
    "an aspect nobody knows": tensors(
        "model.safetensors", lambda values: values.update({"layer_weights.XX": values["layer_weights.CE"].clone()})
    ),
}  # fmt: skip
CHECKPOINTS: dict[str, Harm] = {
    "nothing": content("checkpoint.pt", b""),
    "text": content("checkpoint.pt", b"weights"),
    "cut": cut("checkpoint.pt", 0.5),
    "a pickle": pickled("checkpoint.pt"),
    "one value for many": expanded,
    "is compressed": deflated,
    **{f"holds {value}": (lambda folder, value=value: torch.save(value, folder / "checkpoint.pt")) for value in [
        3, [], {}, {"model_cfg": 1, "target_transform": 2, "state_dict": 3},
        {"model_cfg": {}, "target_transform": {}, "state_dict": {"a": 1}},
        {"model_cfg": {}, "target_transform": {}, "state_dict": {"a": torch.tensor(torch.nan)}},
        {"model_cfg": {}, "target_transform": {}, "state_dict": {}},
    ]},
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    write_models(folder / "heads")
    start = load_start(str(checkpoint(folder / "encoder", "wavlm")), None, ["A", "B"], 2)
    (folder / "finetuned").mkdir()
    details = {"strategy": "made", "scale": [1, 5], "window_seconds": 10.0, "offset": 0.0}
    weights = load_weights(make_model(start.recipe), start.weights).state_dict()
    save_models(folder / "finetuned", start.recipe, details, {3: weights})
    with pytest.MonkeyPatch.context() as patch:
        model = meta_model(patch)
        save_for_hub(model, folder / "published")
        (folder / "checkpoint").mkdir()
        save_checkpoint_pt(model, folder / "checkpoint/checkpoint.pt")
    return folder


CASES = [
    *(("heads", name, harm) for name, harm in (BROKEN_FILES | HEADS).items()),
    *(("finetuned", name, harm) for name, harm in (BROKEN_FILES | FINETUNED).items()),
    *(("published", name, harm) for name, harm in (BROKEN_FILES | PUBLISHED).items()),
    *(("checkpoint", name, harm) for name, harm in CHECKPOINTS.items()),
]


@pytest.mark.parametrize("kind", ["heads", "finetuned", "published", "checkpoint"])
def test_the_good_ones_are_loaded(kind: str, models: Path) -> None:
    source = models / kind
    assert load(source / "checkpoint.pt" if kind == "checkpoint" else source, "cpu").aspects


@pytest.mark.parametrize(("kind", "name", "harm"), CASES, ids=[f"{kind}: {name[:60]}" for kind, name, _ in CASES])
@pytest.mark.takes(4)
def test_a_hostile_model_ends_in_one_sentence(
    kind: str, name: str, harm: Harm, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(models / kind, tmp_path / "model")
    harm(folder)
    monkeypatch.chdir(models.parent)  # where models/encoder is a folder
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(DatmosError) as caught:
        load(folder / "checkpoint.pt" if kind == "checkpoint" else folder, "cpu")
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert not (tmp_path / "executed").exists()
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("kind", ["heads", "finetuned", "published"])
def test_files_that_nothing_names_are_not_opened(kind: str, models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models / kind, tmp_path / "model")
    version = load(folder, "cpu").version
    unnamed(folder)
    assert load(folder, "cpu").version == version


def test_a_checkpoint_of_the_attack_is_refused_before_it_is_large(shared: Path) -> None:
    with pytest.raises(DatmosError, match=r"expand\.pt"):
        load(shared / "faults/bombs/expand.pt", "cpu")


@pytest.mark.parametrize(("key", "value"), [("hidden_size", 8192), ("intermediate_size", 10**8)])
def test_an_encoder_is_as_large_as_its_weights(key: str, value: int, trained: Trained, tmp_path: Path) -> None:
    folder = shutil.copytree(trained.folder / "data/models/plain", tmp_path / "plain")
    shutil.copytree(trained.folder / "encoder", folder / "encoder")
    setting("encoder_params.model", "./encoder")(folder)
    setting(key, value, "encoder/config.json")(folder)
    with pytest.raises(DatmosError, match="They do not belong together"):
        load(folder, "cpu")


def test_a_snapshot_of_the_hub_is_made_of_links(models: Path, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "models--me--dat/blobs", tmp_path / "models--me--dat/snapshots/0123"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, path in enumerate((models / "finetuned").iterdir()):
        shutil.copyfile(path, blobs / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    assert load(snapshot, "cpu").version == load(models / "finetuned", "cpu").version


def test_code_is_run_and_folders_are_read_with_trust_alone(trained: Trained, tmp_path: Path) -> None:
    folder = shutil.copytree(trained.folder / "data/models/plain", tmp_path / "plain")
    with pytest.raises(DatmosError, match=r"a folder outside of the model's own\. .*--trust"):
        load(folder, "cpu")
    trusted = load(folder, "cpu", trust=True)
    shutil.copytree(trained.folder / "encoder", folder / "encoder")
    setting("encoder_params.model", "./encoder")(folder)
    setting("encoder_params.trust_remote_code", True)(folder)
    assert load(folder, "cpu").score(trained.clip(1)).mean == trusted.score(trained.clip(1)).mean  # it is in there
    own = checkpoint(folder / "own", "mert")
    setting("encoder_params.model", "./own")(folder)
    with pytest.raises(DatmosError, match=r"brings its own code, .* add --trust"):
        load(folder, "cpu")
    with pytest.raises(DatmosError, match="Scores would be wrong"):  # its code was run, but it is another encoder
        load(folder, "cpu", trust=True)
    assert encoder_params(model=str(own)).trust_remote_code is False


@pytest.mark.parametrize(
    ("shift", "reason"),
    [
        (None, None),
        (30.0, None),  # a regression may leave the scale
        (4.5e30, "the model gives 4.5e+30 for PQ, on a scale from 1 to 10"),
        (-200.0, "on a scale from 1 to 10"),
        (1.4e39, "values that are not finite"),
    ],
)
def test_predictions_far_outside_the_scale_are_no_ratings(
    shift: float | None, reason: str | None, models: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(models / "heads", tmp_path / "heads")

    def move(values: dict[str, Any]) -> None:
        name = max(name for name in values if name.endswith(".bias") and "quality" in name)
        if shift is not None:
            values[name][0] = shift / 4.5  # half the scale

    for seed in (3, 4):
        tensors(f"seed_{seed}.safetensors", move)(folder)
    sound = np.random.default_rng(0).normal(0, 0.1, 48_000)
    (found,) = load(folder, "cpu").stream([sound], sample_rate=16_000)
    assert getattr(found, "error", None) is None if reason is None else reason in found.error
