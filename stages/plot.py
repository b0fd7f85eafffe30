"""Draw what the tables say, and what is behind it."""

import pandas as pd

from datmos.comparison.granularity import granularity_chart, granularity_rows
from datmos.comparison.rivals import find_rivals
from datmos.core.errors import run_stage
from datmos.core.files import read_json, write_csv
from datmos.core.places import DOMAINS, MANIFEST, METRICS, PLOTS, UMAP
from datmos.params.schema import load_params
from datmos.report.figures.comparison import draw_comparison
from datmos.report.figures.diagnostics import (
    draw_calibration,
    draw_composition,
    draw_errors,
    draw_granularity,
    draw_training,
)
from datmos.report.figures.shortcuts import draw_planted, draw_signature_offsets
from datmos.report.figures.terrain import draw_terrain


def main() -> None:
    """Write plots/figures/ (pictures of h are umap's), granularity_mse.csv and _srcc.csv."""
    params = load_params()
    rivals = find_rivals(params)
    aspects, strategies = params.data.aspects, list(params.strategies)
    rows, manifest = pd.read_csv(PLOTS / "comparison.csv"), pd.read_parquet(MANIFEST)
    train_means = manifest[manifest["split"] == "train"].groupby("source")[aspects].mean()
    figures = PLOTS / "figures"
    draw_comparison(rows, figures / "comparison.png")
    draw_errors(rows, figures / "errors.png")
    draw_planted(manifest, aspects, figures / "planted.png")
    draw_signature_offsets(rows, train_means - train_means.mean(), figures / "signatures.png")
    draw_training(
        {name: pd.read_csv(PLOTS / f"training/{name}.csv") for name in strategies}, figures / "training.png"
    )
    calibration = {name: pd.read_csv(PLOTS / f"calibration/{name}.csv") for name in rivals.trained}
    draw_calibration(calibration, aspects, figures / "calibration.png")
    clusters = pd.read_parquet(DOMAINS / "kmeans.parquet").merge(manifest, on="clip_id")
    draw_composition(pd.crosstab(clusters["source"], clusters["domain"]), figures / "composition.png")

    baseline = read_json(METRICS / f"strategies/{params.evaluate.baseline}.json")
    differences = granularity_rows(read_json(METRICS / "granularity.json"), baseline, aspects)
    draw_granularity(differences, figures / "granularity.png")
    for metric in ("mse", "srcc"):
        write_csv(PLOTS / f"granularity_{metric}.csv", granularity_chart(differences, metric))

    terrains, clips = {}, manifest.set_index("clip_id")
    for name in params.umap.strategies:
        points = pd.read_parquet(UMAP / f"{name}.parquet")
        terrains[name] = (points[["x", "y"]].to_numpy(), clips.loc[points["clip_id"], aspects[0]].to_numpy())
    draw_terrain(terrains, aspects[0], figures / "terrain.png")


if __name__ == "__main__":
    run_stage(main)
