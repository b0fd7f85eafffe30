"""The command `datmos score`."""

import argparse
import os
import sys
from math import isfinite
from pathlib import Path
from typing import Any

from datmos.core.errors import DatmosError, printable

KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}


def add_score(commands: Any) -> None:
    """Add the command's arguments."""
    score = commands.add_parser(
        "score",
        help="score audio files with a trained model",
        description="Print a row for every clip: each aspect with its standard deviation, and what makes a score "
        "doubtful. A clip that can't be scored has an error in its row, and the exit status is 1 at the end.",
    )
    score.add_argument(
        "inputs",
        nargs="+",
        metavar="FILE|FOLDER|LIST",
        help="audio files; folders, searched for audio; lists: .txt with a path a line, or .csv, .jsonl, .parquet "
        "with a column 'path'; - for a list on standard input (lines, or what find -print0 prints)",
    )
    score.add_argument(
        "--model",
        help="a folder, the name of a strategy, or a hub model (owner/name); default: "
        "evaluate.baseline of params.yaml, or the only model in data/models",
    )
    score.add_argument("--revision", help="commit, tag or branch of a hub model")
    add_trust(score)
    score.add_argument("--output", type=Path, metavar="FILE", help="file to write; it appears when all is done")
    score.add_argument(
        "--format", choices=["jsonl", "csv", "parquet"], help="default: by the suffix of --output, else jsonl"
    )
    score.add_argument(
        "--resume",
        action="store_true",
        help="keep rows of --output, and of a run that was stopped, whose file, model and settings are the same",
    )
    score.add_argument(
        "--min",
        dest="minima",
        action="append",
        default=[],
        metavar="ASPECT=SCORE",
        help="give only clips with at least this score; may be repeated",
    )
    score.add_argument("--per-second", action="store_true", help="add a time line; --hop is then 1 unless given")
    score.add_argument(
        "--hop",
        type=float,
        metavar="SECONDS",
        help="between windows of a long clip, 0.01 or more; default: as long as a window",
    )
    score.add_argument("--device", help="cpu, cuda, mps, ...; default: the fastest there is")
    score.add_argument("--workers", type=int, metavar="N", help="threads; default: one a CPU core")
    score.add_argument(
        "--batch-seconds",
        type=float,
        metavar="S",
        help="seconds of audio that a GPU takes at once (a CPU core takes one window)",
    )
    score.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="score one .parquet list with Ray: 'local' (this machine), 'auto' or host:port (a cluster that runs); "
        "--output is then a folder of parquet shards. Needs `pip install -e '.[ray]'`",
    )
    score.add_argument(
        "--actors", type=int, metavar="N", help="with --ray: models at work; default: one a core or GPU"
    )
    score.add_argument(
        "--shard-clips", type=int, default=1000, metavar="N", help="with --ray: clips of a shard (default: 1000)"
    )
    score.set_defaults(run=_run)


def add_trust(command: argparse.ArgumentParser) -> None:
    """Add the one option that lets a model do more than be read."""
    command.add_argument(
        "--trust",
        action="store_true",
        help="you trust the model's author: its encoder may run code of its own on this machine, and may lie in a "
        "folder of this machine that the model names",
    )


def _run(arguments: argparse.Namespace) -> None:
    kind = "parquet" if arguments.ray else _kind(arguments)
    if arguments.ray and (arguments.output is None or arguments.format not in (None, "parquet")):
        raise DatmosError("--ray: writes parquet shards; give an --output FOLDER, and no other --format")
    if arguments.resume and arguments.output is None:
        raise DatmosError("--resume: goes on with an --output FILE; there is none")
    if kind == "parquet" and arguments.output is None:
        raise DatmosError("--format parquet: can't be printed; give an --output FILE")
    # here: `datmos check` needs no PyTorch
    from datmos.scoring.runs.command import interrupted, score_to_file, score_to_stdout
    from datmos.scoring.runs.options import Options

    options = Options(
        inputs=arguments.inputs,
        model=pick_model() if arguments.model is None else arguments.model,
        revision=arguments.revision,
        trust=arguments.trust,
        device=arguments.device,
        minima=dict(_minimum(text) for text in arguments.minima),
        timeline=arguments.per_second,
        hop_seconds=arguments.hop,
        workers=arguments.workers,
        batch_seconds=arguments.batch_seconds,
    )
    try:
        if arguments.ray:
            from datmos.scoring.runs.cluster import Cluster, score_on_ray

            cluster = Cluster(arguments.ray, arguments.actors, arguments.shard_clips)
            failed = score_on_ray(options, arguments.output, arguments.resume, cluster)
        elif arguments.output is None:
            failed = score_to_stdout(options, kind)
        else:
            failed = score_to_file(options, kind, arguments.output, arguments.resume)
    except KeyboardInterrupt:
        interrupted(arguments.output, shards=bool(arguments.ray))
        sys.exit(130)
    except BrokenPipeError:  # whoever reads the rows has had enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains at exit
        sys.exit(141)
    except OSError as error:
        raise DatmosError(
            f"{error.filename or arguments.output or 'standard output'}: {error.strerror or error}"
        ) from None
    if failed:
        sys.exit(1)


def _kind(arguments: argparse.Namespace) -> str:
    if arguments.format is not None or arguments.output is None:
        return arguments.format or "jsonl"
    suffix = arguments.output.suffix.lower()
    if suffix not in KINDS:
        raise DatmosError(
            f"--output {arguments.output}: the suffix says no format; expected one of {', '.join(KINDS)}, "
            "or --format"
        )
    return KINDS[suffix]


def _minimum(text: str) -> tuple[str, float]:
    aspect, equals, value = text.partition("=")
    try:
        if equals and aspect and isfinite(number := float(value)):
            return aspect, number
    except ValueError:
        pass
    raise DatmosError(f"--min {text}: ASPECT=SCORE is expected, SCORE a number, for example PQ=6")


def pick_model() -> str:
    """Choose the model when none is named, and say which."""
    from datmos.core.paths import MODELS, local_models
    from datmos.params.schema import load_params

    known = local_models()
    if Path("params.yaml").is_file():
        name = load_params().evaluate.baseline
        if name in known:
            print(f"model: {printable(str(MODELS / name))} (evaluate.baseline of params.yaml)", file=sys.stderr)
            return name
    if len(known) == 1:
        print(f"model: {printable(known[0])} (the only one below {MODELS})", file=sys.stderr)
        return known[0]
    raise DatmosError(
        "--model: which one? "
        + (f"There are {', '.join(known)}" if known else f"There is none below {MODELS}: `dvc repro` trains them")
        + "; a folder, a name, or a hub model as owner/name is expected."
    )
