"""Ray on this machine, with two actors: killed, resumed, and the same rows as without it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from datmos.scoring.runs.command import Options, score_to_file
from datmos.scoring.runs.real_sound import WARNING
from helpers.finished_run import write_models

CLIPS, SHARD = 24, 3
PATIENCE = 180  # seconds, on a busy machine


@pytest.mark.e2e
@pytest.mark.takes(60)
def test_killed_and_resumed_it_gives_the_rows_of_an_ordinary_run(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra datmos[ray] is not installed")
    for number in range(CLIPS - 1):
        sound = np.random.default_rng(number).normal(0, 0.1, 16_000 * (2 + number % 9))
        soundfile.write(tmp_path / f"{number}.flac", sound, 16_000)
    names = [f"{number}.flac" for number in range(CLIPS)]  # the last is not there
    pq.write_table(pa.table({"path": names}), tmp_path / "list.parquet")
    write_models(tmp_path / "model")
    output = tmp_path / "shards"
    command = [
        sys.executable, "-m", "datmos.commands.main", "score", "list.parquet", "--model", "model",
        "--device", "cpu", "--ray", "local", "--actors", "2", "--shard-clips", str(SHARD), "--output", str(output),
    ]  # fmt: skip
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while not list(output.glob("_done/*.json")):
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < end
            time.sleep(0.02)
        process.kill()
        process.wait()
    kept = {path: path.stat().st_mtime_ns for path in output.glob("part-*.parquet") if _is_done(output, path)}
    assert 0 < len(kept) < CLIPS // SHARD
    environment = os.environ | {"COLUMNS": "80"}
    resumed = subprocess.run(
        [*command, "--resume"], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert resumed.returncode == 1, resumed.stderr  # one clip is not there
    assert resumed.stderr.splitlines().count(WARNING) == 1, resumed.stderr
    assert "23 clips scored, 1 failed:\n  23.flac: No such file or directory" in resumed.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    asked = Options(
        [str(tmp_path / "list.parquet")], str(tmp_path / "model"), None, False, "cpu", {}, False, None, None, None
    )
    score_to_file(asked, "parquet", tmp_path / "whole.parquet", resume=False)
    pd.testing.assert_frame_equal(pd.read_parquet(output), pd.read_parquet(tmp_path / "whole.parquet"))


def _is_done(output: Path, part: Path) -> bool:
    return (output / "_done" / f"{part.stem}.json").is_file()
