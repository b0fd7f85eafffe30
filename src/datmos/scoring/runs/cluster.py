"""Scoring a parquet manifest with Ray Data, on the cores of this machine or on many machines.

The manifest is cut into shards (`datmos.scoring.runs.shards`). Ray Data maps them over a pool of actors, each with
a model of its own; it starts an actor again that was lost, with its shard. All machines see the same files.
"""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from datmos.core.errors import DatmosError
from datmos.core.paths import local_model
from datmos.scoring.extras import needs
from datmos.scoring.runs.options import Options
from datmos.scoring.runs.shard_scorer import ShardScorer
from datmos.scoring.runs.shards import LOCK, Sharding, check_folder, claim_output, cut_manifest
from datmos.scoring.runs.tally import Tally
from datmos.scoring.user_outputs import locked, output_folder


class Cluster(NamedTuple):
    """Where to compute.

    Attributes:
        address: "local": Ray is started on this machine; "auto", or host:port: a cluster that runs.
        actors: models in work at a time; None: one a GPU, or one a ``workers`` of the cores.
        shard_clips: clips of a shard; what is lost at most if an actor is.
    """

    address: str
    actors: int | None
    shard_clips: int


def score_on_ray(options: Options, output: Path, resume: bool, cluster: Cluster) -> bool:
    """Write a folder of parquet shards, the rows that `score_to_file` would write; returns whether a clip failed.

    Shards that are done are kept and not computed again.

    Raises:
        DatmosError: see `cut_manifest` and `claim_output`; Ray is not installed or not there; or the model can't be
            loaded.
    """
    needs("ray", "ray")
    if len(options.inputs) != 1 or Path(options.inputs[0]).suffix.lower() != ".parquet":
        raise DatmosError(f"--ray: one parquet manifest is expected, got {' '.join(options.inputs)}")
    if cluster.actors is not None and cluster.actors < 1:
        raise DatmosError(f"--actors: 1 or more is expected, got {cluster.actors}")
    output = output_folder(output)
    sharding = cut_manifest(Path(options.inputs[0]), output, cluster.shard_clips)
    check_folder(output)  # before there is a lock in it
    with locked(output, output / LOCK):
        return _score(sharding, options, resume, cluster)


def _score(sharding: Sharding, options: Options, resume: bool, cluster: Cluster) -> bool:
    if (folder := local_model(options.model)) is not None:  # else each machine gets it from the hub
        options = options._replace(model=str(folder.resolve()))
    finished = claim_output(sharding, options, resume)
    todo = [shard for shard in range(sharding.shards) if shard not in set(finished)]
    tally = Tally(options.minima)
    notes = (sharding.read_note(shard) for shard in finished)
    versions = {_count(tally, note)["version"] for note in notes if note is not None}
    if len(versions) > 1:
        raise DatmosError(f"{sharding.output}: its shards were scored by several versions of the model: {versions}")
    warned = False
    done = min(len(finished) * sharding.size, sharding.clips)
    with tqdm(total=sharding.clips, initial=done, desc="scoring with Ray", unit="clip") as bar:
        for note in _run(sharding, options, cluster, todo, next(iter(versions), None)) if todo else ():
            if note["problem"] is not None:
                raise DatmosError(note["problem"])
            if note["warning"] is not None and not warned:
                tqdm.write(note["warning"], file=sys.stderr)
                warned = True
            _count(tally, note)
            bar.update(note["scored"] + len(note["failed"]))
    tally.report()
    return bool(tally.failed)


def _count(tally: Tally, note: dict[str, Any]) -> dict[str, Any]:
    tally.scored += note["scored"]
    tally.passed += note["passed"]
    tally.failed += note["failed"]
    return note


def _run(
    sharding: Sharding, options: Options, cluster: Cluster, todo: list[int], version: str | None
) -> Iterator[dict[str, Any]]:
    """Score shards on a pool of actors; yields their notes as they come."""
    # read when Ray starts; it would call home, and talk of its own affairs on the terminal
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
    import ray
    import ray.data
    from ray.exceptions import RayError

    local = cluster.address == "local"
    try:
        ray.init(
            address=cluster.address,
            include_dashboard=False if local else None,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    except (ConnectionError, ValueError, RuntimeError, RayError) as error:
        raise DatmosError(f"--ray {cluster.address}: no Ray there ({str(error).strip().splitlines()[0]})") from None
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        have = ray.cluster_resources()
        gpus = 0 if options.device == "cpu" else int(have.get("GPU", 0))
        options = options._replace(workers=options.workers or (None if gpus else 1))
        cores = options.workers or 1
        actors = cluster.actors or gpus or max(1, int(have.get("CPU", 1)) // cores)
        yield from (
            ray.data.from_items([{"shard": shard} for shard in todo], override_num_blocks=len(todo))
            .map(
                ShardScorer,  # type: ignore[arg-type]  # a class: Ray makes one an actor
                fn_constructor_args=(sharding, options, version),
                compute=ray.data.ActorPoolStrategy(size=min(actors, len(todo))),
                num_cpus=cores,
                num_gpus=1 if gpus else None,
            )
            .iter_rows()
        )
    except RayError as error:
        raise DatmosError(
            f"--ray: {str(error).strip().splitlines()[-1]}. Finished shards are kept: --resume goes on."
        ) from None
    finally:
        ray.shutdown()
