"""The command `datmos`."""

import argparse
from pathlib import Path

import yaml

from datmos.errors import run_stage
from datmos.params import load_params


def main() -> None:
    """Run `datmos ...`; a wrong setting or input ends in one message and exit status 1."""
    parser = argparse.ArgumentParser(prog="datmos", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="check before a run").add_subparsers(required=True, metavar="WHAT")
    check_params = check.add_parser("params", help="check params.yaml and print it as the stages read it")
    check_params.add_argument("file", nargs="?", type=Path, default=Path("params.yaml"))
    check_params.set_defaults(run=_check_params)
    arguments = parser.parse_args()
    run_stage(lambda: arguments.run(arguments))


def _check_params(arguments: argparse.Namespace) -> None:
    params = load_params(arguments.file)
    print(yaml.safe_dump(params.model_dump(mode="json", by_alias=True), sort_keys=False), end="")
