"""Strategies on several simulated studies, each drawn anew: what a strategy does wherever it is tried.

    python benchmarks/corpora.py --seeds 201 202 203 --shortcuts 1 0 --out /tmp/corpora

renders a study for each corpus seed and strength of the shortcut, embeds it, and trains strategies of params.yaml
(all, or those after --strategies) and references. It writes OUT.csv (every number), and OUT_<strength>.csv: means
over corpora, as docs/studies/ has them. Studies are kept under --work and not made again. All else is as
params.yaml says.

A strategy is compared with the baseline in every corpus for itself, as the stage evaluate does. The means say in
how many corpora its SRCC is separably better or worse.
"""

import argparse
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from datmos.ablations.trial import train_trials
from datmos.comparison.significance import compare_strategies
from datmos.comparison.summaries import LOWER_IS_BETTER
from datmos.core.clips import predicted_clips
from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import write_csv
from datmos.core.paths import EMBEDDINGS, MANIFEST
from datmos.core.store import EmbeddingStore
from datmos.evaluation.metrics import evaluate_predictions
from datmos.evaluation.references import predict_reference
from datmos.heads.predict import predict_clips
from datmos.params.schema import Params, load_params
from datmos.report.markdown import cell, markdown_table
from datmos.training.train import Study

ROOT = Path(__file__).parents[1]
STAGES = ("corpus", "manifest", "embed")  # those that make a study
METRICS = ("srcc", "mse")
SAME = {"difference": 0.0, "p": 1.0, "separable": False}


def make_study(params: Params, folder: Path) -> None:
    """Render and embed a study in ``folder`` by the pipeline's own scripts, unless it is there."""
    text = yaml.safe_dump(params.model_dump(mode="json", by_alias=True), sort_keys=False)
    settings = folder / "params.yaml"
    if settings.exists() and settings.read_text() == text and (folder / EMBEDDINGS).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    settings.write_text(text)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    for stage in STAGES:
        subprocess.run([sys.executable, ROOT / f"stages/{stage}.py"], cwd=folder, env=environment, check=True)


def score_study(params: Params, folder: Path, names: list[str]) -> pd.DataFrame:
    """Train, predict and compare in one study: a row a predictor and aspect.

    Columns name, aspect, srcc_std, slope (of the shortcut), and for both metrics <metric>, and of the difference to
    the baseline <metric>_gain (above 0: better), <metric>_p and <metric>_separable.
    """
    manifest, store = pd.read_parquet(folder / MANIFEST), EmbeddingStore(folder / EMBEDDINGS)
    aspects, baseline = params.data.aspects, params.evaluate.baseline
    study = Study(manifest, store, aspects, params.data.scale, params.train, params.seeds)
    clip_ids = list(predicted_clips(manifest)["clip_id"])
    predictions = {}
    for name in dict.fromkeys([baseline, *names]):
        (models,) = train_trials(study, name, params.strategies[name], [params.domains])
        predictions[name] = predict_clips(models, store, clip_ids, pick_device())
    for name in params.evaluate.references:
        predictions[name] = predict_reference(name, store, manifest, clip_ids, aspects, params.seeds)
    compared = compare_strategies(predictions, manifest, aspects, [baseline])["against"][baseline]
    rows = []
    for name, own in predictions.items():
        metrics = evaluate_predictions(own, manifest, aspects)
        for aspect in aspects:
            system, shortcut = metrics[aspect]["system"], metrics[aspect]["shortcut"]
            row = {"name": name, "aspect": aspect, "srcc_std": system["srcc"]["std"]}
            row["slope"] = shortcut["shortcut_slope"]["mean"] if "shortcut_slope" in shortcut else float("nan")
            for metric in METRICS:
                row[metric] = system[metric]["mean"]
                found = compared[aspect].get(name, {}).get(metric, SAME)  # the baseline itself is not compared
                row[f"{metric}_gain"] = found["difference"] * (-1 if metric in LOWER_IS_BETTER else 1)
                row |= {f"{metric}_{key}": found[key] for key in ("p", "separable")}
            rows.append(row)
    return pd.DataFrame(rows)


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over corpora: a row a predictor and aspect.

    Columns name, aspect, srcc, mse, slope; corpora: how many; better, worse: in how many the SRCC is separably so.
    """
    gains = rows["srcc_gain"].where(rows["srcc_separable"].astype(bool), 0.0)
    counted = rows.assign(better=gains > 0, worse=gains < 0, corpora=1)
    kinds = {"srcc": "mean", "mse": "mean", "slope": "mean", "better": "sum", "worse": "sum", "corpora": "sum"}
    return counted.groupby(["name", "aspect"], sort=False).agg(kinds).reset_index()


def table(averages: pd.DataFrame) -> str:
    """Lay what `means` returned out: SRCC / MSE / slope, and + and -: in how many corpora it is better or worse."""
    aspects = list(averages["aspect"].unique())
    rows = [
        [str(name), *(_cell(one) for one in own.set_index("aspect").loc[aspects].itertuples())]
        for name, own in averages.groupby("name", sort=False)
    ]
    return markdown_table(["Strategy", *aspects], rows)


def _cell(own: Any) -> str:
    marks = "".join(f" {sign}{count}" for sign, count in (("+", own.better), ("-", own.worse)) if count)
    slope = "" if math.isnan(own.slope) else f" / {cell(own.slope, 2)}"
    return f"{cell(own.srcc, 3)} / {cell(own.mse, 2)}{slope}{marks}"


def main() -> None:
    """Write OUT.csv, and OUT_<strength>.csv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, required=True, help="of the corpora")
    parser.add_argument("--shortcuts", nargs="+", type=float, default=[1.0], help="strengths, 0 to 1")
    parser.add_argument("--strategies", nargs="+", help="of params.yaml; all without this")
    parser.add_argument("--work", type=Path, default=Path(".cache/corpora"), help="folder to keep studies in")
    parser.add_argument("--out", type=Path, required=True, help="path without ending")
    arguments = parser.parse_args()
    params = load_params()
    names = arguments.strategies or list(params.strategies)
    cache = (arguments.work / "embeddings").resolve()
    tables = []
    for shortcut in arguments.shortcuts:
        for seed in arguments.seeds:
            corpus = params.corpus.model_copy(update={"seed": seed, "shortcut": shortcut})
            own = params.model_copy(
                update={"corpus": corpus, "embed": params.embed.model_copy(update={"cache": cache})}
            )
            folder = arguments.work / f"seed-{seed}-shortcut-{shortcut:g}"
            make_study(own, folder)
            tables.append(score_study(own, folder, names).assign(corpus=seed, shortcut=shortcut))
            write_csv(arguments.out.with_suffix(".csv"), pd.concat(tables, ignore_index=True))
    for shortcut, own in pd.concat(tables, ignore_index=True).groupby("shortcut", sort=False):
        write_csv(arguments.out.with_name(f"{arguments.out.name}_{shortcut:g}.csv"), means(own))


if __name__ == "__main__":
    run_stage(main)
