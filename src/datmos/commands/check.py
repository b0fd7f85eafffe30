"""`datmos check`: params and data, before a run."""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from datmos.core.errors import DatmosError, printable, printable_lines
from datmos.params.schema import load_params

COPIES = "dvc exp run --queue and --temp"


def add_check(commands: Any) -> None:
    """Add the command to the parser's subparsers."""
    check = commands.add_parser("check", help="check before a run").add_subparsers(required=True, metavar="WHAT")
    params = check.add_parser("params", help="check params.yaml and print it as the stages read it")
    params.add_argument("file", nargs="?", type=Path, default=Path("params.yaml"))
    params.set_defaults(run=_check_params)
    data = check.add_parser(
        "data",
        help="look at the clips that params.yaml names: what is there, missing, unusable, twice",
        description="Reads lists and headers, seconds for thousands of clips. Exit status 1 if a run would stop.",
    )
    data.set_defaults(run=_check_data)


def _check_params(arguments: argparse.Namespace) -> None:
    params = load_params(arguments.file)
    print(yaml.safe_dump(params.model_dump(mode="json", by_alias=True), sort_keys=False), end="", flush=True)
    said = f"{arguments.file} is valid: {len(params.strategies)} strategies. Above are all settings, with defaults."
    print(printable(said), file=sys.stderr)


def _check_data(arguments: argparse.Namespace) -> None:
    from datmos.datasets.preflight import check_data, preflight_text

    params = load_params()
    if params.data.kind == "simulated" and not params.data.root.is_dir():
        raise DatmosError(f"{params.data.root} is not there yet: `dvc repro corpus` renders the simulated study")
    what = params.data, params.evaluation_sets, params.audio
    found = check_data(*what)
    print(printable_lines(preflight_text(found, *what)))
    roots = [params.data.root, *(own.root for own in params.evaluation_sets.values())]
    if params.data.kind != "simulated" and (doubts := list(_doubts_about_copies(roots))):
        print(printable_lines("\n" + "\n".join(doubts)))
    if found.refused:
        sys.exit(1)


def _doubts_about_copies(roots: Sequence[Path]) -> Iterator[str]:
    """Say why `dvc exp run --queue` and `--temp`, which run in a copy of the project, would not go there."""
    beyond = {letter for letter in str(Path.cwd()) if not letter.isascii()}
    if beyond:
        letters = ", ".join(sorted(beyond))
        yield f"{COPIES}: DVC can't run in a copy of this project, since the path of its folder holds {letters}"
    for root in dict.fromkeys(roots):
        if not (root.is_absolute() or _is_tracked(root)):
            yield (
                f"{COPIES}: a copy of this project does not hold {root}. Type `dvc add {root}`, or write "
                f"its absolute path into params.yaml, or add `--copy-paths {root}` to the command."
            )


def _is_tracked(folder: Path) -> bool:
    """Whether a copy of the project holds a folder: DVC or git knows it, or a folder that it is in."""
    if any(Path(f"{one}.dvc").is_file() for one in (folder, *folder.parents)):
        return True
    listed = subprocess.run(["git", "ls-files", "--", folder], capture_output=True, check=False)
    return bool(listed.stdout)
