"""Encoders: shape, determinism, the chosen layer, and what is said when one can't be had.

Real hub models can't be fetched in a test; tiny random ones in the real file formats take their place.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
import torchaudio
from transformers import AutoModel, HubertConfig, Wav2Vec2Config, Wav2Vec2FeatureExtractor, WavLMConfig

from datmos.encoders import ENCODERS, load_encoder
from datmos.errors import DatmosError
from datmos.params import EncoderParams

CPU = torch.device("cpu")
TINY: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8, 8),
    "conv_stride": (20, 16),
    "conv_kernel": (20, 16),
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}


def params(**given: Any) -> EncoderParams:
    return EncoderParams(
        **({"kind": "transformers", "model": None, "revision": None, "layer": None, "batch_size": 2} | given)
    )


def tiny_folder(path: Path, config_class: type = Wav2Vec2Config, normalise: bool = True) -> Path:
    torch.manual_seed(0)
    AutoModel.from_config(config_class(**TINY)).save_pretrained(path)
    Wav2Vec2FeatureExtractor(do_normalize=normalise, sampling_rate=16_000).save_pretrained(path)
    return path


@pytest.fixture
def tiny_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torchaudio pipeline with random weights under a real name."""

    def get_model(self: Any) -> torch.nn.Module:
        torch.manual_seed(0)
        return torchaudio.models.wav2vec2_model(
            extractor_mode="layer_norm",
            extractor_conv_layer_config=[(8, 20, 20), (8, 16, 16)],
            extractor_conv_bias=False,
            encoder_embed_dim=16,
            encoder_projection_dropout=0.0,
            encoder_pos_conv_kernel=4,
            encoder_pos_conv_groups=2,
            encoder_num_layers=3,
            encoder_num_heads=2,
            encoder_attention_dropout=0.0,
            encoder_ff_interm_features=32,
            encoder_ff_interm_dropout=0.0,
            encoder_dropout=0.0,
            encoder_layer_norm_first=True,
            encoder_layer_drop=0.0,
            aux_num_out=None,
        )

    monkeypatch.setattr(torchaudio.pipelines.Wav2Vec2Bundle, "get_model", get_model)


def waveforms(samples: int = 16_000) -> torch.Tensor:
    return torch.randn(2, samples, generator=torch.Generator().manual_seed(1)) * 0.1


@pytest.mark.parametrize("kind", ENCODERS)
def test_shape_rate_hop_and_determinism(kind: str, tmp_path: Path, tiny_bundle: None) -> None:
    model = {"distillmos": None, "transformers": str(tiny_folder(tmp_path)), "torchaudio": "WAV2VEC2_XLSR_2B"}
    encoder = load_encoder(params(kind=kind, model=model[kind]), CPU)
    with torch.inference_mode():
        embeddings = encoder(waveforms())
        assert embeddings.shape == (2, 1024 if kind == "distillmos" else 16, 16_000 // encoder.hop)
        assert encoder.sample_rate == 16_000
        assert torch.equal(embeddings, encoder(waveforms()))
        # each clip is encoded for itself: its neighbours in the batch change nothing but last bits
        torch.testing.assert_close(encoder(waveforms()[1:]), embeddings[1:], rtol=1e-4, atol=1e-5)


def test_distillmos_features_meet_a_head_at_unit_scale_whatever_the_level() -> None:
    encoder = load_encoder(params(kind="distillmos"), CPU)
    with torch.inference_mode():
        embeddings = encoder(waveforms())
        torch.testing.assert_close(encoder(0.01 * waveforms()), embeddings, rtol=1e-3, atol=1e-3)
    assert 0.3 < embeddings.std() < 3


@pytest.mark.parametrize("config_class", [Wav2Vec2Config, HubertConfig, WavLMConfig])
@pytest.mark.parametrize("layer", [1, 2, None])
def test_the_chosen_layer_is_the_hidden_state_of_that_index(
    config_class: type, layer: int | None, tmp_path: Path
) -> None:
    folder = tiny_folder(tmp_path, config_class)
    reference = AutoModel.from_pretrained(folder).eval()
    x = waveforms()
    normalised = (x - x.mean(1, keepdim=True)) / torch.sqrt(x.var(1, keepdim=True, unbiased=False) + 1e-7)
    with torch.inference_mode():
        expected = reference(normalised, output_hidden_states=True).hidden_states[layer or 3].transpose(1, 2)
        found = load_encoder(params(model=str(folder), layer=layer), CPU)(x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_no_normalisation_where_the_model_was_trained_without(tmp_path: Path) -> None:
    folder = tiny_folder(tmp_path, normalise=False)
    with torch.inference_mode():
        expected = AutoModel.from_pretrained(folder).eval()(waveforms()).last_hidden_state.transpose(1, 2)
        torch.testing.assert_close(load_encoder(params(model=str(folder)), CPU)(waveforms()), expected)


def test_torchaudio_layer(tiny_bundle: None) -> None:
    bundle = torchaudio.pipelines.WAV2VEC2_XLSR_2B
    with torch.inference_mode():
        expected = bundle.get_model().eval().extract_features(waveforms())[0][1].transpose(1, 2)
        found = load_encoder(params(kind="torchaudio", model="WAV2VEC2_XLSR_2B", layer=2), CPU)(waveforms())
    torch.testing.assert_close(found, expected)


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_bundle: None) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DatmosError, match=r"'nobody/nothing'.*local folder.*encoder\.model=FOLDER"):
        load_encoder(params(model="nobody/nothing", revision="abc"), CPU)
    with pytest.raises(DatmosError, match="revision pinned"):
        load_encoder(params(model="nobody/nothing"), CPU)
    with pytest.raises(DatmosError, match="holds no speech encoder"):
        load_encoder(params(model=str(tmp_path)), CPU)
    with pytest.raises(DatmosError, match="has 3 layers, got 4"):
        load_encoder(params(model=str(tiny_folder(tmp_path / "m")), layer=4), CPU)
    with pytest.raises(DatmosError, match="did you mean 'WAV2VEC2_XLSR_2B'"):
        load_encoder(params(kind="torchaudio", model="WAV2VEC2_XLS_2B"), CPU)


def test_torchaudio_weights_that_cannot_be_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any) -> None:
        raise OSError("no route")

    monkeypatch.setattr(torchaudio.pipelines.Wav2Vec2Bundle, "get_model", refuse)
    with pytest.raises(DatmosError, match=r"no route.*local folder"):
        load_encoder(params(kind="torchaudio", model="WAV2VEC2_XLSR_2B"), CPU)
