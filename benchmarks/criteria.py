"""Which numbers of natural clips tell, aspect by aspect, whether an adversary will help on generative systems?

    python benchmarks/criteria.py .cache/corpora/seed-* --strategy dat_source --out /tmp/criteria

Each STUDY is a folder with params.yaml, data/manifest.parquet and data/embeddings, as `benchmarks/corpora.py` and
the pipeline make them. In each of them the strategy and the baseline of params.yaml are trained on all train clips,
and once a source without that source, whose clips are then new to the models in every way. A criterion is a
difference of the two on natural clips alone, above 0 where the strategy does better. What it should tell is the
difference of their system SRCC on the eval clips.

OUT.csv has a row a study and aspect. OUT.md has a row a criterion: how often its sign is right; and, whatever the
margin, the area under the ROC curve (AUC): of a case that gained and one that lost, how often the former has
the larger criterion. .5 is chance.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from datmos.ablations.trial import train_trials
from datmos.commands.selection import leave_one_source_out
from datmos.core.clips import COUNTERFACTUAL, natural_clips
from datmos.core.device import pick_device
from datmos.core.errors import run_stage
from datmos.core.files import write_csv, write_text
from datmos.core.paths import EMBEDDINGS, MANIFEST
from datmos.core.store import EmbeddingStore
from datmos.evaluation.metrics import evaluate_predictions
from datmos.heads.predict import predict_clips
from datmos.params.schema import Params, load_params
from datmos.training.train import Study

CRITERIA = {
    "validation_error": "squared error on validation clips, relative",
    "left_out_error": "squared error on sources left out, relative",
    "left_out_srcc": "SRCC over the clips of all sources left out",
    "left_out_srcc_within": "SRCC within a source left out, mean over sources",
    "left_out_source_means": "SRCC of the sources' means, each left out",
}


def summarise(predictions: pd.DataFrame, clips: pd.DataFrame, aspect: str) -> dict[str, float]:
    """Error and rank correlations of predictions of natural clips, means over seeds."""
    scored = clips[["clip_id", "source", aspect]].merge(predictions[["clip_id", "seed", aspect]], on="clip_id")
    scored = scored.rename(columns={f"{aspect}_x": "actual", f"{aspect}_y": "predicted"})
    found = []
    for _, own in scored.groupby("seed"):
        means = own.groupby("source")[["actual", "predicted"]].mean()
        within = [spearmanr(part["actual"], part["predicted"]).statistic for _, part in own.groupby("source")]
        found.append(
            {
                "error": np.square(own["actual"] - own["predicted"]).mean(),
                "srcc": spearmanr(own["actual"], own["predicted"]).statistic,
                "srcc_within": np.mean(within),
                "source_means": spearmanr(means["actual"], means["predicted"]).statistic,
            }
        )
    return {key: float(np.mean([one[key] for one in found])) for key in found[0]}


def measure(params: Params, folder: Path, name: str) -> pd.DataFrame:
    """Compute every criterion and the gain in one study: a row an aspect."""
    manifest, store = pd.read_parquet(folder / MANIFEST), EmbeddingStore(folder / EMBEDDINGS)
    data = load_params(folder / "params.yaml").data
    aspects, natural = data.aspects, natural_clips(manifest)
    valid, evaluated = (list(manifest.loc[manifest["split"] == split, "clip_id"]) for split in ("valid", "eval"))
    tables: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {}
    for strategy in (params.evaluate.baseline, name):

        def predict(clips: pd.DataFrame, wanted: list[str], strategy: str = strategy) -> pd.DataFrame:
            study = Study(clips, store, aspects, data.scale, params.train, params.seeds)
            (models,) = train_trials(study, strategy, params.strategies[strategy], [params.domains])
            return predict_clips(models, store, wanted, pick_device())

        whole = predict(manifest, [*valid, *evaluated])
        parts = [predict(clips, list(scored["clip_id"])) for clips, scored in leave_one_source_out(manifest)]
        tables[strategy] = whole, pd.concat(parts, ignore_index=True)
    (plain, plain_out), (freed, freed_out) = tables.values()
    rated = manifest[manifest["split"] != COUNTERFACTUAL]
    metrics = [evaluate_predictions(own, rated, aspects) for own in (plain, freed)]
    rows = []
    for aspect in aspects:
        checked = [summarise(own, natural[natural["split"] == "valid"], aspect) for own in (plain, freed)]
        left_out = [summarise(own, natural, aspect) for own in (plain_out, freed_out)]
        srcc = [own[aspect]["system"]["srcc"]["mean"] for own in metrics]
        rows.append(
            {
                "aspect": aspect,
                "validation_error": 1 - checked[1]["error"] / checked[0]["error"],
                "left_out_error": 1 - left_out[1]["error"] / left_out[0]["error"],
                "left_out_srcc": left_out[1]["srcc"] - left_out[0]["srcc"],
                "left_out_srcc_within": left_out[1]["srcc_within"] - left_out[0]["srcc_within"],
                "left_out_source_means": left_out[1]["source_means"] - left_out[0]["source_means"],
                "gain": srcc[1] - srcc[0],
            }
        )
    return pd.DataFrame(rows)


def report(rows: pd.DataFrame) -> str:
    """Lay the criteria out as a table."""
    helped = rows["gain"] > 0
    lines = [
        f"{len(rows)} cases (studies x aspects); the adversary raised the system SRCC in {int(helped.sum())}.\n\n",
        "| criterion | sign is right | AUC | rank correlation with the gain |\n| :--- | ---: | ---: | ---: |\n",
    ]
    for name, text in CRITERIA.items():
        right = float(((rows[name] > 0) == helped).mean())
        area, rank = roc_auc_score(helped, rows[name]), spearmanr(rows[name], rows["gain"]).statistic
        lines.append(f"| {text} | {right:.0%} | {area:.2f} | {rank:.2f} |\n")
    return "".join(lines)


def main() -> None:
    """Write OUT.csv and OUT.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", type=Path, metavar="STUDY")
    parser.add_argument("--strategy", default="dat_source")
    parser.add_argument("--out", type=Path, required=True, help="path without ending")
    arguments = parser.parse_args()
    params = load_params()
    tables = []
    for folder in arguments.studies:
        tables.append(measure(params, folder, arguments.strategy).assign(study=folder.name))
        rows = pd.concat(tables, ignore_index=True)
        write_csv(arguments.out.with_suffix(".csv"), rows)
        write_text(arguments.out.with_suffix(".md"), report(rows))


if __name__ == "__main__":
    run_stage(main)
