"""Draw the quality terrain of the strategies whose h has been laid out in the plane."""

from pathlib import Path

import pandas as pd

from datmos.core.errors import run_stage
from datmos.params.schema import load_params
from datmos.report.figures.terrain import draw_terrain


def main() -> None:
    """Write plots/terrain.png."""
    params = load_params()
    manifest = pd.read_parquet("data/manifest.parquet").set_index("clip_id")
    aspect = params.data.aspects[0]
    terrains = {}
    for name in params.umap.strategies:
        points = pd.read_parquet(f"data/umap/{name}.parquet")
        scores = manifest.loc[points["clip_id"], aspect].to_numpy()
        terrains[name] = (points[["x", "y"]].to_numpy(), scores)
    draw_terrain(terrains, aspect, Path("plots/terrain.png"))


if __name__ == "__main__":
    run_stage(main)
