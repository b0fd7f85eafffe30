"""Draw what the tables say, and what is behind it."""

from pathlib import Path

import pandas as pd

from datmos.comparison.differences import granularity_chart, granularity_rows
from datmos.core.errors import run_stage
from datmos.core.files import read_json, write_csv
from datmos.params.schema import load_params
from datmos.report.figures.diagnostics import (
    draw_calibration,
    draw_composition,
    draw_errors,
    draw_granularity,
    draw_training,
)
from datmos.report.figures.shortcuts import draw_planted, draw_signature_offsets
from datmos.report.figures.style import draw_comparison

PLOTS = Path("plots")


def main() -> None:
    """Write the pictures of plots/ (those of h are umap's and terrain's), granularity_mse.csv and _srcc.csv."""
    params = load_params()
    aspects, strategies = params.data.aspects, list(params.strategies)
    rows, manifest = pd.read_csv(PLOTS / "comparison.csv"), pd.read_parquet("data/manifest.parquet")
    train_means = manifest[manifest["split"] == "train"].groupby("source")[aspects].mean()
    draw_comparison(rows, PLOTS / "comparison.png")
    draw_errors(rows, PLOTS / "errors.png")
    draw_planted(manifest, aspects, PLOTS / "planted.png")
    draw_signature_offsets(rows, train_means - train_means.mean(), PLOTS / "signatures.png")
    draw_training(
        {name: pd.read_csv(PLOTS / f"training/{name}.csv") for name in strategies}, PLOTS / "training.png"
    )
    calibration = {name: pd.read_csv(PLOTS / f"calibration/{name}.csv") for name in params.trained}
    draw_calibration(calibration, aspects, PLOTS / "calibration.png")
    clusters = pd.read_parquet("data/domains/kmeans.parquet").merge(manifest, on="clip_id")
    draw_composition(pd.crosstab(clusters["source"], clusters["domain"]), PLOTS / "composition.png")

    ablation = {
        (name, int(k)): scores
        for name in params.granularity.strategies
        for k, scores in read_json(Path(f"metrics/granularity/{name}.json")).items()
    }
    baseline = read_json(Path(f"metrics/strategies/{params.evaluate.baseline}.json"))
    differences = granularity_rows(ablation, baseline, aspects)
    draw_granularity(differences, PLOTS / "granularity.png")
    for metric in ("mse", "srcc"):
        write_csv(PLOTS / f"granularity_{metric}.csv", granularity_chart(differences, metric))


if __name__ == "__main__":
    run_stage(main)
