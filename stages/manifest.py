"""List every usable clip with its ratings, and every unusable one with the reason.

`python stages/manifest.py` for the dataset, `python stages/manifest.py pam` for an evaluation set.
"""

import sys
from pathlib import Path

import pandas as pd

from datmos.core.clips import natural_clips
from datmos.core.errors import run_stage, stage_item
from datmos.core.files import write_csv, write_metrics, write_parquet
from datmos.core.paths import DETAILS, MANIFEST, METRICS, SETS
from datmos.core.registry import find
from datmos.datasets.checks import check_ratings
from datmos.datasets.manifest import build_manifest, manifest_schema, summarise
from datmos.datasets.settings import DATASETS, EVALUATION_SETS, DataParams, EvaluationSetParams
from datmos.params.schema import load_params


def main() -> None:
    """Write manifest.parquet and excluded.csv to data/, and manifest.json to data/details/.

    Of a set: to data/sets/<set>/, and manifest.json to metrics/sets/<set>/.
    """
    params, folder, counts = load_params(), Path("data"), DETAILS
    chosen: DataParams | EvaluationSetParams = params.data
    readers, learned_from = DATASETS, None
    if len(sys.argv) > 1:
        name = stage_item()
        chosen, readers = params.evaluation_sets[name], EVALUATION_SETS
        folder, counts = SETS / name, METRICS / "sets" / name
        learned_from = natural_clips(pd.read_parquet(MANIFEST))
    aspects = params.data.aspects
    ratings = find(readers, chosen.kind)(chosen.root, aspects)
    check_ratings(ratings, aspects, params.data.scale, chosen.root)
    manifest, excluded = build_manifest(ratings, chosen.root, params.audio, chosen.max_excluded, learned_from)
    write_csv(folder / "excluded.csv", excluded)
    write_metrics(counts / "manifest.json", summarise(manifest, excluded, aspects))
    write_parquet(folder / "manifest.parquet", manifest, manifest_schema(aspects))


if __name__ == "__main__":
    run_stage(main)
