"""How long embedding would take: tried with the real encoder, and never by downloading one."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from datmos.embedding import timing
from datmos.embedding.encoders.distillmos import DistillmosEncoder
from datmos.embedding.settings import EncoderParams
from datmos.embedding.timing import TRIED, has_weights, seconds_a_clip
from datmos.params.schema import Params
from helpers.embedding import FramesEncoder
from helpers.places import REPOSITORY
from helpers.tiny_encoders import checkpoint

PARAMS = Params.model_validate(yaml.safe_load((REPOSITORY / "params.yaml").read_text()))


def test_clips_are_timed_after_one_that_warms_up(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, clock = FramesEncoder(), iter([100.0, 103.0])
    threads = torch.get_num_threads()
    asked = []

    def find_encoder(*given: object) -> FramesEncoder:
        asked.append(given)
        return encoder

    monkeypatch.setattr(timing, "find_encoder", find_encoder)
    monkeypatch.setattr(timing, "join_processes", lambda: SimpleNamespace(device=torch.device("cpu")))
    monkeypatch.setattr(timing, "plan_work", lambda *_: SimpleNamespace(batch_size=1, at_once=4))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    assert seconds_a_clip(PARAMS.audio, PARAMS.encoder, 5, PARAMS.embed) == pytest.approx(3.0 / (TRIED * 4))
    assert asked == [(PARAMS.encoder, 5, torch.device("cpu"))]  # the layer that is clustered costs time too
    assert encoder.batches == [1] * (1 + TRIED)
    assert encoder.loaded == 1
    assert torch.get_num_threads() == threads


def test_what_is_timed_is_the_work_of_embed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default encoder, with clips of the length that the params say: a batch to warm up and those timed."""
    assert has_weights(PARAMS.encoder)
    seen = []
    encode = DistillmosEncoder.__call__

    def spy(self: DistillmosEncoder, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        seen.append((tuple(inputs["waveforms"].shape), torch.get_num_threads()))
        return encode(self, inputs)

    monkeypatch.setattr(DistillmosEncoder, "__call__", spy)
    for seconds in (1.0, 2.5):
        assert seconds_a_clip(
            PARAMS.audio.model_copy(update={"clip_seconds": seconds}), PARAMS.encoder, None, PARAMS.embed
        )
        assert seen == [((1, round(seconds * 16_000)), 1)] * (1 + TRIED)
        seen.clear()


def test_weights_that_would_have_to_come_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))

    def encoder(**changed: str) -> EncoderParams:
        return PARAMS.encoder.model_copy(update=changed)

    folder = checkpoint(tmp_path / "model", "xls-r")
    assert has_weights(encoder(kind="transformers", model=str(folder)))
    assert not has_weights(encoder(kind="transformers", model="nobody/nothing", revision="main"))
    assert not has_weights(encoder(kind="torchaudio", model="WAV2VEC2_BASE"))
