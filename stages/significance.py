"""Test every strategy, combination and reference against the baseline and the controls."""

from pathlib import Path

import pandas as pd

from datmos.errors import run_stage
from datmos.files import write_metrics
from datmos.params import load_params
from datmos.significance import compare_strategies


def main() -> None:
    """Write metrics/significance.json."""
    params = load_params()
    aspects = params.data.aspects
    controls = [name for name, one in params.strategies.items() if one.domains == "random" and one.adversarial]
    # strategies of the second backbone are compared with its own baseline too, which is of no use to the others
    rivals_of = {name: list(params.finetune.strategies) for name in params.finetune.baselines}
    against = list(dict.fromkeys([params.evaluate.baseline, *controls, *rivals_of]))
    predictions = {name: pd.read_parquet(f"data/predictions/{name}.parquet") for name in params.compared}
    manifest = pd.read_parquet("data/manifest.parquet")
    result = compare_strategies(predictions, manifest, aspects, against, rivals_of)
    write_metrics(Path("metrics/significance.json"), result)


if __name__ == "__main__":
    run_stage(main)
