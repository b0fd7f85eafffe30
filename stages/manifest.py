"""List every usable clip with its ratings, and every unusable one with the reason."""

from pathlib import Path

from datmos.datasets.registry import DATASETS
from datmos.errors import run_stage
from datmos.files import write_csv, write_metrics, write_parquet
from datmos.manifest import build_manifest, manifest_schema, summarise
from datmos.params import load_params


def main() -> None:
    """Write data/manifest.parquet, data/excluded.csv and metrics/manifest.json."""
    params = load_params()
    data = params.data
    ratings = DATASETS[data.kind](data.root, data.aspects)
    manifest, excluded = build_manifest(ratings, data.root, params.audio, data.max_excluded)
    write_csv(Path("data/excluded.csv"), excluded)
    write_metrics(Path("metrics/manifest.json"), summarise(manifest, excluded, data.aspects))
    write_parquet(Path("data/manifest.parquet"), manifest, manifest_schema(data.aspects))


if __name__ == "__main__":
    run_stage(main)
