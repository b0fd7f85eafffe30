"""How fast and how large embedding is, beside the published way, on the same weights and clips in one run.

    python benchmarks/embed_speed.py                  # 2 CPU cores: about 12 minutes; uses a GPU if there is one
    python benchmarks/embed_speed.py --clips 512      # for a GPU

The published way: one file at a time, all layers, float32, one ``.npy`` a clip. Ours: `datmos.embedding.embed`,
from the files to the finished store, without a lasting cache. Both read the same FLAC files (44.1 kHz, stereo) and
the same random weights in the shape of XLS-R 300M; neither's time counts reading the weights, nor four clips that
warm the process up. Every run is a process of its own, and the two take turns, so that other work on the machine
meets both.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import torch
import torchaudio
import yaml
from machine import matmul_peak, memory_text, peak_memory
from torch.nn.utils import parametrize
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm
from transformers import AutoModel, Wav2Vec2Config, Wav2Vec2FeatureExtractor
from transformers.utils import logging

from datmos.audio.settings import AudioParams
from datmos.core.device import pick_device
from datmos.core.files import file_digest
from datmos.core.processes import ALONE
from datmos.embedding.clip_encoder import plan_work
from datmos.embedding.embed import embed_clips
from datmos.embedding.encoders.finder import find_encoder
from datmos.embedding.settings import EmbedParams, EncoderParams

FILE_RATE, RATE = 44_100, 16_000
WARM_UP = 4  # clips before the clock starts: first uses of memory and kernels, which a real run meets once
XLSR_300M: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
    "conv_bias": True,
}


def make_model(folder: Path) -> None:
    torch.manual_seed(0)
    AutoModel.from_config(Wav2Vec2Config(**XLSR_300M)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)


def make_clips(folder: Path, count: int, seconds: float) -> None:
    generator = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        samples = generator.normal(0, 0.1, (round(seconds * FILE_RATE), 2)).cumsum(axis=0)
        soundfile.write(folder / f"{number:05}.flac", 0.5 * samples / np.abs(samples).max(), FILE_RATE)


@torch.inference_mode()
def published(model_folder: Path, clips: list[Path], seconds: float, layer: int, out: Path) -> float:
    device = pick_device()
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(model_folder)
    model = AutoModel.from_pretrained(model_folder).eval().to(device)
    out.mkdir()
    started = 0.0
    for number, path in enumerate(clips):
        if number == WARM_UP:
            started = time.perf_counter()
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        waveform = torchaudio.functional.resample(torch.from_numpy(samples.mean(axis=1)), rate, RATE)
        waveform = waveform[: round(seconds * RATE)]
        inputs = extractor(waveform.numpy(), sampling_rate=RATE, return_tensors="pt").to(device)
        states = model(**inputs, output_hidden_states=True).hidden_states
        np.save(out / f"{path.stem}.npy", states[layer][0].cpu().numpy())  # (T, D)
    return time.perf_counter() - started


def ours(model_folder: Path, clips: list[Path], seconds: float, layer: int, out: Path) -> float:
    params = EncoderParams(
        kind="transformers",
        model=str(model_folder),
        revision=None,
        layer=layer,
        extra_layers=[],
        dtype="auto",
        trust_remote_code=False,
    )
    processes = ALONE._replace(device=pick_device())
    encoder: Any = find_encoder(params, None, processes.device)
    encoder.load()
    encoder.load = lambda: None
    names = [path.name for path in clips]
    manifest = pd.DataFrame({"clip_id": names, "path": names, "sha256": [file_digest(path) for path in clips]})
    audio = AudioParams(clip_seconds=seconds, offset=0.0, min_seconds=0.1)
    plan = plan_work(
        EmbedParams(frames=True, batch_size=None, workers=None, cache=None, launcher="python"), processes
    )
    embed_clips(manifest[:WARM_UP], clips[0].parent, audio, encoder, None, plan, out.with_name("warm-up"))
    started = time.perf_counter()
    embed_clips(manifest[WARM_UP:], clips[0].parent, audio, encoder, None, plan, out)
    return time.perf_counter() - started


WAYS = {"published": published, "ours": ours}


def measure(way: str, folder: Path, count: int, seconds: float, layer: int) -> dict[str, float]:
    """Run one way in a process of its own; seconds and peak memory (GiB of the process, and of the GPU)."""
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
    command += ["--clips", str(count), "--seconds", str(seconds), "--layer", str(layer)]
    environment = os.environ | (stage_environment() if way == "ours" else {})
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if result.returncode != 0:
        raise RuntimeError(result.stderr[-3000:])
    found: dict[str, float] = json.loads(result.stdout.strip().splitlines()[-1])
    return found


def stage_environment() -> dict[str, str]:
    """What dvc.yaml sets for the stage."""
    stage = yaml.safe_load(Path(__file__).parents[1].joinpath("dvc.yaml").read_text())["stages"]["embed"]
    return dict(word.split("=", 1) for word in stage["cmd"].split() if "=" in word)


def run_one(way: str, folder: Path, count: int, seconds: float, layer: int) -> None:
    logging.disable_progress_bar()
    clips = sorted((folder / "clips").iterdir())[: WARM_UP + count]
    with tempfile.TemporaryDirectory(dir=folder) as out:
        elapsed = WAYS[way](folder / "model", clips, seconds, layer, Path(out) / "out")
        sample = Path(out) / "out" / ("frames.npy" if way == "ours" else f"{clips[WARM_UP].stem}.npy")
        values = np.load(sample, mmap_mode="r")
        np.save(folder / f"{way}.npy", values[0].T if way == "ours" else values)
    found = {"seconds": elapsed, "memory": peak_memory()}
    if torch.cuda.is_available():
        found["gpu_memory"] = torch.cuda.max_memory_reserved() / 2**30
    print(json.dumps(found))


@torch.inference_mode()
def flop_of_a_clip(model_folder: Path, layers: int, seconds: float) -> float:
    model = AutoModel.from_pretrained(model_folder, num_hidden_layers=layers).eval()
    for module in model.modules():  # weight normalisation, which the counter does not follow
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight")
    with FlopCounterMode(display=False) as counter:
        model(torch.randn(1, round(seconds * RATE)))
    return float(counter.get_total_flops())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=8, help="N: clips of a timed run")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a clip")
    parser.add_argument("--rounds", type=int, default=3, help="turns that both ways take")
    parser.add_argument("--layer", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        run_one(options.way, options.folder, options.clips, options.seconds, options.layer)
        return
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    device = pick_device()
    blocks = XLSR_300M["num_hidden_layers"]
    peaks = {"published": matmul_peak(device, torch.float32), "ours": matmul_peak(device, torch.float32)}
    if device.type == "cuda":
        peaks["ours"] = matmul_peak(device, torch.bfloat16)
    print(f"{device}, {torch.get_num_threads()} threads; matmul {peaks['published'] / 1e9:.0f} GFLOP/s")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_model(folder / "model")
        make_clips(folder / "clips", WARM_UP + 10 * options.clips, options.seconds)
        for layer in (blocks // 2, blocks):
            turns = [(number, way) for number in range(options.rounds) for way in WAYS]
            found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
            for _, way in tqdm(turns, desc=f"layer {layer} of {blocks}", unit="run"):
                found[way].append(measure(way, folder, options.clips, options.seconds, layer))
            print(f"\nlayer {layer} of {blocks}, {options.clips} clips of {options.seconds:g} s")
            for way, runs in found.items():
                rate = options.clips / float(np.median([run["seconds"] for run in runs]))
                flop = flop_of_a_clip(folder / "model", blocks if way == "published" else layer, options.seconds)
                print(
                    f"  {way:10} {rate:8.3f} clips/s   {rate * options.seconds:7.2f} x real time   "
                    f"{rate * flop / peaks[way]:4.0%} of the matmul rate   {memory_text(runs)}"
                )
            ratios = [a["seconds"] / b["seconds"] for a, b in zip(found["published"], found["ours"], strict=True)]
            print(f"  ratio {np.median(ratios):.2f} (turns: {', '.join(f'{ratio:.2f}' for ratio in ratios)})")
            theirs, mine = np.load(folder / "published.npy"), np.load(folder / "ours.npy").astype(np.float32)
            error = np.square(theirs - mine).mean() / theirs.var()
            print(f"  squared difference of the values: {error:.1e} of their variance (float16 alone: about 5e-8)")
        print("\npeak memory of ours, layer 1")
        for count in (options.clips, 10 * options.clips):
            print(f"  {count:6} clips: {memory_text([measure('ours', folder, count, options.seconds, 1)])}")


if __name__ == "__main__":
    main()
