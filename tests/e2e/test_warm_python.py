"""The `python` that starts at once does what a fresh one does."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, sys
import neighbour
print(sys.argv[1:], os.getcwd(), os.environ["WORD"], neighbour.__name__, __name__, flush=True)
print("said", file=sys.stderr)
{end}
"""
ENDS = {"": 0, "sys.exit(3)": 3, "sys.exit('no')": 1, "1 / 0": 1, "os.kill(os.getpid(), signal.SIGTERM)": 128 + 15}


@pytest.mark.e2e
def test_arguments_folder_environment_output_and_exit_status(python: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/neighbour.py").touch()
    script = tmp_path / "script.py"
    for end, status in ENDS.items():
        script.write_text(SCRIPT.format(end=end))
        found = [
            subprocess.run(
                [command, "script.py", "a b", "c"],
                cwd=tmp_path,
                env={"WORD": "word", "PYTHONPATH": "own"},
                capture_output=True,
                text=True,
                check=False,
            )
            for command in (python / "python", sys.executable)
        ]
        for result in found:
            assert result.returncode in (status, 128 - status)  # a shell's way to tell a signal, and subprocess's
        warm, fresh = found
        assert warm.stdout == fresh.stdout
        assert warm.stderr.splitlines()[-1:] == fresh.stderr.splitlines()[-1:]
