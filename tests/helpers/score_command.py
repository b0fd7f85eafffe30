"""`datmos score` with the model of `helpers.loudness`, in this process or in one of its own."""

import json
import subprocess
import sys
from typing import Any

from datmos.commands import main
from helpers.places import REPOSITORY

PROCESS = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from helpers.loudness import LoudnessModel
from datmos.commands import main
from datmos.scoring.runs import command
command.load = lambda *_: command.Scorer(LoudnessModel())
main.main()
"""


def start(*arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-c", PROCESS, str(REPOSITORY / "tests"), "score", "--model", "x", *arguments]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def datmos(*arguments: str) -> int:
    """Run the command in this process; returns the exit status."""
    before, sys.argv = sys.argv, ["datmos", "score", "--model", "x", *arguments]
    try:
        main.main()
    except SystemExit as status:
        return int(status.code or 0)
    finally:
        sys.argv = before
    return 0


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
