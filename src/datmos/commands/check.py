"""`datmos check`: params and data, before a run."""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from datmos.core.errors import DatmosError, printable, printable_lines
from datmos.params.schema import load_params


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
    if found.refused:
        sys.exit(1)
