"""What it does to the spread over seeds that all seeds see the same batches (`train.shared_order`).

    python benchmarks/shared_order.py --seeds 16      # in the project's folder, after `dvc repro embed domains`

Trains strategies with many seeds, once with one order of batches for all and once with an order for each. Prints
the standard deviation over seeds of system MSE and SRCC, and their ratio with its 95% interval (F distribution: it
takes the seeds of the two trainings as independent, which makes it wide).
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from datmos.core.device import pick_device
from datmos.core.store import EmbeddingStore
from datmos.evaluation.metrics import evaluate_predictions
from datmos.heads.predict import predict_clips
from datmos.heads.saved import make_models
from datmos.params.schema import Params, load_params
from datmos.training.train import Member, describe, train_members


def spread(params: Params, name: str, manifest: pd.DataFrame, store: EmbeddingStore) -> pd.DataFrame:
    """System metrics of every seed: columns aspect and metric, a row a seed."""
    domains = pd.read_parquet(f"data/domains/{params.strategies[name].domains}.parquet")
    trained = train_members(params, name, manifest, store, [Member(seed, domains) for seed in params.seeds])
    weights = {seed: one.weights for seed, one in zip(params.seeds, trained, strict=True)}
    models = make_models(describe(params, name, store), weights)
    evaluated = manifest[manifest["split"] == "eval"]
    predictions = predict_clips(models, store, list(evaluated["clip_id"]), pick_device())
    scores = evaluate_predictions(predictions, evaluated, params.data.aspects)
    return pd.DataFrame(
        {
            (a, metric): scores[a]["system"][metric]["seeds"]
            for a in params.data.aspects
            for metric in ("mse", "srcc")
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--strategies", nargs="+", default=["multigauss", "dat_source"])
    options = parser.parse_args()
    params = load_params().model_copy(update={"seeds": list(range(options.seeds))})
    manifest, store = pd.read_parquet("data/manifest.parquet"), EmbeddingStore(Path("data/embeddings"))
    bounds = stats.f.ppf([0.975, 0.025], options.seeds - 1, options.seeds - 1)
    print("strategy, aspect, metric: standard deviation over seeds, shared / own order = ratio [95% interval]")
    for name in options.strategies:
        found = {}
        for shared in (True, False):
            train = params.train.model_copy(update={"shared_order": shared})
            found[shared] = spread(params.model_copy(update={"train": train}), name, manifest, store)
        for aspect, metric in found[True]:
            one, own = (found[shared][aspect, metric].std(ddof=1) for shared in (True, False))
            low, high = np.sqrt((one / own) ** 2 / bounds)
            print(f"{name} {aspect} {metric}: {one:.3f} / {own:.3f} = {one / own:.2f} [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    main()
