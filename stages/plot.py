"""Draw the comparison, what is planted in the scores, and what signatures do to predictions."""

from pathlib import Path

import pandas as pd

from datmos.errors import run_stage
from datmos.figures import draw_comparison
from datmos.params import load_params
from datmos.shortcut_figures import draw_planted, draw_signature_offsets


def main() -> None:
    """Write plots/comparison.png, plots/planted.png and plots/signatures.png."""
    aspects = load_params().data.aspects
    rows, manifest = pd.read_csv("plots/comparison.csv"), pd.read_parquet("data/manifest.parquet")
    train_means = manifest[manifest["split"] == "train"].groupby("source")[aspects].mean()
    draw_comparison(rows, Path("plots/comparison.png"))
    draw_planted(manifest, aspects, Path("plots/planted.png"))
    draw_signature_offsets(rows, train_means - train_means.mean(), Path("plots/signatures.png"))


if __name__ == "__main__":
    run_stage(main)
