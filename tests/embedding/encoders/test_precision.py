"""Half precision on a CPU: kept where it is right, else replaced by float32 before anything is stored."""

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchaudio
import yaml

from datmos.core.errors import DatmosError
from datmos.core.processes import ALONE
from datmos.embedding.encoders.distillmos import DistillmosEncoder
from datmos.embedding.encoders.huggingface import TransformersEncoder
from datmos.embedding.encoders.precision import LIMIT, find_checked_encoder, make_test_clip
from helpers import tiny_encoders as tiny
from helpers.embedding import contents, make_clips
from helpers.places import REPOSITORY
from helpers.tiny_encoders import break_convolutions, checkpoint, encoder_params

CLIPS = 3
Embed = Callable[[str], dict[str, bytes]]


@pytest.fixture
def embed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Embed:
    """Return a function that runs the stage with ``encoder.dtype`` and returns the store's files."""
    for folder in ("data", "clips"):
        (tmp_path / folder).mkdir()
    make_clips(tmp_path / "clips", CLIPS).to_parquet(tmp_path / "data/manifest.parquet")
    settings = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    settings["data"] |= {"kind": "ratings", "root": "clips"}
    settings["embed"]["cache"] = "cache"
    settings["audio"]["clip_seconds"] = 0.5
    settings["encoder"] |= {"kind": "transformers", "model": str(checkpoint(tmp_path / "model", "xls-r"))}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["embed.py"])
    monkeypatch.setattr("datmos.core.processes.pick_device", lambda: torch.device("cpu"))
    main = runpy.run_path(str(REPOSITORY / "stages/embed.py"))["main"]

    def run(dtype: str) -> dict[str, bytes]:
        settings["encoder"]["dtype"] = dtype
        Path("params.yaml").write_text(yaml.safe_dump(settings))
        main()
        return contents(Path("data/embeddings"))

    return run


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The loads and calls of all encoders, in order."""
    done: list[str] = []
    load, call = TransformersEncoder.load, TransformersEncoder.__call__

    def counting(name: str, plain: Any) -> Any:
        return lambda *arguments: done.append(name) or plain(*arguments)

    monkeypatch.setattr(TransformersEncoder, "load", counting("load", load))
    monkeypatch.setattr(TransformersEncoder, "__call__", counting("call", call))
    return done


def cached() -> set[Path]:
    return set(Path("cache").rglob("*.safetensors"))


def dtype_of(store: dict[str, bytes]) -> str:
    return str(json.loads(store["encoder.json"])["dtype"])


def find(family: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **given: Any) -> str:
    """Return the dtype of the encoder that is found for a test clip of a second."""
    if family == "torchaudio":
        monkeypatch.setattr(torchaudio.pipelines, "TINY", tiny.bundle(normalise=True), raising=False)
        params = encoder_params(kind="torchaudio", model="TINY", dtype=dtype)
    elif family == "distillmos":
        params = encoder_params(kind="distillmos", dtype=dtype)
    else:
        params = encoder_params(model=str(checkpoint(tmp_path / "model", family)), dtype=dtype)
    encoder = find_checked_encoder(params, None, "a clip", lambda rate: make_test_clip(1.0, rate), **given)
    return str(encoder.identity["dtype"])


def test_half_precision_that_is_right_is_kept(embed: Embed, capsys: pytest.CaptureFixture[str]) -> None:
    half, single = embed("bfloat16"), embed("float32")
    assert dtype_of(half) == "bfloat16"
    assert half["frames.npy"] != single["frames.npy"]
    assert "warning" not in capsys.readouterr().err


def test_half_precision_that_is_wrong_is_replaced_before_anything_is_stored(
    embed: Embed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    single = embed("float32")
    entries = cached()
    assert len(entries) == CLIPS
    with monkeypatch.context() as patched:
        break_convolutions(patched, torch.bfloat16)
        capsys.readouterr()
        assert embed("bfloat16") == single  # encoder.json too
    assert dtype_of(single) == "float32"
    assert cached() == entries  # no wrong value, and no float32 value that is called bfloat16
    warning = capsys.readouterr().err
    assert warning.count("warning:") == 1
    for part in ("encoder.dtype=bfloat16", "clips/000.wav", "% of the variance", "float32 instead", "AMX"):
        assert part in warning
    assert "ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16" in warning
    assert dtype_of(embed("bfloat16")) == "bfloat16"  # the same cache, on a processor that is right
    assert len(cached()) == 2 * CLIPS


def test_float32_is_computed_once_and_read_from_the_cache_without_weights(embed: Embed, counted: list[str]) -> None:
    embed("auto")
    assert counted == ["load", *["call"] * CLIPS]
    embed("float32")
    assert len(counted) == 1 + CLIPS


def test_only_half_precision_on_a_cpu_pays_when_all_is_cached(embed: Embed, counted: list[str]) -> None:
    embed("bfloat16")
    check = ["load", "call"] * 2
    assert counted == [*check, "load", *["call"] * CLIPS]
    counted.clear()
    embed("bfloat16")
    assert counted == check


@pytest.mark.parametrize("family", ["xls-r", "torchaudio", "distillmos", "whisper", "w2v-bert"])
def test_families(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find(family, "bfloat16", tmp_path, monkeypatch) == "bfloat16"
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize(("dtype", "factor"), [("bfloat16", 1.0), ("float16", 1.0), ("bfloat16", float("nan"))])
def test_wrong_and_not_finite_values(
    dtype: str, factor: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    break_convolutions(monkeypatch, getattr(torch, dtype), factor)
    assert find("xls-r", dtype, tmp_path, monkeypatch) == "float32"
    assert ("is not a finite number" in capsys.readouterr().err) == np.isnan(factor)


@pytest.mark.parametrize("rank", [0, 1])
def test_all_processes_take_float32_if_one_must(
    rank: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half precision is right in this process; the first one warns, for all."""
    processes, given = ALONE._replace(rank=rank, total=2), []

    def add(errors: torch.Tensor) -> None:  # what the other process has found
        given.append(errors.clone())
        errors[1 - rank] += 1.5

    monkeypatch.setattr("torch.distributed.all_reduce", add)
    assert find("xls-r", "bfloat16", tmp_path, monkeypatch, processes=processes) == "float32"
    (errors,) = given
    assert 0 < errors[rank] < LIMIT
    assert errors[1 - rank] == 0
    assert capsys.readouterr().err.count("150% of the variance") == (1 if rank == 0 else 0)


def test_a_device_that_is_no_cpu_is_not_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(rate: int) -> torch.Tensor:
        raise AssertionError("a clip was read")

    params = encoder_params(kind="distillmos", dtype="bfloat16")
    monkeypatch.setattr(DistillmosEncoder, "load", refuse)
    processes = ALONE._replace(device=torch.device("cuda"))
    assert find_checked_encoder(params, None, "a clip", refuse, processes).identity["dtype"] == "bfloat16"
    with pytest.raises(AssertionError, match="a clip was read"):
        find_checked_encoder(params, None, "a clip", refuse)


def test_a_first_clip_that_has_changed(embed: Embed) -> None:
    Path("clips/000.wav").write_bytes(Path("clips/001.wav").read_bytes())
    with pytest.raises(DatmosError, match=r"000\.wav has changed since the manifest was made"):
        embed("bfloat16")
    assert not Path("data/embeddings").exists()
