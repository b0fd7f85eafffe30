"""aiSFX: the spectrogram by hand, the network, what it hears, and what is said when its weights can't be had."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

import datmos.embedding.encoders.aisfx as aisfx
from datmos.core.errors import DatmosError
from datmos.embedding.encoders.finder import find_encoder
from datmos.embedding.encoders.interface import Encoder
from helpers import tiny_encoders
from helpers.tiny_encoders import encoder_params

RATE = 44_100
needs_weights = pytest.mark.skipif(find_spec("aisfx") is None, reason=f"no weights: {aisfx.INSTALL}")


def encoder_of(**given: Any) -> Encoder:
    return find_encoder(encoder_params(kind="aisfx", **given), None, torch.device("cpu"))


def encode(encoder: Encoder, *clips: Tensor) -> Tensor:
    frames, pooled = tiny_encoders.encode(encoder, torch.stack(clips))
    assert torch.equal(frames, pooled)
    return frames


def noise(seconds: float = 1.0, seed: int = 1) -> Tensor:
    return 0.1 * torch.randn(int(seconds * RATE), generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package like the real one, with random weights; returns their file."""
    (tmp_path / "aisfx/models").mkdir(parents=True)
    (tmp_path / "aisfx/__init__.py").write_text("raise RuntimeError('it is never imported')\n")
    (tmp_path / "aisfx-9.dist-info").mkdir()
    (tmp_path / "aisfx-9.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: aisfx\nVersion: 9\n")
    torch.manual_seed(0)
    weights = {f"embedding_net.{name}": value for name, value in aisfx._Network().state_dict().items()}
    file = tmp_path / "aisfx/models/checkpoint.pth"
    torch.save((weights | {"fc.0.0.weight": torch.zeros(2, 2)}, {"ucs": (0, 82)}), file)
    monkeypatch.syspath_prepend(str(tmp_path))
    return file


def test_the_spectrogram_by_hand(package: Path) -> None:
    found = encoder_of().prepare(noise())["spectrogram"].double().numpy()
    samples = noise().double().numpy()
    padded = np.pad(samples / np.abs(samples).max(), 1024)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    windows = [window * padded[start : start + 2048] for start in range(0, RATE + 1, 1024)]
    power = np.abs(np.fft.rfft(windows)) ** 2
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 22050 / 700), 98) / 2595) - 1)
    bins = np.arange(1025) * RATE / 2048
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bands = np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    expected = np.log10(1e4 * power @ (bands / bands.sum(axis=1, keepdims=True)).T + 1) / 9.457798957824707
    assert found.shape == expected.shape == (44, 96)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@torch.inference_mode()
def test_the_network_in_plain_layers(package: Path) -> None:
    encoder = encoder_of()
    encoder.load()
    weights, _ = torch.load(package, weights_only=True)
    x = encoder.prepare(noise())["spectrogram"][None, None]
    for block, pool in ((1, 2), (2, 2), (3, 2), (4, 1)):
        for part in (1, 2):
            name = f"embedding_net.conv_block{block}"
            x = functional.conv2d(x, weights[f"{name}.conv{part}.weight"], padding=1)
            norm = [weights[f"{name}.bn{part}.{own}"] for own in ("running_mean", "running_var", "weight", "bias")]
            x = functional.batch_norm(x, *norm).relu()
        x = functional.max_pool2d(x, pool)
    torch.testing.assert_close(encode(encoder, noise()), x.mean(dim=3), rtol=1e-4, atol=1e-5)


def test_shape_rate_hop_and_level(package: Path) -> None:
    encoder = encoder_of()
    encoder.load()
    assert encoder.identity == {"name": "aisfx", "revision": "9", "dtype": "float32"}
    assert (encoder.sample_rate, RATE / encoder.hop) == (RATE, pytest.approx(5.38, abs=0.01))
    frames = encode(encoder, noise(), noise(seed=2))
    assert frames.shape == (2, 512, 5)
    assert encode(encoder, torch.cat([noise(), torch.zeros(3 * encoder.hop)])).shape[2] == 8
    torch.testing.assert_close(encode(encoder, noise(seed=2)), frames[1:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(encode(encoder, 0.01 * noise()), frames[:1], rtol=1e-3, atol=1e-4)
    assert encode(encoder, torch.zeros(RATE)).isfinite().all()


def test_refusals(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ({"layer": 1}, {"extra_layers": [2]}):
        with pytest.raises(DatmosError, match=r"one layer\. Set encoder\.layer and kmeans\.layer to null"):
            encoder_of(**given)
    with pytest.raises(ValueError, match="kind aisfx is one model: set model to null"):
        encoder_of(model="x")
    with pytest.raises(DatmosError, match=r"audio\.clip_seconds: aisfx needs 0\.16 s or more, got 0\.1 s"):
        encoder_of().prepare(noise(0.1))
    assert encode_shortest(encoder_of()).shape[2] == 1
    package.write_bytes(package.read_bytes()[:-1000])
    with pytest.raises(
        DatmosError, match=r"checkpoint\.pth: the weights of aisfx can't be read.*--force-reinstall"
    ):
        encoder_of().load()
    monkeypatch.setattr(aisfx, "find_spec", lambda name: None)
    with pytest.raises(DatmosError, match=r"Install it with `pip install --no-deps aisfx==0\.1\.2`"):
        encoder_of()


def encode_shortest(encoder: Encoder) -> Tensor:
    encoder.load()
    return encode(encoder, noise()[: 7 * 1024])


class Attack:
    def __reduce__(self) -> Any:
        return (sys.exit, (3,))


def test_weights_run_no_code(package: Path) -> None:
    torch.save((Attack(), {}), package)
    with pytest.raises(DatmosError, match="can't be read"):
        encoder_of().load()


@needs_weights
def test_the_real_weights_hear_what_a_low_pass_takes_away() -> None:
    """Above 8 kHz, where encoders for speech hear nothing."""
    encoder = encoder_of()
    encoder.load()
    clip = noise(3)
    spectrum = torch.fft.rfft(clip)
    spectrum[torch.fft.rfftfreq(len(clip), 1 / RATE) > 9000] = 0
    frames = encode(encoder, clip, torch.fft.irfft(spectrum, len(clip)), noise(3, seed=2))
    means = frames.mean(dim=2)
    assert (means[1] - means[0]).norm() > 5 * (means[2] - means[0]).norm()
    assert 0.05 < frames.std() < 50


@needs_weights
def test_the_real_weights_give_what_the_package_gives() -> None:
    """A sweep up to 16 kHz through the package's own network and maximum over time (version 0.1.2)."""
    encoder = encoder_of()
    encoder.load()
    seconds = torch.arange(RATE, dtype=torch.float64) / RATE
    found = encode(encoder, (0.5 * torch.sin(2 * torch.pi * 8000 * seconds.square())).float()).amax(dim=2)[0]
    theirs = torch.tensor([1.70163, 1.79115, 1.82375, 0.10447, 0.7634, 0.62723, 5.38385])
    torch.testing.assert_close(found[[0, 1, 2, 100, 255, 300, 511]], theirs, rtol=1e-3, atol=1e-3)
