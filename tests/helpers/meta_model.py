"""Meta's own Audiobox-Aesthetics model, made small, with random weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from audiobox_aesthetics.model import aes, wavlm
from safetensors.torch import save_file

TRANSFORM = {name: {"mean": 4.0 + place, "std": 1.0 + place / 4} for place, name in enumerate(aes.AXES_NAME)}
ARGUMENTS: dict[str, Any] = {
    "proj_num_layer": 3,
    "proj_ln": True,
    "proj_act_fn": "gelu",
    "proj_dropout": 0.0,
    "nth_layer": 4,
    "use_weighted_layer_sum": True,
    "precision": "32",
    "normalize_embed": True,
    "output_dim": 1,
}
SMALL = {
    "encoder_layers": 3,
    "encoder_embed_dim": 24,
    "encoder_ffn_embed_dim": 40,
    "encoder_attention_heads": 4,
    "conv_feature_layers": "[(16,10,5)] + [(16,3,2)] * 4 + [(16,2,2)] * 2",
    "conv_pos": 16,
    "conv_pos_groups": 4,
    "num_buckets": 32,
}


def meta_model(monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> Any:
    """Its class with its own code, on a small WavLM; weights large enough that every part matters."""
    monkeypatch.setattr(aes, "DEFAULT_AUDIO_CFG", wavlm.WavLMConfig(vars(aes.DEFAULT_AUDIO_CFG) | SMALL))
    torch.manual_seed(0)
    model = aes.AesMultiOutput(**ARGUMENTS | {"target_transform": TRANSFORM} | arguments)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() > 1 and "weight_g" not in name:
                weights.normal_(0, 1.0 / weights[0].numel() ** 0.5)
            elif "layer_weights" in name or "bias" in name or "grep_a" in name:
                weights.add_(torch.randn_like(weights))
    return model.eval()


def save_for_hub(model: Any, folder: Path) -> Path:
    """Write what its `save_pretrained` writes."""
    folder.mkdir()
    save_file(
        {name: value.contiguous() for name, value in model.state_dict().items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps(ARGUMENTS | {"target_transform": TRANSFORM}))
    return folder


def save_checkpoint_pt(model: Any, path: Path) -> Path:
    """Write what Meta calls checkpoint.pt."""
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "model_cfg": ARGUMENTS, "target_transform": TRANSFORM}, path)
    return path
