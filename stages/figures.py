"""Draw what the tables say, what is behind it, and h."""

import itertools
from pathlib import Path

import pandas as pd
from joblib import Memory

from datmos.comparison.granularity import granularity_rows
from datmos.comparison.rivals import find_rivals
from datmos.comparison.summaries import ceiling_gaps, comparison_rows, difference_rows, mean_curve
from datmos.core.clips import natural_clips
from datmos.core.errors import run_stage
from datmos.core.files import read_json, remove_all_but, replacing_folder, write_json
from datmos.core.paths import CURVES, DETAILS, DOMAINS, MANIFEST, PLOTS, H
from datmos.core.predictions import read_h
from datmos.params.schema import Params, load_params
from datmos.report.figures.diagnostics import (
    draw_calibration,
    draw_composition,
    draw_errors,
    draw_granularity,
    draw_training,
)
from datmos.report.figures.forest import draw_forest
from datmos.report.figures.names import prepare_names
from datmos.report.figures.shortcuts import draw_planted, draw_slopes
from datmos.report.figures.style import Looks, make_looks
from datmos.report.figures.terrain import draw_terrain
from datmos.report.figures.umap import draw_embedding, umap_coordinates
from datmos.report.page import NUMBERED


def main() -> None:
    """Write plots/figures/."""
    params, manifest = load_params(), pd.read_parquet(MANIFEST)
    shown = prepare_names([*manifest["source"], *manifest["category"]])
    manifest = manifest.assign(**{of: manifest[of].map(shown) for of in ("source", "category")})
    rivals = find_rivals(params)
    looks = make_looks(params.evaluate.baseline, rivals.trained, rivals.untrained)
    remove_all_but(CURVES, rivals.trained)
    curves = {name: mean_curve(pd.read_csv(CURVES / f"{name}.csv")) for name in rivals.trained}
    with replacing_folder(PLOTS / "figures") as folder:
        if key := {short: name for name, short in shown.items() if short != name}:
            write_json(folder / NUMBERED, key)
        draw_results(params, looks, shown, folder)
        draw_training({name: curves[name] for name in params.strategies}, looks, folder / "training.png")
        clusters = pd.read_parquet(DOMAINS / "kmeans.parquet").merge(manifest, on="clip_id")
        draw_composition(pd.crosstab(clusters["source"], clusters["domain"]), folder / "composition.png")
        draw_planted(manifest, params.data.aspects, folder / "planted.png")
        draw_h(params, manifest, folder)
        for name in params.finetune.baselines:
            tuned = {one: curves[one] for one in params.finetune.strategies}
            loss = "|error| + error² (z-scored)"
            draw_training(tuned, looks, folder / f"backbones_{name}_training.png", loss)


def draw_results(params: Params, looks: Looks, shown: dict[str, str], folder: Path) -> None:
    """Draw what the numbers of data/details/ say, with categories as they are ``shown``."""
    aspects, baseline = params.data.aspects, params.evaluate.baseline
    metrics = read_json(DETAILS / "strategies.json")
    against, ceilings = read_json(DETAILS / "significance.json")["against"], read_json(DETAILS / "ceilings.json")
    blocks = [list(params.strategies), list(params.finetune.strategies), find_rivals(params).untrained]
    others = [[name for name in block if name != baseline] for block in blocks]
    differences = difference_rows(against, metrics, {baseline: [*itertools.chain(*others)]}, aspects)
    gaps = ceiling_gaps(ceilings, metrics, baseline, aspects)
    draw_forest(differences, others, gaps, looks, folder / "forest.png")
    for name in params.finetune.baselines:  # both backbones, each against its own baseline (paper, Fig. 2)
        both = _rivals_of_both(params, name)
        rows = difference_rows(against, metrics, both, aspects)
        draw_forest(rows, list(both.values()), {}, looks, folder / f"backbones_{name}.png")
    rows = comparison_rows(metrics, aspects)
    within = {f"system within {name}": f"system within {short}" for name, short in shown.items()}
    rows["level"] = rows["level"].replace(within)
    draw_errors(rows, blocks, looks, folder / "errors.png")
    draw_slopes(rows, blocks, looks, folder / "slopes.png")
    calibration = pd.read_csv(DETAILS / "calibration.csv", keep_default_na=False).groupby("strategy", sort=False)
    draw_calibration({str(name): own for name, own in calibration}, aspects, looks, folder / "calibration.png")
    ablation = granularity_rows(read_json(DETAILS / "granularity.json"), metrics[baseline], aspects)
    draw_granularity(ablation, looks, folder / "granularity.png")


def draw_h(params: Params, manifest: pd.DataFrame, folder: Path) -> None:
    """Lay h of the first seed out in the plane: by source, by score, and as a terrain."""
    aspects, split = params.data.aspects, params.umap.split
    aspect = params.umap.aspect or ("PC" if "PC" in aspects else aspects[0])
    natural = natural_clips(manifest)
    wanted = (natural["split"] == split).to_numpy()
    clips, terrains = natural[wanted], {}
    laid_out = Memory(".cache/umap", verbose=0).cache(umap_coordinates)  # 10 s for each h that has not changed
    for name in params.umap.strategies:
        h = read_h(H / f"{name}.npz")
        points = laid_out(h[min(h)][wanted], params.umap.neighbors, params.umap.seed)
        title, path = f"h of {name}, {split} clips", folder / f"umap_{name}.png"
        draw_embedding(points, list(clips["source"]), clips[aspect].to_numpy(), aspect, title, path)
        terrains[name] = (points, clips[aspect].to_numpy())
    draw_terrain(terrains, aspect, folder / "terrain.png")


def _rivals_of_both(params: Params, baseline: str) -> dict[str, list[str]]:
    """Name the strategies of both backbones that have the same domains, by their baselines."""
    tuned = params.finetune.strategies
    domains = {one.domains for one in tuned.values() if one.adversarial}
    frozen = [name for name, own in params.strategies.items() if own.adversarial and own.domains in domains]
    return {params.evaluate.baseline: frozen, baseline: [name for name in tuned if name != baseline]}


if __name__ == "__main__":
    run_stage(main)
