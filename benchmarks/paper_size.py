"""What every stage after `embed` needs at the size of the paper's run: time, memory, disk, and a kill.

    python benchmarks/paper_size.py --lists FOLDER --quick                # 2 CPU cores: 80 minutes
    python benchmarks/paper_size.py --lists FOLDER --quick --only domains train@baseline evaluate --kill

FOLDER holds the published lists (docs/reproduce-the-paper.md). The clips are theirs, as many as the paper had audio
for, and PAM's. The embeddings are made up: 1920 x 499, half precision, 13 GB, with a weak signal of source and
scores in them. The settings are those of presets/paper.yaml without fine-tuning, which reads audio. Heads that read
frames are trained for one epoch, others in full. `--quick` leaves out strategies that take what another takes, and
all but two of the seeds of the ablation.

A stage's script runs as DVC runs it. Its memory is that of all its processes without mapped files. `--kill` kills
it (SIGKILL) at a random moment of a second run; a third must then end with the same bytes.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import yaml
from machine import session_memory
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from datmos.core.files import file_digest, write_csv, write_metrics, write_parquet
from datmos.core.registry import find
from datmos.core.seeding import derive_seed
from datmos.core.statistics import time_statistics
from datmos.core.store import write_store
from datmos.datasets.audiomos2025 import read_audiomos2025
from datmos.datasets.manifest import manifest_schema, summarise
from datmos.datasets.pam import read_pam
from datmos.heads.interface import HeadOptions
from datmos.heads.registry import HEADS
from datmos.params.schema import Params

REPOSITORY = Path(__file__).resolve().parents[1]
DIMENSION, FRAMES = 1920, 499  # of XLS-R 2B and 10 s
HAD = {"train": 2544, "valid": 232}  # clips that the paper had audio for
BASES = 32  # noises that clips are made of: a new one for each clip would take most of the time
H100 = {"operations": 989e12, "bytes": 3.35e12}  # a second, in bfloat16, by its data sheet
SAME = (  # as multigauss, as baseline
    "multigauss_l2", "multigauss_high_dropout", "multigauss_dat_source", "multigauss_dat_random", "qamro",
    "dat_source", "dat_kmeans", "dat_random", "dat_multi", "erased",
)  # fmt: skip
BYTES = 16  # of a value: read in half, written and read in float32, then written once and read twice in bfloat16
STAGES = (
    "domains", "reference", "train", "granularity", "evaluate", "set_evaluate", "figures", "report",
)  # fmt: skip


class Stage(NamedTuple):
    """A stage of dvc.yaml, or one instance of it."""

    name: str
    item: str  # empty: the stage has no instances
    outs: list[Path]

    def __str__(self) -> str:
        return f"{self.name}@{self.item}" if self.item else self.name


class Run(NamedTuple):
    """What a stage took."""

    seconds: float
    memory: float  # GiB
    epochs: float  # seconds of `seconds` that grow with the epochs


def make_project(project: Path, lists: Path, epochs: int, quick: bool) -> dict[str, Any]:
    """Write what the stages read: sources, params.yaml, manifests, embeddings. Returns the params."""
    for name in ("src", "stages"):
        shutil.rmtree(project / name, ignore_errors=True)
        shutil.copytree(REPOSITORY / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    params = preset()
    params["finetune"] |= {"strategies": {}, "baselines": [], "published": {}}
    params["train"]["epochs"] = epochs
    for strategy in params["strategies"].values():
        if reads(strategy) != "statistics":
            strategy.get("train", {}).pop("epochs", None)
    if quick:
        params["strategies"] = {name: own for name, own in params["strategies"].items() if name not in SAME}
        params["granularity"] |= {"strategies": ["multigauss_dat_kmeans"], "seeds": 2}
        params["umap"]["strategies"] = ["multigauss", "multigauss_dat_kmeans"]
    Params.model_validate(params)
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    if (project / "data/sets/pam/embeddings").exists():
        return params
    aspects = params["data"]["aspects"]
    clips = read_audiomos2025(lists, aspects)
    kept = [
        own.sample(min(len(own), HAD.get(split, len(own))), random_state=0) for split, own in clips.groupby("split")
    ]
    make_clips(project / "data", pd.concat(kept), aspects, project / "data/details")
    make_clips(project / "data/sets/pam", read_pam(lists, aspects), aspects, project / "metrics/sets/pam")
    return params


def preset() -> dict[str, Any]:
    """The paper's settings."""
    params: dict[str, Any] = yaml.safe_load((REPOSITORY / "presets/paper.yaml").read_text())
    return params


def make_clips(folder: Path, clips: pd.DataFrame, aspects: list[str], counts: Path) -> None:
    """Write manifest and embeddings of clips."""
    clips = clips.drop(columns="missing").sort_values("clip_id", ignore_index=True)
    clips = clips.assign(duration_s=10.0, sample_rate=16000, channels=1, sha256=clips["clip_id"])
    write_metrics(counts / "manifest.json", summarise(clips, clips[:0], aspects))
    write_parquet(folder / "manifest.parquet", clips, manifest_schema(aspects))
    description = {
        "kind": "transformers", "name": "made up", "revision": None, "dtype": "float16", "layers": [12],
        "cluster_layer": 12, "sample_rate": 16000, "hop": 320, "clip_seconds": 10.0,
    }  # fmt: skip
    write_store(folder / "embeddings", clips["clip_id"], embeddings(clips, aspects), description)


def embeddings(clips: pd.DataFrame, aspects: list[str]) -> Iterator[dict[str, np.ndarray]]:
    """Yield the arrays of every clip: noise, and in the means of the channels where it is from and its scores."""

    def draw(*names: str | int) -> np.random.Generator:
        return np.random.default_rng(derive_seed("paper_size", *names))

    bases = [draw("base", n).standard_normal((DIMENSION, FRAMES), dtype=np.float32) for n in range(BASES)]
    directions = [draw("aspect", aspect).normal(size=DIMENSION) for aspect in aspects]
    origins = {name: draw("origin", name).normal(size=DIMENSION) for name in {*clips["source"], *clips["system"]}}
    for row in tqdm(clips.to_dict("records"), desc="making embeddings", unit="clip"):
        own = draw("clip", row["clip_id"])
        means = origins[row["system"] or row["source"]] + 2 * own.normal(size=DIMENSION)
        means += sum(
            (row[aspect] - 5) / 5 * direction for aspect, direction in zip(aspects, directions, strict=True)
        )
        noise = np.roll(bases[own.integers(BASES)], own.integers(FRAMES), axis=1)
        frames = (noise + 0.1 * means[:, None].astype(np.float32)).astype(np.float16)
        statistics = time_statistics(torch.from_numpy(frames).float()).numpy()
        yield {
            "0": frames,
            "statistics": statistics,
            "pooled": statistics[:DIMENSION],
            "length": np.array([FRAMES], dtype=np.int64),
        }


def reads(strategy: dict[str, Any]) -> str:
    """What the head of a strategy reads."""
    return find(HEADS, strategy.get("head", "statistics")).reads


def chosen_stages(params: dict[str, Any], only: list[str]) -> list[Stage]:
    """List what is run, in the order of running: ``only`` holds stages or instances; all if it is empty."""
    written = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    found = []
    for name in STAGES:
        items = {"train": params["strategies"], "granularity": params["granularity"]["strategies"]}
        items["set_evaluate"] = params["evaluation_sets"]
        own = written[name].get("do", written[name])
        paths = [
            out if isinstance(out, str) else next(iter(out)) for out in [*own["outs"], *own.get("metrics", [])]
        ]
        for item in items.get(name, [""]):
            outs = [Path(re.sub(r"\$\{(key|item)\}", item, path)) for path in paths]
            found.append(Stage(name, item, outs))
    return [stage for stage in found if not only or {stage.name, str(stage)} & set(only)]


def start(project: Path, stage: Stage) -> subprocess.Popen[bytes]:
    """Start the script of a stage where its outputs have been removed, as DVC does."""
    for out in stage.outs:
        path = project / out
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    log = (project / f"{stage}.log").open("wb")
    return subprocess.Popen(
        [sys.executable, f"stages/{stage.name}.py", *([str(stage)] if stage.item else [])],
        cwd=project,
        env=os.environ | {"PYTHONPATH": "src", "DVC_STAGE": str(stage)},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def measure(project: Path, stage: Stage) -> Run:
    """Run a stage to its end.

    Raises:
        RuntimeError: it failed.
    """
    started, memory = time.perf_counter(), 0.0
    process = start(project, stage)
    while process.poll() is None:
        memory = max(memory, session_memory(process.pid))
        time.sleep(0.05)
    seconds = time.perf_counter() - started
    log = (project / f"{stage}.log").read_text(errors="replace")
    if process.returncode != 0:
        raise RuntimeError(f"{stage}\n{log[-3000:]}")
    bars = re.findall(r"(training [^:]*): 100%[^\r\n]*\[([\d:]+)<", log)  # of several groups one each
    return Run(seconds, memory, sum(of_clock(clock) for clock in dict(bars).values()))


def of_clock(text: str) -> int:
    """1:02:03 in seconds."""
    seconds = 0
    for part in text.split(":"):
        seconds = 60 * seconds + int(part)
    return seconds


def survives(project: Path, stage: Stage, seconds: float, moments: random.Random) -> bool:
    """Kill a stage somewhere in ``seconds``, run it again, and compare its outputs with those before."""
    expected = digests(project, stage)
    process = start(project, stage)
    time.sleep(moments.uniform(0.1, 0.9) * seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    measure(project, stage)
    return digests(project, stage) == expected


def digests(project: Path, stage: Stage) -> dict[Path, str]:
    """Return what the files of a stage's outputs hold."""
    return {path: file_digest(path) for path in output_files(project, stage)}


def output_files(project: Path, stage: Stage) -> list[Path]:
    """Return the files of a stage's outputs."""
    tops = [project / out for out in stage.outs]
    return [path for top in tops for path in sorted([top, *top.rglob("*")]) if path.is_file()]


def full_run(params: dict[str, Any], stage: Stage, run: Run) -> float:
    """Seconds of the stage with all epochs of the preset, on this machine."""
    if stage.name not in ("train", "granularity") or reads(params["strategies"][stage.item]) == "statistics":
        return run.seconds
    whole = preset()
    seconds = run.seconds + run.epochs * (whole["train"]["epochs"] / params["train"]["epochs"] - 1)
    fewer = whole["granularity"]["seeds"] / params["granularity"]["seeds"]
    return seconds * (fewer if stage.name == "granularity" else 1)


def least_on_h100(params: dict[str, Any], stage: Stage) -> int | None:
    """Seconds that operations and bytes of a training take on an H100 at least; None if it does not read frames."""
    if stage.name not in ("train", "granularity"):
        return None
    strategy = params["strategies"][stage.item]
    if reads(strategy) == "statistics":
        return None
    members = len(params["seeds"]) * (len(params["granularity"]["k"]) if stage.name == "granularity" else 1)
    layers = (1,) if reads(strategy) == "layers" else ()
    options = HeadOptions(DIMENSION, FRAMES, 1, ("A", "B", "C", "D"), (1.0, 10.0), 0.3, ())
    head, x = find(HEADS, strategy["head"])(options), torch.randn(1, *layers, DIMENSION, FRAMES)
    with FlopCounterMode(display=False) as counter:
        predicted = head(x)
        (predicted.mean.sum() + predicted.covariance.sum()).backward()
    passes = preset()["train"]["epochs"] * HAD["train"] * members
    operations, moved = counter.get_total_flops() * passes, BYTES * DIMENSION * FRAMES * passes
    return round(max(operations / H100["operations"], moved / H100["bytes"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=Path, required=True, help="the published lists")
    parser.add_argument("--folder", type=Path, default=Path(".cache/paper_size"), help="to work in; it is kept")
    parser.add_argument("--only", nargs="+", default=[], help="stages, or instances as train@multigauss")
    parser.add_argument("--quick", action="store_true", help="less of what is alike")
    parser.add_argument("--epochs", type=int, default=1, help="of heads that read frames")
    parser.add_argument("--out", type=Path, help="CSV to write, a row a stage")
    parser.add_argument("--kill", action="store_true", help="kill every stage once, too")
    options = parser.parse_args()
    project = options.folder.resolve()
    project.mkdir(parents=True, exist_ok=True)
    params = make_project(project, options.lists.resolve(), options.epochs, options.quick)
    moments, rows = random.Random(0), []
    for stage in chosen_stages(params, options.only):
        run = measure(project, stage)
        row = {
            "stage": str(stage),
            "seconds": round(run.seconds, 1),
            "gib": round(run.memory, 2),
            "mib_written": round(sum(path.stat().st_size for path in output_files(project, stage)) / 2**20, 1),
            "full_run_hours": round(full_run(params, stage, run) / 3600, 2),
            "least_h100_seconds": least_on_h100(params, stage),
        }
        if options.kill:
            row["same_after_a_kill"] = survives(project, stage, run.seconds, moments)
        rows.append(row)
        print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        if options.out is not None:
            write_csv(options.out, pd.DataFrame(rows))
    sys.exit(int(not all(row.get("same_after_a_kill", True) for row in rows)))


if __name__ == "__main__":
    main()
