"""Kills at random moments lose nothing: a short run of the benchmark."""

import subprocess
import sys

import pytest

from helpers.places import REPOSITORY


@pytest.mark.e2e
@pytest.mark.takes(50)
def test_after_kills_every_command_ends_with_the_same_bytes() -> None:
    command = [sys.executable, str(REPOSITORY / "benchmarks/kills.py"), "--kills", "3"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr[-3000:]
    rows = {line[:16].strip(): line[16:].split()[:3] for line in result.stdout.splitlines()[1:]}
    for name in ("embed", "train", "score --resume"):
        kills, ends, other = rows[name]
        assert (kills, other) == ("3", "0")
        assert int(ends) >= 1
