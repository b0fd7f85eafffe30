"""`datmos score --ray` on a cluster of two workers, one of which is killed: the rows of a run without Ray.

    python benchmarks/cluster.py                     # 100,000 rows: 11 minutes on 2 CPU cores
    python benchmarks/cluster.py --rows 2000

The cluster is on this machine: a head without cores, and two nodes with one core each, all of them processes of
their own. Rows are many and computing is little: 24 short files again and again, and a tiny encoder. A node is
killed (SIGKILL to all its processes) when a tenth of the shards is done, and another takes its place.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from ray.cluster_utils import Cluster

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from datmos.scoring.runs.command import score_to_file
from datmos.scoring.runs.options import Options
from helpers.loudness import RATE, sound
from helpers.trained import train

FILES, MODEL = 24, "data/models/plain"


def make_inputs(folder: Path, rows: int) -> None:
    """Train a model, and write files and a list that names them, and one that is not there, again and again."""
    train(folder)
    names = [f"{number:02}.wav" for number in range(FILES)]
    for number, name in enumerate(names[1:]):
        soundfile.write(folder / name, sound(np.random.default_rng(number), 0.3), RATE)
    pq.write_table(pa.table({"path": [names[row % FILES] for row in range(rows)]}), folder / "list.parquet")


def wait_for(process: subprocess.Popen[bytes], output: Path, shards: int) -> None:
    """Wait until so many shards are done."""
    while len(list(output.glob("_done/*.json"))) < shards:
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode} before it could be disturbed")
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--shard-clips", type=int, default=1000)
    options = parser.parse_args()
    shards = -(-options.rows // options.shard_clips)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_inputs(folder, options.rows)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        started = time.perf_counter()
        process = subprocess.Popen(
            [
                sys.executable, "-m", "datmos.commands.main", "score", "list.parquet", "--model", MODEL, "--trust",
                "--device", "cpu", "--ray", cluster.address, "--actors", "2",
                "--shard-clips", str(options.shard_clips), "--output", "shards",
            ],
            cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        wait_for(process, folder / "shards", max(1, shards // 10))
        cluster.remove_node(nodes[0], allow_graceful=False)
        killed = time.perf_counter() - started
        cluster.add_node(num_cpus=1)
        code = process.wait()
        took = time.perf_counter() - started
        cluster.shutdown()
        found = pd.read_parquet(folder / "shards")
        asked = Options(
            [str(folder / "list.parquet")], str(folder / MODEL), None, True, "cpu", {}, False, None, None, None
        )
        started = time.perf_counter()
        score_to_file(asked, "parquet", folder / "whole.parquet", resume=False)
        alone = time.perf_counter() - started
        same = found.equals(pd.read_parquet(folder / "whole.parquet"))
    print(f"{options.rows} rows in {shards} shards, {took:.0f} s with two workers, one killed after {killed:.0f} s")
    print(f"without Ray {alone:.0f} s, in which every file is scored once")
    print(f"exit code {code} (1: a file is not there); {'the same' if same else 'OTHER'} rows")
    sys.exit(int(not same or code != 1))


if __name__ == "__main__":
    main()
