"""Draw what the tables say, what is behind it, and h."""

import pandas as pd
from joblib import Memory

from datmos.comparison.granularity import granularity_rows
from datmos.comparison.rivals import find_rivals
from datmos.comparison.summaries import backbone_rows, comparison_rows, mean_curve
from datmos.core.clips import natural_clips
from datmos.core.errors import run_stage
from datmos.core.files import read_json, remove_all_but
from datmos.core.paths import CURVES, DETAILS, DOMAINS, MANIFEST, PLOTS, H
from datmos.core.predictions import read_h
from datmos.params.schema import Params, load_params
from datmos.report.figures.backbones import draw_backbones
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
from datmos.report.figures.umap import draw_embedding, umap_coordinates

FIGURES = PLOTS / "figures"


def main() -> None:
    """Write plots/figures/."""
    params, manifest = load_params(), pd.read_parquet(MANIFEST)
    aspects, metrics = params.data.aspects, read_json(DETAILS / "strategies.json")
    rows, baseline = comparison_rows(metrics, aspects), metrics[params.evaluate.baseline]
    train_means = manifest[manifest["split"] == "train"].groupby("source")[aspects].mean()
    draw_comparison(rows, FIGURES / "comparison.png")
    draw_errors(rows, FIGURES / "errors.png")
    draw_planted(manifest, aspects, FIGURES / "planted.png")
    draw_signature_offsets(rows, train_means - train_means.mean(), FIGURES / "signatures.png")
    trained = find_rivals(params).trained
    remove_all_but(CURVES, trained)
    curves = {name: mean_curve(pd.read_csv(CURVES / f"{name}.csv")) for name in trained}
    draw_training({name: curves[name] for name in params.strategies}, FIGURES / "training.png")
    calibration = pd.read_csv(DETAILS / "calibration.csv").groupby("strategy", sort=False)
    draw_calibration({str(name): own for name, own in calibration}, aspects, FIGURES / "calibration.png")
    clusters = pd.read_parquet(DOMAINS / "kmeans.parquet").merge(manifest, on="clip_id")
    draw_composition(pd.crosstab(clusters["source"], clusters["domain"]), FIGURES / "composition.png")
    differences = granularity_rows(read_json(DETAILS / "granularity.json"), baseline, aspects)
    draw_granularity(differences, FIGURES / "granularity.png")
    draw_h(params, manifest)
    for name in params.finetune.baselines:
        draw_backbone(params, name, curves)


def draw_h(params: Params, manifest: pd.DataFrame) -> None:
    """Lay the train clips' h of the first seed out in the plane: by source, by score, and as a terrain."""
    aspect, natural = params.data.aspects[0], natural_clips(manifest)
    train = (natural["split"] == "train").to_numpy()
    clips, terrains = natural[train], {}
    laid_out = Memory(".cache/umap", verbose=0).cache(umap_coordinates)  # 10 s for each h that has not changed
    for name in params.umap.strategies:
        h = read_h(H / f"{name}.npz")
        points = laid_out(h[min(h)][train], params.umap.neighbors, params.umap.seed)
        title, path = f"h of {name}, train clips", FIGURES / f"umap_{name}.png"
        draw_embedding(points, list(clips["source"]), clips[aspect].to_numpy(), aspect, title, path)
        terrains[name] = (points, clips[aspect].to_numpy())
    draw_terrain(terrains, aspect, FIGURES / "terrain.png")


def draw_backbone(params: Params, baseline: str, curves: dict[str, pd.DataFrame]) -> None:
    """Draw both backbones side by side (paper, Fig. 2), and the training of the second one."""
    tuned = params.finetune.strategies
    domains = {one.domains for one in tuned.values() if one.adversarial}
    frozen = [one for one, own in params.strategies.items() if own.adversarial and own.domains in domains]
    others = [one for one in tuned if one != baseline]
    rivals = {params.evaluate.baseline: frozen, baseline: others}
    against = read_json(DETAILS / "significance.json")["against"]
    draw_backbones(backbone_rows(against, rivals, params.data.aspects), FIGURES / f"backbones_{baseline}.png")
    loss = "|error| + error² (z-scored)"
    draw_training({one: curves[one] for one in tuned}, FIGURES / f"backbones_{baseline}_training.png", loss)


if __name__ == "__main__":
    run_stage(main)
