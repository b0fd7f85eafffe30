"""Render the simulated study, or check that the user's own ratings can be read."""

from pathlib import Path

from datmos.core.errors import run_stage
from datmos.core.files import replacing_folder, write_metrics, write_text
from datmos.core.paths import CORPUS
from datmos.core.registry import find
from datmos.datasets.checks import check_ratings
from datmos.datasets.settings import DATASETS
from datmos.params.schema import load_params


def main() -> None:
    """Write data/corpus/ and data/corpus.json."""
    params = load_params()
    if params.data.kind == "simulated":
        from datmos.datasets.simulated.study import (
            render_study,  # here: worker processes import this script, but not torch
        )

        with replacing_folder(CORPUS) as folder:
            summary = {"kind": "simulated", **render_study(params.corpus, folder)}
    else:
        # here too, so that a wrong data.root stops the run before anything downstream is touched
        table = find(DATASETS, params.data.kind)(params.data.root, params.data.aspects)
        check_ratings(table, params.data.aspects, params.data.scale, params.data.root)
        summary = {"kind": params.data.kind, "clips": len(table)}
        with replacing_folder(CORPUS) as folder:
            write_text(folder / "unused.txt", "data.kind is not simulated: clips are read from data.root\n")
    write_metrics(Path("data/corpus.json"), summary)


if __name__ == "__main__":
    run_stage(main)
