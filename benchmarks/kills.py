"""Kill the program at random moments, go on, and compare the result with that of a run that nobody disturbed.

    python benchmarks/kills.py                 # 30 kills of each of three commands: some minutes on 2 CPU cores
    python benchmarks/kills.py --kills 3 --seed 7

The commands are the stages `embed` and `train`, and `datmos score --resume`, in a small project with a tiny
encoder. SIGKILL, SIGTERM and SIGINT take turns. A killed command is started again on what it left, until it ends.
Then its result must have the same bytes, and it starts anew. Every run is a process of its own, forked from one
that has done the imports: it is killed at its work, and not while it imports.
"""

import argparse
import contextlib
import hashlib
import os
import random
import runpy
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import soundfile
import yaml
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: what is forked must have no threads

from datmos.commands import main as command
from datmos.core.files import file_digest, write_parquet
from helpers.loudness import RATE, SECONDS, sound
from helpers.places import REPOSITORY
from helpers.trained import made_params

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
CLIPS, EPOCHS = 120, 40
PATIENCE = 60.0  # seconds that a command may take to end after a signal
LONGEST = 600.0  # seconds that an undisturbed run may take
STRATEGY = "plain"


class Job(NamedTuple):
    """A command."""

    name: str
    arguments: list[str]
    run: Callable[[], object]


@dataclass
class Tally:
    """What came of killing a command."""

    kills: int = 0
    ends: int = 0  # runs that went to the end
    other: int = 0  # ... with other bytes, or not at all
    codes: Counter[str] = field(default_factory=Counter)  # after a signal
    leftovers: Counter[str] = field(default_factory=Counter)  # files that an undisturbed run does not leave


def stage(name: str) -> Callable[[], object]:
    return lambda: runpy.run_path(str(REPOSITORY / "stages" / f"{name}.py"), run_name="__main__")


JOBS = (
    Job("embed", ["embed.py"], stage("embed")),
    Job("train", ["train.py", STRATEGY], stage("train")),
    Job(
        "score --resume",
        ["datmos", "score", "clips", "--model", STRATEGY, "--output", "scores.jsonl", "--resume"],
        command.main,
    ),
)


def make_project(folder: Path) -> None:
    """Write clips, manifest, domains and params.yaml: what the stages read."""
    generator = np.random.default_rng(0)
    (folder / "clips").mkdir()
    names = [f"{number:03}.wav" for number in range(CLIPS)]
    for name in names:
        soundfile.write(folder / "clips" / name, sound(generator, SECONDS), RATE, subtype="FLOAT")
    scores = {aspect: generator.uniform(2, 9, CLIPS).astype(np.float32) for aspect in ("A", "B")}
    split = np.where(np.arange(CLIPS) % 5 == 0, "valid", "train")
    manifest = pd.DataFrame(
        {"clip_id": names, "path": names, "split": split, "source": "x", "category": "music"}
        | {"sha256": [file_digest(folder / "clips" / name) for name in names], **scores}
    )
    write_parquet(folder / "data/manifest.parquet", manifest)
    learned = manifest.loc[manifest["split"] == "train", ["clip_id"]]
    domains = learned.assign(domain=(np.arange(len(learned)) % 2).astype(np.int32))
    write_parquet(folder / "data/domains/source.parquet", domains)
    params = made_params(folder).model_dump(mode="json", by_alias=True)
    params["data"] |= {"kind": "ratings", "root": "clips"}
    params["train"]["epochs"] = EPOCHS
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def start(job: Job, folder: Path) -> int:
    """Fork a process that runs the command; returns its number."""
    # until it is ready: an interrupt would else take the child out of this function, into the parent's loop
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    process = os.fork()
    if process == 0:
        _run_and_exit(job, folder)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return process


def _run_and_exit(job: Job, folder: Path) -> None:
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in a shell's background
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.chdir(folder)
        log = os.open(folder.with_name("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(log, stream)
        sys.argv = job.arguments
        job.run()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def wait(process: int, seconds: float) -> int | None:
    """Wait for a process; returns its exit code (below 0: the signal), or None if it still runs."""
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(0.002)


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())


def contents(folder: Path, before: set[Path]) -> dict[str, str]:
    """Return digests of all files that are new."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files(folder)
        if path not in before
    }


def kill_often(job: Job, folder: Path, kills: int, moments: random.Random) -> Tally:
    """Run a command undisturbed, then kill it ``kills`` times; ends with its result there."""
    before, tally = set(files(folder)), Tally()
    started = time.monotonic()
    if (code := wait(start(job, folder), LONGEST)) != 0:
        log = folder.with_name("log").read_text()
        raise RuntimeError(f"{job.name}: exit code {code} undisturbed\n{log[-3000:]}")
    duration = time.monotonic() - started
    expected = contents(folder, before)
    clear(folder, before)
    with tqdm(total=kills, desc=f"{job.name}, {duration:.1f} s undisturbed", unit="kill") as progress:
        while True:
            last = tally.kills == kills
            process = start(job, folder)
            code = wait(process, LONGEST if last else moments.uniform(0, duration))
            if code is None and kill(process, job, tally):
                progress.update()
                continue
            found = contents(folder, before)
            tally.ends += 1
            tally.other += any(found.get(name) != digest for name, digest in expected.items())
            tally.leftovers.update(kind_of(name) for name in found.keys() - expected.keys())
            if last:
                clear(folder, before | {folder / name for name in expected})
                return tally
            clear(folder, before)


def kill(process: int, job: Job, tally: Tally) -> bool:
    """Send the next signal; returns whether it ended the process, which may have been at its end."""
    sent = SIGNALS[tally.kills % len(SIGNALS)]
    os.kill(process, sent)
    code = wait(process, PATIENCE)
    if code is None:
        raise RuntimeError(f"{job.name}: still runs {PATIENCE:g} s after {sent.name} (process {process})")
    if code == 0:
        return False
    tally.codes[f"{sent.name} {code}"] += 1
    tally.kills += 1
    return True


def kind_of(name: str) -> str:
    """Return the kind of a leftover: its top folder and suffix."""
    path = Path(name)
    return f"{path.parts[0]}/...{path.suffix}" if len(path.parts) > 1 else f"...{path.suffix}"


def clear(folder: Path, kept: set[Path]) -> None:
    for path in set(files(folder)) - kept:
        path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30, help="of every command")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve() / "project"
        folder.mkdir()
        make_project(folder)
        rows = [(job, kill_often(job, folder, options.kills, random.Random(options.seed))) for job in JOBS]
    print(f"{'command':16} kills  ends  other bytes  exit codes after a signal")
    for job, tally in rows:
        codes = ", ".join(f"{code}: {count}" for code, count in sorted(tally.codes.items()))
        print(f"{job.name:16} {tally.kills:5} {tally.ends:5} {tally.other:12}  {codes}")
        for name, count in sorted(tally.leftovers.items()):
            print(f"{'':16} left behind: {count} files {name}")
    sys.exit(int(any(tally.other for _, tally in rows)))


if __name__ == "__main__":
    main()
