"""Many damaged audio files, read as the manifest stage and as `datmos score` read them.

    python benchmarks/fuzz.py                   # 10,000 files of 37 formats: about 1 minute on 2 CPU cores
    python benchmarks/fuzz.py --count 1000 --seed 7

The files are made by tests/helpers/mutants.py from one good file of every format, by a seed. What counts: errors
that are not a clip's own reason, a clip that takes longer than a minute (the program then ends with a traceback),
and memory above what the good files need.
"""

import argparse
import faulthandler
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from machine import peak_memory

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from datmos.audio.excerpt import read_excerpt
from datmos.audio.settings import AudioParams
from datmos.audio.unusable import UnusableAudioError
from datmos.scoring.score import Failure
from datmos.scoring.scorer import Scorer
from helpers.loudness import LoudnessModel
from helpers.mutants import mutants, write_all

AUDIO = AudioParams(clip_seconds=0.3, offset=0.2, min_seconds=0.05)
PATIENCE = 60  # seconds for a clip


def excerpts(paths: Iterator[Path], found: Counter[str]) -> Iterator[Path]:
    """Read as the manifest stage does, and hand the files on."""
    for path in paths:
        try:
            read_excerpt(path, AUDIO)
            found["excerpt read"] += 1
        except UnusableAudioError:
            found["excerpt refused"] += 1
        except Exception as error:
            found["UNCAUGHT"] += 1
            print(f"{path.name}: {type(error).__name__}: {error}")
        yield path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    scorer, found, slowest, started = Scorer(LoudnessModel()), Counter[str](), 0.0, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        seeds = write_all(Path(folder))
        scorer.score([str(path) for path in seeds])
        before = peak_memory()
        paths = excerpts(mutants(seeds, Path(folder), arguments.count, arguments.seed), found)
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        last = time.perf_counter()
        for number, result in enumerate(scorer.stream(str(path) for path in paths)):
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
            slowest, last = max(slowest, time.perf_counter() - last), time.perf_counter()
            found["not scored" if isinstance(result, Failure) else "scored"] += 1
            if not isinstance(result, Failure):
                found["scored with a warning of a shortfall"] += any("cut off" in text for text in result.warnings)
            Path(folder, f"{number:05}_{seeds[number % len(seeds)].name}").unlink()
        faulthandler.cancel_dump_traceback_later()
    print(f"{arguments.count} damaged files of {len(seeds)} formats in {time.perf_counter() - started:.0f} s")
    for name in sorted(found):
        print(f"{found[name]:>8,}  {name}")
    print(f"{found['UNCAUGHT']:>8,}  errors that are not a clip's reason")
    print(f"{slowest:>8.2f}  seconds for the slowest")
    print(f"{peak_memory() - before:>8.2f}  GiB above what the good files needed ({before:.2f})")


if __name__ == "__main__":
    main()
