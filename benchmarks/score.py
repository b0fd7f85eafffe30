"""How fast and how large scoring is, beside Meta's own predictor, on the same weights and files in one run.

    python benchmarks/score.py            # 2 CPU cores: about 25 minutes
    python benchmarks/score.py --files 8 --rounds 1 --minutes 3 --hours 0.25

Theirs: `audiobox_aesthetics.infer.AesPredictor` of the PyPI package, with its default of 10 files a batch, and with
one. Ours: `datmos.load(checkpoint).score(files)`. Both read the same random weights in the shape of WavLM base and
the same FLAC files (44.1 kHz, stereo, 1 to 20 s). Their ``torchaudio.load`` needs torchcodec, so here both decode
with libsndfile. Neither's time counts imports, reading the weights, or two files that warm the process up. Every
run is a process of its own, and the ways take turns, so that other work on the machine meets all of them; where it
is much, look at the ratio of the processors' time, of which a waiting process uses none.

Then the peak memory for long files; theirs under a limit, since it asks for memory by the length of the file. Last,
ours on a file of hours with the default encoder.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import torch
from machine import peak_memory
from tqdm import tqdm

RATE = 44_100
WARM_UP = 2  # files before the clock starts
LIMIT = 10  # GiB of address space that theirs may take in the test of memory
ARGUMENTS: dict[str, Any] = {
    "proj_num_layer": 5,
    "proj_ln": True,
    "proj_act_fn": "gelu",
    "proj_dropout": 0.0,
    "nth_layer": 13,
    "use_weighted_layer_sum": True,
    "precision": "32",
    "normalize_embed": True,
    "output_dim": 1,
}
TRANSFORM = {name: {"mean": 5.0, "std": 1.5} for name in ("CE", "CU", "PC", "PQ")}


def make_checkpoint(path: Path) -> None:
    """Save random weights as Meta's checkpoint.pt has them; large enough that outputs differ between files."""
    from audiobox_aesthetics.model.aes import AesMultiOutput

    torch.manual_seed(0)
    model = AesMultiOutput(**ARGUMENTS, target_transform=TRANSFORM)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name.startswith("proj_layer") and weights.dim() > 1:
                weights.normal_(0, weights.shape[1] ** -0.5)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "model_cfg": ARGUMENTS, "target_transform": TRANSFORM}, path)


def make_default_model(folder: Path) -> None:
    """Write a folder of the pipeline with random heads on the default encoder."""
    from datmos.heads.familiarity import fit_familiarity, save_familiarity
    from datmos.heads.interface import HeadOptions
    from datmos.heads.model_files import save_models
    from datmos.heads.multigauss import MultiGauss
    from datmos.heads.stacked import member_state
    from datmos.params.schema import load_params

    params = load_params(Path(__file__).parents[1] / "params.yaml")
    options = HeadOptions(200, 75, 1, ("PQ", "PC", "CE", "CU"), (1.0, 10.0), 0.3)
    from datmos.embedding.encoders.finder import find_encoder

    encoder = find_encoder(params.encoder, None, torch.device("cpu"))
    config = {
        "strategy": "random",
        "aspects": list(options.aspects),
        "kind": "multigauss",
        "head": options._asdict(),
        "encoder": {**encoder.identity, "pooled_layer": None, "dimension": 200, "frames": 75},
        "encoder_params": params.encoder.model_dump(mode="json"),
        "audio": params.audio.model_dump(mode="json"),
        "seeds": {"0": {"best_epoch": 1}},
    }
    folder.mkdir()
    state = {f"head.{name}": value for name, value in member_state(MultiGauss(options).state_dict(), 0).items()}
    save_models(folder, config, {0: state})
    points = np.random.default_rng(0).normal(size=(64, 200)).astype(np.float32)
    save_familiarity(folder, fit_familiarity(points, points))


def write_file(path: Path, seconds: float, rate: int, channels: int) -> None:
    generator = np.random.default_rng(round(1000 * seconds))
    with soundfile.SoundFile(path, "w", rate, channels) as file:
        left = round(seconds * rate)
        while left > 0:
            block = generator.normal(0, 0.05, (min(left, 60 * rate), channels)).cumsum(axis=0)
            file.write(0.5 * block / np.abs(block).max())
            left -= len(block)


class Clock(NamedTuple):
    """Seconds, of the wall and of all processors together."""

    wall: float
    processor: float

    @classmethod
    def now(cls) -> "Clock":
        return cls(time.perf_counter(), time.process_time())

    def since(self) -> "Clock":
        now = Clock.now()
        return Clock(now.wall - self.wall, now.processor - self.processor)


def theirs(checkpoint: Path, files: list[Path], batch: int) -> tuple[Clock, list[list[float]]]:
    from audiobox_aesthetics import infer

    def read(meta: dict[str, Any]) -> tuple[torch.Tensor, int]:
        samples, rate = soundfile.read(meta["path"], dtype="float32", always_2d=True)
        waveform = torch.from_numpy(samples.T.copy())
        return waveform.mean(0, keepdim=True), rate

    infer.read_wav = read
    predictor = infer.initialize_predictor(str(checkpoint))
    items = [{"path": str(path)} for path in files]
    predictor.forward(items[:WARM_UP])
    started = Clock.now()
    rows = []
    for start in range(0, len(items), batch):
        rows += predictor.forward(items[start : start + batch])
    return started.since(), [[row[aspect] for aspect in sorted(TRANSFORM)] for row in rows]


def ours(model: Path, files: list[Path], batch: int) -> tuple[Clock, list[list[float]]]:
    from datmos import load

    scorer = load(model)
    scorer.score(files[:WARM_UP])
    started = Clock.now()
    scores = scorer.score(files)
    return started.since(), [[score.mean[aspect] for aspect in sorted(TRANSFORM)] for score in scores]


WAYS = {"theirs, 10 a batch": (theirs, 10), "theirs, 1 a batch": (theirs, 1), "ours": (ours, 1)}


def run_one(way: str, model: Path, files: list[Path]) -> None:
    if way != "ours":
        limit = LIMIT * 2**30
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    function, batch = WAYS[way]
    took, rows = function(model, files, batch)
    print(json.dumps({"seconds": took.wall, "processor": took.processor, "rows": rows, "memory": peak_memory()}))


def measure(way: str, model: Path, files: list[Path]) -> dict[str, Any] | None:
    """Run one way in a process of its own; None if it ran out of memory."""
    command = [sys.executable, __file__, "--way", way, "--model", str(model), *map(str, files)]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if result.returncode == 0:
        found: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
        return found
    if "alloc" in result.stderr or "MemoryError" in result.stderr:
        return None
    raise RuntimeError(result.stderr[-3000:])


def compare(folder: Path, count: int, rounds: int) -> None:
    lengths = np.exp(np.random.default_rng(0).uniform(np.log(1), np.log(20), count))
    files = [folder / f"{number:03}.flac" for number in range(count)]
    for path, seconds in zip(files, lengths, strict=True):
        write_file(path, float(seconds), RATE, 2)
    print(f"{count} files, {lengths.min():.1f} to {lengths.max():.1f} s, {lengths.sum():.0f} s in all")
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for way in tqdm([way for _ in range(rounds) for way in WAYS], desc="mixed lengths", unit="run"):
        result = measure(way, folder / "checkpoint.pt", files)
        assert result is not None, way
        found[way].append(result)
    for way, runs in found.items():
        rate = count / float(np.median([run["seconds"] for run in runs]))
        memory = max(run["memory"] for run in runs)
        print(f"  {way:20} {rate:6.3f} files/s  {rate * lengths.mean():5.2f} x real time  {memory:.2f} GiB")
    for way in list(WAYS)[:2]:
        for key in ("seconds", "processor"):
            ratios = [a[key] / b[key] for a, b in zip(found[way], found["ours"], strict=True)]
            turns = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"  {way} / ours, {key}: {np.median(ratios):.2f} (turns: {turns})")
    expected, scores = (np.array(found[way][0]["rows"]) for way in ("theirs, 1 a batch", "ours"))
    spread = ", ".join(f"{value:.2f}" for value in expected.std(axis=0))
    print(f"  largest difference of a score: {np.abs(expected - scores).max():.1e} (SD over files: {spread})")


def memory_of_long_files(folder: Path, minutes: float) -> None:
    print(f"peak memory of one long file (theirs limited to {LIMIT} GiB of address space)")
    for way, lengths in (("theirs, 1 a batch", [0.5, 1, 2, minutes]), ("ours", [0.5, minutes])):
        for length in lengths:
            path = folder / f"{length:g}.flac"
            if not path.exists():
                write_file(path, 60 * length, 16_000, 1)
            result = measure(way, folder / "checkpoint.pt", [path])
            text = "out of memory" if result is None else f"{result['memory']:.2f} GiB, {result['seconds']:.0f} s"
            print(f"  {way:20} {length:5g} min: {text}", flush=True)


def memory_of_hours(folder: Path, hours: float) -> None:
    print("ours, default encoder, random heads")
    make_default_model(folder / "default")
    for length in (hours / 60, hours):
        write_file(folder / "hours.flac", 3600 * length, RATE, 2)
        result = measure("ours", folder / "default", [folder / "hours.flac"])
        assert result is not None
        speed = 3600 * length / result["seconds"]
        print(f"  {60 * length:5g} min: {result['memory']:.2f} GiB, {speed:.0f} x real time", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=24, help="of mixed lengths")
    parser.add_argument("--rounds", type=int, default=3, help="turns that all ways take")
    parser.add_argument("--minutes", type=float, default=30.0, help="of the long file")
    parser.add_argument("--hours", type=float, default=3.0, help="of the file for the default encoder; 0: none")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("paths", type=Path, nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        run_one(options.way, options.model, options.paths)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_checkpoint(folder / "checkpoint.pt")
        if options.files:
            compare(folder, options.files, options.rounds)
        if options.minutes:
            memory_of_long_files(folder, options.minutes)
        if options.hours:
            memory_of_hours(folder, options.hours)


if __name__ == "__main__":
    main()
