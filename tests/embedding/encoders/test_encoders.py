"""Encoders: shape, hop, determinism, the chosen layers, normalisation, and what is said when one can't be had."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchaudio
from distillmos import ConvTransformerSQAModel
from safetensors.torch import load_file, save_file
from transformers import AutoFeatureExtractor, AutoModel

from datmos.core.errors import DatmosError
from datmos.embedding.encoders.finder import find_encoder
from datmos.embedding.encoders.interface import Encoder
from datmos.embedding.settings import ENCODERS
from helpers import tiny_encoders as tiny
from helpers.tiny_encoders import BLOCKS, CONFIGS, WIDTH, checkpoint, encode, encoder_params

CPU = torch.device("cpu")
FAMILIES = [*CONFIGS, "mert", "torchaudio", "torchaudio-normalised", "distillmos"]


def waveforms(samples: int = 16_000) -> torch.Tensor:
    return 0.1 * torch.randn(2, samples, generator=torch.Generator().manual_seed(1)) + 0.05


@pytest.fixture
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where transformers copies the code that models bring: not into the tester's home."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_modules: None) -> Any:
    """Return a function that makes a loaded encoder of a family."""

    def make_encoder(family: str, pooled: int | None = None, **given: Any) -> Encoder:
        if family == "distillmos":
            params = encoder_params(kind="distillmos", **given)
        elif family.startswith("torchaudio"):
            monkeypatch.setattr(torchaudio.pipelines, "TINY", tiny.bundle(family.endswith("d")), raising=False)
            params = encoder_params(kind="torchaudio", model="TINY", **given)
        else:
            model = str(checkpoint(tmp_path / "model", family))
            params = encoder_params(model=model, trust_remote_code=family == "mert", **given)
        encoder = find_encoder(params, pooled, CPU)
        encoder.load()
        return encoder

    return make_encoder


def test_every_kind_is_among_the_families() -> None:
    assert set(ENCODERS) == {"transformers", "torchaudio", "distillmos", "aisfx"}  # the last: test_aisfx.py


@pytest.mark.parametrize("family", FAMILIES)
def test_shape_rate_hop_and_determinism(family: str, make: Any) -> None:
    encoder = make(family)
    assert encoder.sample_rate == 16_000
    frames, pooled = encode(encoder, waveforms())
    assert torch.equal(frames, pooled)
    width = 200 if family == "distillmos" else WIDTH
    # w2v-BERT's mel frames are 25 ms wide and begin every 10 ms: 98 of them in a second, in pairs
    assert frames.shape == (2, width, 49 if family == "w2v-bert" else 16_000 // encoder.hop)
    longer = encode(encoder, waveforms(16_000 + 10 * encoder.hop))[0]
    assert longer.shape[2] == frames.shape[2] + 10  # so the hop is true
    assert torch.equal(frames, encode(encoder, waveforms())[0])
    # each clip is encoded for itself: its neighbours in the batch change nothing but last bits
    torch.testing.assert_close(encode(encoder, waveforms()[1:])[0], frames[1:], rtol=1e-4, atol=1e-5)
    if family != "distillmos":
        assert 0.05 < frames.std() < 50
        assert (frames[0] - frames[1]).abs().mean() > 1e-3  # it hears a difference


@pytest.mark.parametrize("family", [*CONFIGS, "mert"])
@pytest.mark.parametrize("layer", [1, 2, None])
def test_the_chosen_layer_is_the_hidden_state_of_that_index(
    family: str, layer: int | None, make: Any, tmp_path: Path
) -> None:
    """Against the whole model, run as its documentation says."""
    (found, pooled) = encode(make(family, layer=layer, pooled=3), waveforms())
    whole = AutoModel.from_pretrained(tmp_path / "model", trust_remote_code=family == "mert").eval()
    extractor = AutoFeatureExtractor.from_pretrained(tmp_path / "model")
    inputs = extractor(
        [clip.numpy() for clip in waveforms()], sampling_rate=16_000, return_tensors="pt", padding="longest"
    )
    if family == "whisper":
        inputs = extractor([clip.numpy() for clip in waveforms()], sampling_rate=16_000, return_tensors="pt")
        whole = whole.encoder
    with torch.inference_mode():
        states = whole(**inputs, output_hidden_states=True).hidden_states
    assert len(states) == BLOCKS + 1
    for frames, index in ((found, layer or 3), (pooled, 3)):
        expected = states[index].transpose(1, 2)[:, :, : frames.shape[2]]
        torch.testing.assert_close(frames, expected, rtol=1e-5, atol=1e-5)
    assert layer is None or not torch.allclose(found, pooled, atol=0.01)  # the layers do differ


def test_blocks_above_the_highest_layer_are_not_even_loaded(make: Any) -> None:
    for family in ("xls-r", "whisper", "w2v-bert", "torchaudio"):
        names = " ".join(make(family, layer=1, pooled=2)._model.state_dict())
        assert "layers.1." in names, family
        assert "layers.2." not in names, family


def test_several_layers_at_once(make: Any) -> None:
    encoder = make("wavlm", layer=2, extra_layers=[3, 1], pooled=1)
    assert encoder.layers == (2, 3, 1, 1)
    second, third, first, pooled = encode(encoder, waveforms())
    assert torch.equal(first, pooled)
    for layer, found in ((1, first), (2, second), (3, third)):
        torch.testing.assert_close(encode(make("wavlm", layer=layer), waveforms())[0], found, rtol=1e-5, atol=1e-5)


def test_no_normalisation_where_the_model_was_trained_without(tmp_path: Path) -> None:
    for normalise in (True, False):
        folder = checkpoint(tmp_path / str(normalise), "xls-r", normalise)
        encoder = find_encoder(encoder_params(model=str(folder)), None, CPU)
        prepared = encoder.prepare(waveforms()[0])["input_values"]
        x = waveforms()[0]
        expected = (x - x.mean()) / torch.sqrt(x.var(unbiased=False) + 1e-7) if normalise else x
        torch.testing.assert_close(prepared, expected, rtol=1e-5, atol=1e-5)


def test_an_attention_mask_of_ones_changes_nothing(tmp_path: Path) -> None:
    """Why no mask is passed to models that take waveforms, whatever their family's rule."""
    for family in ("wav2vec2", "xls-r", "hubert", "wavlm", "data2vec-audio"):
        model = AutoModel.from_pretrained(checkpoint(tmp_path / family, family)).eval()
        with torch.inference_mode():
            plain = model(waveforms()).last_hidden_state
            masked = model(waveforms(), attention_mask=torch.ones(2, 16_000, dtype=torch.int64)).last_hidden_state
        torch.testing.assert_close(plain, masked, rtol=1e-5, atol=1e-5)


def test_an_odd_number_of_mel_frames_leaves_no_padding_behind(make: Any) -> None:
    """w2v-BERT: 99 mel frames are padded to 100; the last pair is masked in the model and cut off here."""
    encoder = make("w2v-bert")
    inputs = encoder.prepare(waveforms(16_160)[0])
    assert inputs["attention_mask"].tolist() == [1] * 49 + [0]
    assert encode(encoder, waveforms(16_160))[0].shape[2] == 49


def test_torchaudio_layers_and_normalisation(make: Any) -> None:
    for family in ("torchaudio", "torchaudio-normalised"):
        encoder = make(family, layer=2, pooled=3)
        whole = torchaudio.pipelines.TINY.get_model().eval()
        for clip in waveforms():
            with torch.inference_mode():
                outputs, _ = whole.extract_features(clip[None])
            for found, index in zip(encode(encoder, clip[None]), (1, 2), strict=True):
                torch.testing.assert_close(found, outputs[index].transpose(1, 2), rtol=1e-5, atol=1e-5)


def test_distillmos_features_meet_a_head_at_unit_scale_whatever_the_level(make: Any) -> None:
    encoder = make("distillmos")
    embeddings = encode(encoder, waveforms())[0]
    torch.testing.assert_close(encode(encoder, 0.01 * waveforms())[0], embeddings, rtol=1e-3, atol=1e-3)
    assert 0.3 < embeddings.std() < 3


@torch.inference_mode()
def test_distillmos_layers_against_the_whole_model(make: Any) -> None:
    whole = ConvTransformerSQAModel(segmenting_in_forward=False).eval()
    clips = waveforms(122_880)  # as long as the model takes
    clips /= clips.abs().amax(dim=1, keepdim=True)
    outputs: dict[Any, torch.Tensor] = {}
    inside = whole.transformer_pool_attn.transformer
    watched = {
        0: whole.cnn,
        None: inside.linear_proj,
        **dict(enumerate(inside.transformer_encoder.layers, start=1)),
    }
    for layer, module in watched.items():
        module.register_forward_hook(lambda _module, _inputs, output, layer=layer: outputs.update({layer: output}))
    torch.backends.mha.set_fastpath_enabled(False)  # it runs no hooks
    whole(clips)
    torch.backends.mha.set_fastpath_enabled(True)
    for layer in (None, 1, 7):
        found, pooled = encode(make("distillmos", layer=layer, pooled=3), clips)
        for own, number in ((found, layer), (pooled, 3)):
            pairs = outputs[number].mT.unflatten(2, (-1, 2)).mean(dim=3)
            torch.testing.assert_close(own, pairs, rtol=1e-3, atol=1e-3)
    found, _ = encode(make("distillmos", layer=0), clips)
    torch.testing.assert_close(found, 64 * outputs[0].unflatten(2, (-1, 2)).mean(dim=3), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("family", ["xls-r", "torchaudio", "distillmos", "whisper", "w2v-bert"])
@pytest.mark.takes(1)
def test_half_precision_is_near(family: str, make: Any) -> None:
    single = encode(make(family), waveforms())[0]
    half = encode(make(family, dtype="bfloat16"), waveforms())[0]
    assert half.dtype == torch.bfloat16
    error = (half.float() - single).square().mean() / single.var()
    assert 0 < error < 0.01


def test_the_identity_follows_the_weights_not_the_folder(tmp_path: Path) -> None:
    def identity(name: str, family: str) -> dict[str, Any]:
        folder = checkpoint(tmp_path / name / "model", family)
        return find_encoder(encoder_params(model=str(folder)), None, CPU).identity

    assert identity("a", "wav2vec2") == identity("b", "wav2vec2")
    assert identity("a", "wav2vec2") != identity("c", "wavlm")
    assert str(tmp_path) not in str(identity("a", "wav2vec2"))


def test_a_model_with_its_own_code_needs_trust(tmp_path: Path, own_modules: None) -> None:
    folder = checkpoint(tmp_path / "model", "mert")
    with pytest.raises(DatmosError, match=r"own code.*encoder\.trust_remote_code=true"):
        find_encoder(encoder_params(model=str(folder)), None, CPU)


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def find(pooled: int | None = None, **given: Any) -> Encoder:
        return find_encoder(encoder_params(**given), pooled, CPU)

    with pytest.raises(DatmosError, match=r"'nobody/nothing'.*local folder.*encoder\.model=FOLDER"):
        find(model="nobody/nothing", revision="abc")
    with pytest.raises(DatmosError, match="revision pinned"):
        find(model="nobody/nothing")
    with pytest.raises(DatmosError, match="holds no audio encoder"):
        find(model=str(tmp_path))
    folder = str(checkpoint(tmp_path / "m", "wavlm"))
    with pytest.raises(DatmosError, match=r"has 3 layers.*ask for 4, 3"):
        find(model=folder, layer=4, pooled=3)
    with pytest.raises(DatmosError, match=r"has 3 layers.*ask for 3, 9"):
        find(model=folder, pooled=9)
    with pytest.raises(DatmosError, match=r"has 3 layers, counted from 1;.*ask for 0, 3"):
        find(model=folder, layer=0, pooled=3)
    with pytest.raises(DatmosError, match=r"distillmos has 7 layers, counted from 0;.*ask for 2, 8"):
        find(kind="distillmos", layer=2, pooled=8)
    with pytest.raises(DatmosError, match=r"layer 0 of distillmos has 1024 channels.*ask for null, 0"):
        find(kind="distillmos", pooled=0)
    with pytest.raises(DatmosError, match=r"take clips of at most 7\.68 s.*audio\.clip_seconds"):
        encode(make("distillmos", layer=1), waveforms(8 * 16_000))
    with pytest.raises(DatmosError, match="did you mean 'WAV2VEC2_XLSR_2B'"):
        find(kind="torchaudio", model="WAV2VEC2_XLS_2B")
    with pytest.raises(DatmosError, match=r"takes at most 30 s, got 31 s"):
        make("whisper").prepare(torch.zeros(31 * 16_000))


def test_a_checkpoint_without_weights(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", "wavlm")
    (folder / "model.safetensors").unlink()
    encoder = find_encoder(encoder_params(model=str(folder)), None, CPU)
    with pytest.raises(DatmosError, match="holds no audio encoder"):
        encoder.load()


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    """Change the weights of a checkpoint by name."""
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


@pytest.mark.parametrize("family", ["xls-r", "wavlm", "whisper", "w2v-bert"])
def test_weights_that_lack_are_not_made_up(family: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / family, family)
    lost = next(name for name in load_file(folder / "model.safetensors") if "encoder.layers.0." in name)
    rewrite(folder, lambda weights: {name: value for name, value in weights.items() if name != lost})
    with pytest.raises(DatmosError, match=r"lacks 1 weights that are used: .*layers\.0\..*Random ones would take"):
        find_encoder(encoder_params(model=str(folder), layer=1), None, CPU).load()


def test_names_of_a_wrapper_are_said(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model", "xls-r")
    rewrite(folder, lambda weights: {f"ssl_model.model.{name}": value for name, value in weights.items()})
    with pytest.raises(DatmosError, match=r"It has 'ssl_model\.model\..*' instead"):
        find_encoder(encoder_params(model=str(folder), layer=1), None, CPU).load()


@pytest.mark.parametrize("prefix", ["", "wav2vec2."])
def test_old_names_of_weights_are_read_rightly(prefix: str, tmp_path: Path) -> None:
    """Of checkpoints from before torch's parametrisations, and of those of a model with a head."""

    def embedding(folder: Path) -> torch.Tensor:
        encoder = find_encoder(encoder_params(model=str(folder), layer=1), None, CPU)
        encoder.load()
        return encode(encoder, waveforms())[0]

    def old(name: str) -> str:
        for new, former in (("original0", "weight_g"), ("original1", "weight_v")):
            name = name.replace(f"parametrizations.weight.{new}", former)
        return prefix + name

    folder = checkpoint(tmp_path / "model", "xls-r")
    expected = embedding(folder)
    rewrite(folder, lambda weights: {old(name): value for name, value in weights.items()})
    names = load_file(folder / "model.safetensors")
    assert sum("weight_g" in name for name in names) == 1
    assert all(name.startswith(prefix) for name in names)
    torch.testing.assert_close(embedding(folder), expected, rtol=0, atol=0)


def test_weights_that_are_not_used_may_lack(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model", "xls-r")

    def used(name: str) -> bool:
        return "encoder.layers.1." not in name and not name.endswith("masked_spec_embed")

    rewrite(folder, lambda weights: {name: value for name, value in weights.items() if used(name)})
    find_encoder(encoder_params(model=str(folder), layer=1), None, CPU).load()
    with pytest.raises(DatmosError, match=r"layers\.1\."):
        find_encoder(encoder_params(model=str(folder), layer=2), None, CPU).load()


def test_torchaudio_weights_that_lack_or_are_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    file = tmp_path / "checkpoints" / torchaudio.pipelines.WAV2VEC2_BASE._path
    file.parent.mkdir()
    encoder = find_encoder(encoder_params(kind="torchaudio", model="WAV2VEC2_BASE", layer=1), None, CPU)
    for content in (b"damaged", None):
        file.write_bytes(b"damaged") if content else torch.save({"encoder.x": torch.zeros(1)}, file)
        with pytest.raises(DatmosError, match=f"can't be read .* Delete its file in {tmp_path}/checkpoints"):
            encoder.load()


def test_torchaudio_weights_that_cannot_be_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any) -> None:
        raise OSError("no route")

    monkeypatch.setattr(torchaudio.pipelines.Wav2Vec2Bundle, "get_model", refuse)
    encoder = find_encoder(encoder_params(kind="torchaudio", model="WAV2VEC2_XLSR_2B"), None, CPU)
    assert (encoder.layers, encoder.hop) == ((48, 48), 320)
    with pytest.raises(DatmosError, match=r"no route.*local folder"):
        encoder.load()
