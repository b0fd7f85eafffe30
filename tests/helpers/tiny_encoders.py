"""Tiny random checkpoints of every encoder family, in the real file formats: the hub can't be reached in a test."""

import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
import torchaudio
import transformers
from torch import Tensor, nn
from transformers import AutoModel

from datmos.embedding.encoders.interface import Encoder
from datmos.embedding.settings import EncoderParams

BLOCKS, WIDTH = 3, 16
# Of the convolutions on a waveform. On a processor with AMX, oneDNN's bfloat16 convolution was wrong with 8, and
# right with 32 and with the widths of large models (benchmarks/bfloat16_convolution.py).
CHANNELS = 32
SPEECH: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (CHANNELS, CHANNELS),
    "conv_stride": (20, 16),
    "conv_kernel": (20, 16),
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
CONFIGS: dict[str, Any] = {
    "wav2vec2": lambda: transformers.Wav2Vec2Config(**SPEECH),
    "xls-r": lambda: transformers.Wav2Vec2Config(
        **SPEECH, do_stable_layer_norm=True, feat_extract_norm="layer", conv_bias=True
    ),
    "hubert": lambda: transformers.HubertConfig(**SPEECH, do_stable_layer_norm=True, feat_extract_norm="layer"),
    "wavlm": lambda: transformers.WavLMConfig(**SPEECH),
    "data2vec-audio": lambda: transformers.Data2VecAudioConfig(**SPEECH),
    "w2v-bert": lambda: transformers.Wav2Vec2BertConfig(
        hidden_size=WIDTH,
        num_hidden_layers=BLOCKS,
        num_attention_heads=2,
        intermediate_size=32,
        feature_projection_input_dim=160,
        conv_depthwise_kernel_size=5,
    ),
    "whisper": lambda: transformers.WhisperConfig(
        d_model=WIDTH,
        encoder_layers=BLOCKS,
        encoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        vocab_size=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    ),
}
EXTRACTORS: dict[str, Any] = {
    "w2v-bert": lambda: transformers.SeamlessM4TFeatureExtractor(),
    "whisper": lambda: transformers.WhisperFeatureExtractor(feature_size=80),
}
RANDOM_SPREAD = 0.3  # of the weights: transformers' own 0.02 would make every layer almost the same


def checkpoint(folder: Path, family: str, normalise: bool = True) -> Path:
    """Save a model of ``family`` (a key of CONFIGS, or "mert": a model that brings its own code)."""
    torch.manual_seed(0)
    model = AutoModel.from_config(CONFIGS["hubert" if family == "mert" else family]())
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:
                weights.normal_(0, RANDOM_SPREAD / weights[0].numel() ** 0.5 * 3)
    model.save_pretrained(folder)
    plain = lambda: transformers.Wav2Vec2FeatureExtractor(do_normalize=normalise, return_attention_mask=True)  # noqa: E731
    EXTRACTORS.get(family, plain)().save_pretrained(folder)
    if family == "mert":
        _bring_own_code(folder)
    return folder


def _bring_own_code(folder: Path) -> None:
    (folder / "own_code.py").write_text(
        textwrap.dedent("""\
        from transformers import HubertConfig, HubertModel


        class OwnConfig(HubertConfig):
            model_type = "own_model"


        class OwnModel(HubertModel):
            config_class = OwnConfig
        """)
    )
    config = folder / "config.json"
    config.write_text(
        config.read_text().replace(
            '"model_type": "hubert"',
            '"model_type": "own_model",\n  "auto_map": {"AutoConfig": "own_code.OwnConfig", '
            '"AutoModel": "own_code.OwnModel"}',
        )
    )


def bundle(normalise: bool) -> torchaudio.pipelines.Wav2Vec2Bundle:
    """A torchaudio pipeline with random weights."""

    class RandomBundle(torchaudio.pipelines.Wav2Vec2Bundle):  # type: ignore[misc]
        def _get_state_dict(self, options: Any) -> Any:
            torch.manual_seed(0)
            return torchaudio.models.wav2vec2_model(**self._params).state_dict()

    params = {
        "extractor_mode": "layer_norm",
        "extractor_conv_layer_config": [(CHANNELS, 20, 20), (CHANNELS, 16, 16)],
        "extractor_conv_bias": False,
        "encoder_embed_dim": WIDTH,
        "encoder_projection_dropout": 0.0,
        "encoder_pos_conv_kernel": 4,
        "encoder_pos_conv_groups": 2,
        "encoder_num_layers": BLOCKS,
        "encoder_num_heads": 2,
        "encoder_attention_dropout": 0.0,
        "encoder_ff_interm_features": 32,
        "encoder_ff_interm_dropout": 0.0,
        "encoder_dropout": 0.0,
        "encoder_layer_norm_first": True,
        "encoder_layer_drop": 0.0,
        "aux_num_out": None,
    }
    return RandomBundle("nowhere", params, 16_000, normalise, "Wav2Vec2")


def encoder_params(**given: Any) -> EncoderParams:
    """Return params of a transformers encoder unless told otherwise."""
    usual = {
        "kind": "transformers",
        "model": None,
        "revision": None,
        "layer": None,
        "extra_layers": [],
        "dtype": "auto",
        "trust_remote_code": False,
    }
    return EncoderParams(**(usual | given))


@torch.inference_mode()
def encode(encoder: Encoder, clips: Tensor) -> list[Tensor]:
    """Embed waveforms (B, samples): (B, D, T) for each layer of the encoder."""
    inputs = [encoder.prepare(clip) for clip in clips]
    return encoder({name: torch.stack([each[name] for each in inputs]) for name in inputs[0]})


def break_convolutions(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, factor: float = 1.0) -> None:
    """Let every strided Conv1d in ``dtype`` give its channels in the wrong order, as if a kernel were wrong.

    Args:
        monkeypatch: undoes it.
        dtype: other number formats stay right.
        factor: of the result; NaN: it is not finite.
    """
    right = nn.Conv1d._conv_forward

    def wrong(layer: nn.Conv1d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        result = right(layer, x, weight, bias)
        return factor * result.flip(1) if x.dtype == dtype and layer.stride[0] > 1 else result

    monkeypatch.setattr(nn.Conv1d, "_conv_forward", wrong)
