"""The command `datmos`."""

import argparse
import sys
from typing import NoReturn

from datmos.commands.apply import add_apply
from datmos.commands.check import add_check
from datmos.commands.demo import add_demo
from datmos.commands.export import add_export
from datmos.commands.ratings_from import add_ratings_from
from datmos.commands.score import add_score
from datmos.commands.select import add_select
from datmos.core.errors import printable, run_stage

FIRST = """\
Type one of these first:
  datmos score clip.wav    score a sound file with a trained model
  datmos check params      check the settings in params.yaml
  dvc repro                run the pipeline, which trains and compares models
  datmos --help            see all commands
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(printable(message))  # what was typed may be a file's name


def main() -> None:
    """Run `datmos ...`; a wrong setting or input ends in one message and exit status 1."""
    if len(sys.argv) == 1:
        sys.stderr.write(FIRST)
        sys.exit(2)
    parser = _Parser(prog="datmos", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (add_check, add_apply, add_ratings_from, add_select, add_score, add_export, add_demo):
        add(commands)
    arguments = parser.parse_args()
    run_stage(lambda: arguments.run(arguments))


if __name__ == "__main__":
    main()
