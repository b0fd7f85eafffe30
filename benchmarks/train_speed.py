"""How fast and how large training a study is, beside the published way, on the same embeddings in one run.

    python benchmarks/train_speed.py                            # 2 CPU cores: about 10 minutes; uses a GPU if any
    python benchmarks/train_speed.py --clips 2544 --epochs 5    # for a GPU

The published way: a process a seed, one after the other; one ``.npy`` a clip, all loaded into a Python list; a
`DataLoader` that collates; validation clip by clip after every epoch. Ours: `datmos.training.loop`, all seeds of a
strategy at once, from the memory map. Both train MultiGauss with an adversary on made-up embeddings in the shape of
XLS-R 2B (1920 x 499): the same model, loss, optimiser and numbers. Imports do not count, the loading of clips does.
Every run is a process of its own, and the ways take turns, so that other work on the machine meets both.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from machine import matmul_peak, memory_text, own_memory
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from datmos.core.device import pick_device
from datmos.core.statistics import time_statistics
from datmos.core.store import EmbeddingStore, write_store
from datmos.heads.interface import HeadOptions
from datmos.training.domain_labels import DomainLabels
from datmos.training.gradient_reversal import reverse_gradient
from datmos.training.loop import Split, Training
from datmos.training.settings import StrategyParams, TrainParams

DIMENSION, FRAMES, ASPECTS, DOMAINS = 1920, 499, 4, 6
BATCH, RATE = 64, 1e-4  # the paper's
LAMBDAS = [0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0]  # one a strategy


def make_clips(folder: Path, count: int) -> None:
    """Write the same embeddings as a store and as a file a clip; scores and domains beside them."""
    generator = np.random.default_rng(0)
    (folder / "clips").mkdir(parents=True)

    def clips() -> Any:
        base = generator.normal(size=(DIMENSION, FRAMES)).astype(np.float16)
        for number in range(count):
            clip = np.roll(base, 7 * number, axis=1)  # cheaper than noise for each
            np.save(folder / "clips" / f"{number:05}.npy", clip.astype(np.float32))
            statistics = time_statistics(torch.from_numpy(clip).float()).numpy()
            pooled = statistics[:DIMENSION]
            yield {"0": clip, "statistics": statistics, "pooled": pooled, "length": np.array([FRAMES])}

    names = pd.Series([f"{number:05}" for number in range(count)])
    write_store(folder / "store", names, clips(), {"name": "made up", "layers": [1]})
    np.save(folder / "scores.npy", generator.uniform(1, 10, (count, ASPECTS)).astype(np.float32))
    np.save(folder / "domains.npy", generator.integers(DOMAINS, size=count))


class PublishedModel(nn.Module):
    """MultiGauss and the domain classifier in plain layers, as the authors' code has them."""

    def __init__(self) -> None:
        super().__init__()
        first = FRAMES - 4
        second = first // 5 - 4
        self.encoder = nn.Sequential(
            nn.Conv1d(DIMENSION, 32, 5), nn.LayerNorm((32, first)), nn.ReLU(), nn.Dropout(0.3), nn.MaxPool1d(5),
            nn.Conv1d(32, 32, 5), nn.LayerNorm((32, second)), nn.ReLU(), nn.Dropout(0.3), nn.MaxPool1d(5),
            nn.Flatten(),
        )  # fmt: skip
        width, outputs = 32 * (second // 5), 2 * ASPECTS + ASPECTS * (ASPECTS - 1) // 2

        def dense(last: int) -> nn.Sequential:
            return nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, last))

        self.head, self.classifier = dense(outputs), dense(DOMAINS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.encoder(x)
        out = self.head(h)
        rows, columns = torch.triu_indices(ASPECTS, ASPECTS, offset=1)
        factor = torch.diag_embed(functional.softplus(out[:, ASPECTS : 2 * ASPECTS]))
        factor[:, rows, columns] = out[:, 2 * ASPECTS :]
        return 4.5 * out[:, :ASPECTS] + 5.5, 4.5 * factor, self.classifier(reverse_gradient(h, 1.0))


def published_loss(mean: Tensor, factor: Tensor, scores: Tensor) -> Tensor:
    z = torch.linalg.solve_triangular(factor, (scores - mean).unsqueeze(-1), upper=True).squeeze(-1)
    log_det = 2 * factor.diagonal(dim1=1, dim2=2).log().sum(-1)
    return ((ASPECTS * math.log(2 * math.pi) + log_det + z.square().sum(-1)) / 2).mean()


def published(folder: Path, train: int, valid: int, epochs: int, lambda_: float, seeds: list[int]) -> None:
    (seed,) = seeds
    torch.manual_seed(seed)
    device = pick_device()
    scores, domains = (np.load(folder / f"{name}.npy") for name in ("scores", "domains"))
    clips = [
        (np.load(folder / "clips" / f"{number:05}.npy"), scores[number], domains[number])
        for number in range(train + valid)
    ]
    batches: Any = DataLoader(clips[:train], batch_size=BATCH, shuffle=True)  # type: ignore[arg-type]
    one_by_one: Any = DataLoader(clips[train:], batch_size=1)  # type: ignore[arg-type]
    model = PublishedModel().to(device)
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.0)
    best, kept = math.inf, {}
    for _ in range(epochs):
        model.train()
        for x, y, domain in batches:
            mean, factor, logits = model(x.to(device))
            loss = published_loss(mean, factor, y.to(device))
            loss = loss + lambda_ * functional.cross_entropy(logits, domain.to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        model.eval()
        total = 0.0
        with torch.no_grad():
            for x, y, _ in one_by_one:
                mean, factor, _ = model(x.to(device))
                total += published_loss(mean, factor, y.to(device)).item()
        if total < best:
            best, kept = total, {name: value.clone() for name, value in model.state_dict().items()}
    assert kept


def ours(folder: Path, train: int, valid: int, epochs: int, lambda_: float, seeds: list[int]) -> None:
    store = EmbeddingStore(folder / "store")
    scores = torch.from_numpy(np.load(folder / "scores.npy"))
    domains = torch.from_numpy(np.load(folder / "domains.npy"))[:train]
    strategy = {"domains": "source", "lambda": lambda_, "dropout": 0.3, "l2": 0.0}
    strategy |= {"head": "multigauss", "loss": "gaussian_nll"}  # the published one
    settings = TrainParams(
        epochs=epochs,
        batch_size=BATCH,
        learning_rate=RATE,
        standardise=False,
        optimiser="adamw",
        gradient_clip=None,
        reversal="one",
        checkpoint="validation_loss",
    )
    Training(
        seeds,
        store,
        Split(np.arange(train), scores[:train]),
        Split(np.arange(train, train + valid), scores[train : train + valid]),
        DomainLabels(domains.expand(len(seeds), -1).unsqueeze(-1), ("",)),
        HeadOptions(DIMENSION, FRAMES, 1, ("A", "B", "C", "D"), (1.0, 10.0), 0.3, ()),
        None,
        StrategyParams.model_validate(strategy),
        settings,
        pick_device(),
    ).run("training")


WAYS: dict[str, Any] = {"published": published, "ours": ours}


def measure(way: str, options: argparse.Namespace, folder: Path, clips: int, epochs: int) -> dict[str, float]:
    """Train the whole study one way: seconds without imports, and the peak memory of a process (GiB)."""
    seconds, runs = 0.0, []
    seeds = list(range(options.seeds))
    for lambda_ in LAMBDAS[: options.strategies]:
        for group in [[seed] for seed in seeds] if way == "published" else [seeds]:
            work = {"clips": clips, "epochs": epochs, "lambda": lambda_, "seeds": group}
            runs.append(run_process(way, folder, work))
            seconds += runs[-1]["seconds"]
    largest = {key: max(run[key] for run in runs) for key in runs[0] if key != "seconds"}
    return {"seconds": seconds, **largest}


def run_process(way: str, folder: Path, work: dict[str, Any]) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder), "--work", json.dumps(work)]
    with tempfile.TemporaryDirectory() as elsewhere:  # checkpoints are written below the current folder
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=elsewhere)
    if result.returncode != 0:
        raise RuntimeError(result.stderr[-3000:])
    found: dict[str, float] = json.loads(result.stdout.strip().splitlines()[-1])
    return found


def run_one(way: str, folder: Path, work: dict[str, Any]) -> None:
    torch.zeros(1, device=pick_device())  # a GPU starts before the clock
    train, valid = work["clips"], validation_clips(work["clips"])
    started = time.perf_counter()
    with own_memory() as memory:
        WAYS[way](folder, train, valid, work["epochs"], work["lambda"], work["seeds"])
    found = {"seconds": time.perf_counter() - started, "memory": max(memory)}
    if torch.cuda.is_available():
        found["gpu_memory"] = torch.cuda.max_memory_reserved() / 2**30
    print(json.dumps(found))


def validation_clips(clips: int) -> int:
    """Of 2544 train clips the paper has 232 for validation."""
    return max(clips // 11, 1)


def flop_of_a_clip() -> float:
    """Forward and backward of one training clip and one seed."""
    model, x = PublishedModel(), torch.randn(1, DIMENSION, FRAMES)
    with FlopCounterMode(display=False) as counter:
        mean, factor, logits = model(x)
        (mean.sum() + factor.sum() + logits.sum()).backward()
    return float(counter.get_total_flops())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=128, help="N: train clips")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--strategies", type=int, default=2, help=f"at most {len(LAMBDAS)}")
    parser.add_argument("--rounds", type=int, default=2, help="turns that the ways take")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        run_one(options.way, options.folder, options.work)
        return
    device = pick_device()
    peak = matmul_peak(device, torch.bfloat16 if device.type == "cuda" else torch.float32)
    print(f"{device}, {os.cpu_count()} cores, {torch.get_num_threads()} threads; matmul {peak / 1e9:.0f} GFLOP/s")
    passes = options.clips * options.epochs * options.seeds * options.strategies
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        few, many = options.clips, 4 * options.clips
        make_clips(folder, many + validation_clips(many))
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        turns = [way for _ in range(options.rounds) for way in WAYS]
        for way in tqdm(turns, desc="training", unit="run"):
            found[way].append(measure(way, options, folder, few, options.epochs))
        print(
            f"\n{options.strategies} strategies x {options.seeds} seeds, {few} + {validation_clips(few)} clips of "
            f"{DIMENSION} x {FRAMES}, {options.epochs} epochs, batches of {BATCH}"
        )
        for way, runs in found.items():
            seconds = float(np.median([run["seconds"] for run in runs]))
            ratios = [a["seconds"] / b["seconds"] for a, b in zip(found["published"], runs, strict=True)]
            rate = passes * flop_of_a_clip() / seconds
            print(
                f"  {way:22} {seconds:8.1f} s   {rate / peak:4.0%} of the matmul rate   "
                f"{np.median(ratios):6.2f} x (turns: {', '.join(f'{ratio:.2f}' for ratio in ratios)})   "
                f"{memory_text(runs)}"
            )
        print("\npeak memory of a process without mapped files, one epoch")
        once = argparse.Namespace(strategies=1, seeds=options.seeds)
        for way in ("published", "ours"):
            alone = argparse.Namespace(strategies=1, seeds=1) if way == "published" else once
            for count in (few, many):
                print(f"  {way:10} {count:6} clips: {memory_text([measure(way, alone, folder, count, 1)])}")


if __name__ == "__main__":
    main()
