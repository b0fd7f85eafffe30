"""How long embedding would take: tried with the real encoder, and never by downloading one."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from datmos.embedding import timing
from datmos.embedding.timing import TRIED, has_weights, seconds_a_clip
from datmos.params.schema import EncoderParams, Params
from helpers.embedding import FramesEncoder
from helpers.places import REPOSITORY
from helpers.tiny_encoders import checkpoint

PARAMS = Params.model_validate(yaml.safe_load((REPOSITORY / "params.yaml").read_text()))


def test_clips_are_timed_after_one_that_warms_up(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, clock = FramesEncoder(), iter([100.0, 103.0])
    threads = torch.get_num_threads()
    monkeypatch.setattr(timing, "find_encoder", lambda *_: encoder)
    monkeypatch.setattr(timing, "join_processes", lambda: SimpleNamespace(device=torch.device("cpu")))
    monkeypatch.setattr(timing, "plan_work", lambda *_: SimpleNamespace(batch_size=1, at_once=4))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    assert seconds_a_clip(PARAMS) == pytest.approx(3.0 / (TRIED * 4))
    assert encoder.batches == [1] * (1 + TRIED)
    assert encoder.loaded == 1
    assert torch.get_num_threads() == threads


def test_the_default_encoder() -> None:
    assert has_weights(PARAMS.encoder)
    assert 0 < seconds_a_clip(PARAMS) < 60


def test_weights_that_would_have_to_come_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))

    def encoder(**changed: str) -> EncoderParams:
        return PARAMS.encoder.model_copy(update=changed)

    folder = checkpoint(tmp_path / "model", "xls-r")
    assert has_weights(encoder(kind="transformers", model=str(folder)))
    assert not has_weights(encoder(kind="transformers", model="nobody/nothing", revision="main"))
    assert not has_weights(encoder(kind="torchaudio", model="WAV2VEC2_BASE"))
